//! Densities in the plane that the field draws, each with its formula, its density and its
//! differential entropy: no model can reach a lower expected negative log-likelihood.
//!
//! | density | shape |
//! |---|---|
//! | [`TwoMoons`] | two interleaved half circles |
//! | [`Circles`] | two concentric circles |
//! | [`Rings`] | four concentric circles |
//! | [`Spirals`] | two arms of a spiral |
//! | [`EightGaussians`] | eight blobs on a circle |
//! | [`Pinwheel`] | five bent blades |
//! | [`Checkerboard`] | the black squares of a board |

mod blurred;
mod checkerboard;
mod circles;
mod density;
mod eight_gaussians;
mod pinwheel;
mod spirals;
mod two_moons;

pub use checkerboard::Checkerboard;
pub use circles::{Circles, Rings};
pub use density::ToyDensity;
pub use eight_gaussians::EightGaussians;
pub use pinwheel::Pinwheel;
pub use spirals::Spirals;
pub use two_moons::TwoMoons;
