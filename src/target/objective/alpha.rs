//! [`alpha_divergence`] and [`alpha_divergence_dreg`].

use burn::tensor::{Bool, Tensor};
use rand::Rng;

use super::draws::Draws;
use crate::distribution::{Distribution, logsumexp};
use crate::error::{Error, ensure, or_panic};
use crate::target::interface::Target;
use crate::target::sampling::check_pair;

/// The logarithm of an alpha-divergence of a model `q` from a target `p̃`, but for a constant, over `n` samples of the
/// model, `[1]`:
///
/// ```text
/// 1 / (α (α - 1)) · log (1/n Σ_i w_i^α),   w_i = p̃(x_i) / q(x_i),   x_i ~ q
/// ```
///
/// As `α` goes to 0 it becomes the reverse Kullback-Leibler divergence, which seeks modes; towards 1 it covers the
/// target as the forward one does; at 2 it is the variance of the importance weights. The constant in `p̃` changes it
/// by a constant only. The logarithm of a mean over `n` samples is biased, the less the more samples.
///
/// # Panics
///
/// As [`reverse_kl`](super::reverse_kl), and if `alpha` is not finite, 0 or 1.
///
/// # Example
///
/// ```
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{alpha_divergence, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let target = target_fn(2, |x: Tensor<2>| (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
/// let gradients = alpha_divergence(&model, &target, 0.5, 64, &mut rng).backward();
/// # let _ = gradients;
/// ```
///
/// # References
///
/// Hernández-Lobato, Li, Rowland, Hernández-Lobato, Bui, Turner: *Black-Box Alpha Divergence Minimization*, 2016,
/// arXiv:1511.03243; Li, Turner: *Rényi Divergence Variational Inference*, 2016, arXiv:1602.02311.
pub fn alpha_divergence<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    alpha: f64,
    n: usize,
    rng: &mut R,
) -> Tensor<1> {
    or_panic(validate_alpha(alpha));
    or_panic(check_pair(model, target));
    let draws = Draws::plain(model, target, n, rng);
    alpha_of(alpha, draws.log_weights())
}

/// [`alpha_divergence`] with the doubly reparameterised gradient: the same value, and a gradient of the same mean
/// through the samples alone, whose variance vanishes where the model is the target. Costs an evaluation of the
/// samples more.
///
/// # Panics
///
/// As [`alpha_divergence`].
///
/// # Example
///
/// As [`alpha_divergence`]'s.
///
/// # References
///
/// Tucker, Lawson, Gu, Maddison: *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*, 2019,
/// arXiv:1810.04152.
pub fn alpha_divergence_dreg<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    alpha: f64,
    n: usize,
    rng: &mut R,
) -> Tensor<1> {
    or_panic(validate_alpha(alpha));
    or_panic(check_pair(model, target));
    let draws = Draws::path(model, target, n, rng);
    dreg_of(alpha, draws.log_weights())
}

/// Whether an exponent is one of [`alpha_divergence`].
///
/// # Errors
///
/// [`Error::Config`] if it is not finite, 0 or 1.
pub fn validate_alpha(alpha: f64) -> Result<(), Error> {
    ensure!(
        alpha.is_finite() && alpha != 0.0 && alpha != 1.0,
        "`alpha` must be finite and neither 0 (that is `reverse_kl`) nor 1 (that is `weighted_nll` of importance \
         samples), got {alpha}"
    );
    Ok(())
}

/// The divergence of log-weights.
pub(crate) fn alpha_of(alpha: f64, log_weights: Tensor<1>) -> Tensor<1> {
    let n = log_weights.dims()[0] as f64;
    let sum = logsumexp((log_weights * alpha).unsqueeze());
    (sum - n.ln()) / (alpha * (alpha - 1.0))
}

/// The same with the doubly reparameterised gradient, of log-weights whose gradient is that through the samples.
/// With normalised `w̄_i ∝ w_i^α` the gradient of `E log Σ w_i^α` is `α Σ ((1 - α) w̄_i + α w̄_i²) ∂ log w_i`.
pub(crate) fn dreg_of(alpha: f64, log_weights: Tensor<1>) -> Tensor<1> {
    let fixed = log_weights.clone().detach();
    let value = alpha_of(alpha, fixed.clone());
    let shares = shares_of(alpha, fixed.clone());
    let factors = (shares.clone() * (1.0 - alpha) + shares.square() * alpha) / (alpha - 1.0);
    // A draw without weight has no share, and its difference may be NaN.
    let difference = log_weights - fixed.clone();
    let difference = difference.mask_fill(infinite(&fixed), 0.0);
    value + (difference * factors).sum()
}

fn shares_of(alpha: f64, log_weights: Tensor<1>) -> Tensor<1> {
    let log_shares = log_weights * alpha;
    let sum = logsumexp(log_shares.clone().unsqueeze());
    (log_shares - sum).exp()
}

fn infinite(values: &Tensor<1>) -> Tensor<1, Bool> {
    values.clone().is_finite().bool_not()
}
