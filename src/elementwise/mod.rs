//! Layers that transform each feature by itself.

mod per_feature;

pub use per_feature::{Elementwise, ElementwiseConfig};
