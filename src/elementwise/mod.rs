//! Layers that transform each feature by itself.

mod conditional;
mod fixed;
mod fixed_map;
mod per_feature;

pub use conditional::{ConditionalElementwise, ConditionalElementwiseConfig};
pub use fixed::{FixedMaps, FixedMapsConfig};
pub use fixed_map::FixedMap;
pub use per_feature::{Elementwise, ElementwiseConfig};
