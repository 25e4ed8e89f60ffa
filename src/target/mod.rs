//! Densities known up to a constant: objectives to train a model towards one, and samplers that use the model.
//!
//! - `interface`: the trait, over tensors; `point`: the trait over slices, with gradients of their own; `pullback`: a
//!   target as the latent space of a flow sees it
//! - `objective`: what to minimise: reverse Kullback-Leibler and alpha-divergences, with plain and path gradients
//! - `sampling`: importance sampling, annealed importance sampling, sequential Monte Carlo, independent
//!   Metropolis-Hastings
//! - `weights`: weighted samples, effective sample sizes, Pareto-smoothed weights
//! - `replay`: weighted samples that are trained on again
//!
//! [`train::fit_target`](crate::train::fit_target) trains in one call; [`data::target`](crate::data::target) has
//! targets to try.

mod interface;
mod objective;
mod point;
mod pullback;
mod replay;
mod sampling;
mod weights;

pub use interface::{Target, TargetFn, target_fn};
pub(crate) use objective::{Draws, alpha_of, dreg_of, reverse_kl_of};
pub use objective::{
    alpha_divergence, alpha_divergence_dreg, reverse_kl, reverse_kl_path, validate_alpha,
    weighted_nll,
};
pub use point::{PointFn, PointTarget, Pointwise, point_target_fn};
pub use pullback::Pullback;
pub use replay::ReplayBuffer;
pub(crate) use sampling::check_pair;
pub use sampling::{
    Ais, AisConfig, Chain, HamiltonianConfig, Smc, SmcConfig, importance_sample,
    independence_metropolis,
};
pub use weights::{
    Estimate, ParetoSmoothed, WeightedSample, effective_sample_size, pareto_smoothed,
};
