//! Layers that transform each feature by itself.

mod conditional;
mod per_feature;

pub use conditional::{ConditionalElementwise, ConditionalElementwiseConfig};
pub use per_feature::{Elementwise, ElementwiseConfig};
