//! [`importance_sample`].

use rand::Rng;

use super::check::{check_log_densities, check_pair, host, place_of};
use crate::distribution::{Distribution, Noise};
use crate::error::Error;
use crate::target::interface::Target;
use crate::target::weights::WeightedSample;

/// Draws `n` rows of a model and weights them by the target: `w = p̃(x) / q(x)`.
///
/// # Errors
///
/// [`Error::Config`] if model and target differ in their features, [`Error::MissingContext`] if the model takes a
/// context, and [`Error::Data`] if the log-density of the target is NaN or infinity at a sample, which it names, or
/// minus infinity at all of them.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::distribution::DiagonalNormalConfig;
/// use normalizing_flows::target::{importance_sample, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = DiagonalNormalConfig::new(vec![0.0], vec![1.5]).init(&Device::default(), &mut rng);
/// let target = target_fn(1, |x: Tensor<2>| x.square().squeeze_dim(1) * -0.5);
/// let sample = importance_sample(&model, &target, 10_000, &mut rng)?;
/// let log_z = sample.log_normalizer(); // ½ log 2π = 0.9189
/// assert!((log_z.value - 0.9189).abs() < 5.0 * log_z.error);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
pub fn importance_sample<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    n: usize,
    rng: &mut R,
) -> Result<WeightedSample, Error> {
    check_pair(model, target)?;
    let noise = &mut Noise::new(&place_of(model, target), rng);
    let (x, log_model) = model.valid().draw_with_log_density(n, None, noise);
    let log_target = host(target.log_density(x.clone()));
    check_log_densities(&x, &log_target)?;
    let log_weights = log_target.into_iter().zip(host(log_model)).map(|(p, q)| p - q).collect();
    WeightedSample::new(x, log_weights)
}
