//! Invertible maps with log-determinants, and how they compose.
//!
//! - `interface`: the [`Flow`] trait
//! - `sequential`, `tuple`, `inverse`: compositions
//! - `layer`: every layer of the crate in one enum, and their configurations
//! - `run`: by the fused kernels or by tensor operations; the one place that asks for the kernels
//! - `pull_back`: what a flow makes of a log-density and its gradient
//! - `chunks`: large calls in bounded memory; `table`: what a flow prints

mod chunks;
mod interface;
mod inverse;
mod layer;
mod pull_back;
pub(crate) mod run;
mod sequential;
mod table;
mod tuple;

pub use interface::Flow;
pub(crate) use interface::{common_d_context, common_d_features, required_context, zero_log_det};
pub use inverse::{Inverse, InverseConfig};
pub use layer::{Layer, LayerConfig};
pub use pull_back::PulledBack;
pub(crate) use pull_back::{check_shapes, pulled_back};
pub use sequential::{Sequential, SequentialConfig};
pub(crate) use table::table;
