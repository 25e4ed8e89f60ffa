//! Layers that transform each feature by itself.

mod conditional;
mod fixed_maps;
mod per_feature;

pub use conditional::{ConditionalElementwise, ConditionalElementwiseConfig};
pub use fixed_maps::{FixedMaps, FixedMapsConfig};
pub use per_feature::{Elementwise, ElementwiseConfig};
