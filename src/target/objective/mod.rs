//! Objectives: what to minimise so that a model becomes a target that is known up to a constant.
//!
//! - `draws`: samples with both log-densities, of which the objectives are made
//! - `reverse_kl`: reverse Kullback-Leibler divergence, with the plain and the path gradient
//! - `alpha`: alpha-divergence, with the plain and the doubly reparameterised gradient
//! - `weighted_nll`: maximum likelihood of weighted samples

mod alpha;
mod draws;
mod reverse_kl;
mod weighted_nll;

pub use alpha::{alpha_divergence, alpha_divergence_dreg, validate_alpha};
pub(crate) use alpha::{alpha_of, dreg_of};
pub(crate) use draws::Draws;
pub(crate) use reverse_kl::reverse_kl_of;
pub use reverse_kl::{reverse_kl, reverse_kl_path};
pub use weighted_nll::weighted_nll;
