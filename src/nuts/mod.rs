//! The no-U-turn sampler through a flow that is learnt during warm-up, on the `nuts-rs` crate (feature `nuts`).
//!
//! Hamiltonian dynamics go well where all directions are alike. A flow that maps the target near a standard normal makes
//! them so, also where no matrix can, as in a funnel. During warm-up it is trained on the draws and on the gradients of
//! the target there, which the sampler has anyway.
//!
//! - `sampler`: the call and its configuration; `sample`: what it gives
//! - `density`: a target as `nuts-rs` sees it, for its own samplers
//! - `transformation`: the flow between two updates; `training`: an update
//! - `error`: what stops a chain

mod density;
mod error;
mod sample;
mod sampler;
mod training;
mod transformation;

pub use density::TransformedDensity;
pub use error::DensityError;
pub use nuts_rs;
pub use sample::NutsSample;
pub use sampler::NutsConfig;
pub use transformation::{Transformation, TransformationConfig};
