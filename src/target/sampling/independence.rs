//! [`independence_metropolis`]: independent Metropolis-Hastings.

use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use super::importance::importance_sample;
use crate::distribution::Distribution;
use crate::error::{Error, ensure};
use crate::target::interface::Target;
use crate::target::weights::select_rows;

/// The states of a Markov chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The states in their order, `[n, d_features]`.
    pub x: Tensor<2>,
    /// The share of proposals that were accepted.
    pub acceptance: f64,
    /// The most steps for which the chain stayed in one state: large where the model misses a part of the target.
    pub longest_stay: usize,
}

/// Independent Metropolis-Hastings: a Markov chain whose proposals are independent samples of a model, so that its
/// states become samples of the target, exactly.
///
/// All proposals are drawn and evaluated in one batch. It begins at the first that has any weight; for several chains
/// call it several times.
///
/// # Errors
///
/// As [`importance_sample`], and [`Error::Config`] if `n` is 0.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::distribution::DiagonalNormalConfig;
/// use normalizing_flows::target::{independence_metropolis, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = DiagonalNormalConfig::new(vec![0.0], vec![1.5]).init(&Device::default(), &mut rng);
/// let target = target_fn(1, |x: Tensor<2>| x.square().squeeze_dim(1) * -0.5);
/// let chain = independence_metropolis(&model, &target, 1000, &mut rng)?;
/// assert_eq!(chain.x.dims(), [1000, 1]);
/// assert!(chain.acceptance > 0.6 && chain.longest_stay < 30);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Tierney: *Markov Chains for Exploring Posterior Distributions*, 1994; Albergo, Kanwar, Shanahan: *Flow-based
/// generative models for Markov chain Monte Carlo in lattice field theory*, 2019, arXiv:1904.12072.
pub fn independence_metropolis<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
    model: &D,
    target: &T,
    n: usize,
    rng: &mut R,
) -> Result<Chain, Error> {
    ensure!(n > 0, "`n` must be at least 1, got 0");
    let proposals = importance_sample(model, target, n, rng)?;
    let log_weights = proposals.log_weights();
    let first = log_weights.iter().position(|log| log.is_finite()).unwrap_or(0);
    let (mut state, mut n_accepted, mut stay, mut longest_stay) = (first, 0, first + 1, first + 1);
    // What came before the first that has any weight is where the chain begins.
    let mut states = vec![first; first + 1];
    for proposal in first + 1..n {
        let uniform: f64 = rng.random();
        if uniform.ln() < log_weights[proposal] - log_weights[state] {
            (state, stay) = (proposal, 0);
            n_accepted += 1;
        }
        stay += 1;
        longest_stay = longest_stay.max(stay);
        states.push(state);
    }
    let acceptance = n_accepted as f64 / (n - first - 1).max(1) as f64;
    Ok(Chain { x: select_rows(proposals.x(), &states), acceptance, longest_stay })
}
