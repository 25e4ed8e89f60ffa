//! Layers that add a function of the features to them, `x = z + g(z)`, whose determinant is cheap.
//!
//! - [`Planar`]: along one direction, by a function of one projection
//! - [`Sylvester`]: the same for several directions at once
//! - [`Radial`]: towards a point or away from it

mod bounded;
mod layer_parameters;
mod planar;
mod radial;
mod sylvester;

pub use layer_parameters::LayerParameters;
pub use planar::{Planar, PlanarConfig};
pub use radial::{Radial, RadialConfig};
pub use sylvester::{Sylvester, SylvesterConfig};
