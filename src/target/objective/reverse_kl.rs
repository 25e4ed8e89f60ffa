//! [`reverse_kl`] and [`reverse_kl_path`].

use burn::tensor::{Bool, Tensor};
use rand::Rng;

use super::draws::{Draws, mean_of};
use crate::distribution::Distribution;
use crate::error::or_panic;
use crate::target::interface::Target;
use crate::target::sampling::check_pair;

/// The reverse Kullback-Leibler divergence of a model `q` from a target `p̃`, but for the constant `log Z`, over `n`
/// samples of the model, `[1]`:
///
/// ```text
/// 1/n Σ_i (log q(x_i) - log p̃(x_i)),   x_i ~ q        (minus the evidence lower bound)
/// ```
///
/// Its minimum over all densities is `-log Z`. It seeks modes: a model that covers a part of the target only is a
/// local minimum. Its gradient does not vanish at the optimum, sample by sample; that of [`reverse_kl_path`] does.
///
/// # Panics
///
/// If the model is not [reparameterized](Distribution::is_reparameterized), takes a context, or differs from the
/// target in its features.
///
/// # Example
///
/// A step of a loop of one's own:
///
/// ```
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::optim::GradientsParams;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::optim::AdamConfig;
/// use normalizing_flows::target::{reverse_kl, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let target = target_fn(2, |x: Tensor<2>| (x - 3.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
/// let mut adam = AdamConfig::new().init();
/// let loss = reverse_kl(&model, &target, 64, &mut rng);
/// let gradients = GradientsParams::from_grads(loss.backward(), &model);
/// let model = adam.step(1e-3, model, gradients);
/// # let _ = model;
/// ```
///
/// # References
///
/// Rezende, Mohamed: *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770.
pub fn reverse_kl<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    n: usize,
    rng: &mut R,
) -> Tensor<1> {
    or_panic(check_pair(model, target));
    let draws = Draws::plain(model, target, n, rng);
    -draws.log_weights().mean()
}

/// [`reverse_kl`] with the path gradient: the same value, and a gradient of the same mean without the term whose mean
/// is zero. Its variance vanishes where the model is the target ("sticking the landing"). Costs an evaluation of the
/// samples more.
///
/// # Panics
///
/// As [`reverse_kl`].
///
/// # Example
///
/// As [`reverse_kl`]'s.
///
/// # References
///
/// Roeder, Wu, Duvenaud: *Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational
/// Inference*, 2017, arXiv:1703.09194; Vaitl, Nicoli, Nakajima, Kessel: *Gradients should stay on path: better
/// estimators of the reverse- and forward KL divergence for normalizing flows*, 2022, arXiv:2207.08219.
pub fn reverse_kl_path<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    n: usize,
    rng: &mut R,
) -> Tensor<1> {
    or_panic(check_pair(model, target));
    let draws = Draws::path(model, target, n, rng);
    -draws.log_weights().mean()
}

/// The same over the draws that a mask picks.
pub(crate) fn reverse_kl_of(draws: &Draws, picked: &Tensor<1, Bool>) -> Tensor<1> {
    -mean_of(draws.log_weights(), picked)
}
