//! Densities known up to a constant, to try samplers and objectives on, with what is known of them.

mod banana;
mod funnel;
mod gaussian_mixture;
mod known;
mod logistic_regression;
mod many_well;
mod ring_mixture;

pub use banana::Banana;
pub use funnel::Funnel;
pub use gaussian_mixture::GaussianMixture;
pub use known::{KnownTarget, Moments};
pub use logistic_regression::LogisticRegression;
pub use many_well::ManyWell;
pub use ring_mixture::RingMixture;
