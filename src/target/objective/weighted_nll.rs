//! [`weighted_nll`].

use burn::tensor::{Tensor, TensorData};

use crate::distribution::Distribution;
use crate::target::weights::select_rows;

/// The negative log-likelihood of weighted samples, with weights that are normalised to a sum of 1, `[1]`:
///
/// ```text
/// -Σ_i w̄_i log q(x_i),   w̄_i = w_i / Σ_j w_j
/// ```
///
/// Of samples and importance weights of a target it is the forward Kullback-Leibler divergence, which covers all
/// modes that the samples have found, but for a constant.
///
/// # Panics
///
/// If there is another number of log-weights than rows, if one is NaN or infinite, or if no row has any weight;
/// and as [`log_prob`](Distribution::log_prob).
///
/// # Example
///
/// ```
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{HamiltonianConfig, AisConfig, target_fn, weighted_nll};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let target = target_fn(2, |x: Tensor<2>| (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
/// let sample = AisConfig::new(64).init().run(&model, &target, &mut rng)?;
/// let gradients = weighted_nll(&model, sample.x().clone(), sample.log_weights()).backward();
/// # let _ = gradients;
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Müller, McWilliams, Rousselle, Gross, Novák: *Neural Importance Sampling*, 2019, arXiv:1808.03856.
pub fn weighted_nll<D: Distribution>(model: &D, x: Tensor<2>, log_weights: &[f64]) -> Tensor<1> {
    let n = x.dims()[0];
    assert!(
        log_weights.len() == n,
        "there must be a log-weight per row, {n}, got {}",
        log_weights.len()
    );
    let wrong =
        log_weights.iter().find(|log_weight| log_weight.is_nan() || **log_weight == f64::INFINITY);
    assert!(wrong.is_none(), "log-weights must be finite or minus infinity, got {wrong:?}");
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(largest.is_finite(), "no row has any weight");
    let weights: Vec<f64> =
        log_weights.iter().map(|log_weight| (log_weight - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let shares: Vec<f64> = weights.into_iter().map(|weight| weight / sum).collect();
    // A row without weight may be anywhere.
    let rows: Vec<usize> = (0..n).filter(|row| shares[*row] > 0.0).collect();
    let shares: Vec<f64> = rows.iter().map(|row| shares[*row]).collect();
    let log_prob = model.log_prob(select_rows(&x, &rows));
    let shares = TensorData::new(shares, [rows.len()]);
    let shares = Tensor::from_data(shares, (&log_prob.device(), log_prob.dtype()));
    -(log_prob * shares).sum()
}
