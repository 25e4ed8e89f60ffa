//! [`Ais`]: annealed importance sampling.

use burn::config::Config;
use burn::tensor::Tensor;
use rand::Rng;

use super::hamiltonian::HamiltonianConfig;
use super::path::Path;
use crate::distribution::Distribution;
use crate::error::{Error, ensure, or_panic};
use crate::target::interface::Target;
use crate::target::weights::WeightedSample;

/// Configuration of [`Ais`].
#[derive(Config, Debug)]
pub struct AisConfig {
    /// Rows.
    pub n: usize,
    /// Densities between base and target, at equal distances; 0 for plain importance sampling.
    #[config(default = 8)]
    pub n_intermediate: usize,
    /// Moves at each of them.
    #[config(default = 1)]
    pub n_moves: usize,
    /// How to move.
    #[config(default = "HamiltonianConfig::new()")]
    pub moves: HamiltonianConfig,
    /// The end of the path `q^(1 - β) p̃^β`: 1 is the target, 2 is `p̃² / q`, whose samples reduce the variance of
    /// importance weights the most.
    #[config(default = 1.0)]
    pub power: f64,
}

impl AisConfig {
    /// A sampler whose step sizes are those of the configuration.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init(&self) -> Ais {
        or_panic(self.validate());
        Ais { step_sizes: vec![self.moves.step_size; self.n_intermediate], config: self.clone() }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.n > 0, "`n` must be at least 1, got 0");
        let power = self.power;
        ensure!(
            power.is_finite() && power > 0.0,
            "`power` must be finite and above 0, got {power}"
        );
        self.moves.validate()
    }
}

/// Annealed importance sampling: rows of a base go through densities between it and the target, at each of which
/// they move, and gather weights that stand for the target exactly, however few moves there were.
///
/// ```text
/// log w = Σ_k (β_k - β_{k-1}) (log p̃(x_{k-1}) - log q(x_{k-1}))
/// ```
///
/// Step sizes adapt from one run to the next, and are fixed within a run, so that its rows are independent. In latent
/// space: give it the base of a flow and the [`Pullback`](crate::target::Pullback) of the target.
///
/// A run costs `n_intermediate * n_moves * n_leapfrog + 1` gradients of both densities per row.
///
/// # Example
///
/// ```
/// use normalizing_flows::StandardNormal;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{AisConfig, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let base = StandardNormal::new(1, &Device::default());
/// let target = target_fn(1, |x: Tensor<2>| ((x - 2.0).square() * -2.0).squeeze_dim(1));
/// let mut ais = AisConfig::new(2000).init();
/// let sample = ais.run(&base, &target, &mut rng)?;
/// let log_z = sample.log_normalizer(); // ½ log(π / 2) = 0.2258
/// assert!((log_z.value - 0.2258).abs() < 5.0 * log_z.error);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Neal: *Annealed Importance Sampling*, 2001, arXiv:physics/9803008.
#[derive(Debug, Clone)]
pub struct Ais {
    config: AisConfig,
    /// Of each intermediate density.
    step_sizes: Vec<f64>,
}

impl Ais {
    /// Rows with weights for the end of the path.
    ///
    /// # Errors
    ///
    /// As [`importance_sample`](crate::target::importance_sample).
    pub fn run<D: Distribution, T: Target + ?Sized, R: Rng + ?Sized>(
        &mut self,
        base: &D,
        target: &T,
        rng: &mut R,
    ) -> Result<WeightedSample, Error> {
        let config = &self.config;
        let path = Path::new(base, target)?;
        let mut state = path.start(config.n, rng)?;
        let scale = Tensor::ones([1, state.x.dims()[1]], (&state.x.device(), state.x.dtype()));
        let mut log_weights = vec![0.0; config.n];
        let step = config.power / (config.n_intermediate + 1) as f64;
        for (k, step_size) in self.step_sizes.iter_mut().enumerate() {
            let (from, to) = (step * k as f64, step * (k + 1) as f64);
            add(&mut log_weights, &state.log_increments(from, to));
            let mut acceptance = 0.0;
            for _ in 0..config.n_moves {
                acceptance +=
                    config.moves.advance(&path, &mut state, to, (*step_size, &scale), rng);
            }
            if config.n_moves > 0 {
                *step_size = config.moves.adapted(*step_size, acceptance / config.n_moves as f64);
            }
        }
        let from = step * config.n_intermediate as f64;
        add(&mut log_weights, &state.log_increments(from, config.power));
        WeightedSample::new(state.x, log_weights)
    }
}

fn add(sums: &mut [f64], values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
