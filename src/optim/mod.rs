//! What training by hand needs beside burn's optimisers: fused Adam and AdamW, and gradient clipping.
//!
//! [`AdamConfig`] and [`AdamWConfig`] give burn's [`ModuleOptimizer`](burn::optim::ModuleOptimizer), as
//! burn's own do, with PyTorch's defaults. On the CPU (the Flex backend) a step reads and writes each number
//! once, in place and by all threads; elsewhere, and with `amsgrad`, it is burn's. A record of the one loads into
//! the other.
//!
//! - `adam`, `adamw`: the two; `momentum`: what both do with a gradient
//! - `clipping`: a bound on the norm of all gradients together

mod adam;
mod adamw;
mod clipping;
mod momentum;

pub use adam::{Adam, AdamConfig};
pub use adamw::{AdamW, AdamWConfig};
pub use clipping::clip_gradient_norm;
pub use momentum::MomentState;
