//! Simulation-based calibration: parameters from the prior rank anywhere among samples of their posterior,
//! if it is the right one.
//!
//! Talts, Betancourt, Simpson, Vehtari, Gelman: *Validating Bayesian Inference Algorithms with
//! Simulation-Based Calibration*, 2018, arXiv:1804.06788.

use std::error::Error;
use std::path::Path;

use normalizing_flows::{Distribution, NormalizingFlow};
use rand::Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::simulators::{PARAMETERS, draw, rows};

/// Simulations, and posterior samples of each.
const N_SIMULATIONS: usize = 1000;
const N_SAMPLES: usize = 99;
/// The ranks, from 0 to 99, in bins of five.
pub const N_BINS: usize = 20;

/// How often the true value of each parameter had a rank in each bin.
pub struct Calibration {
    pub counts: [[usize; N_BINS]; 2],
}

impl Calibration {
    pub fn measure(model: &NormalizingFlow, rng: &mut impl Rng) -> Self {
        let simulations: Vec<_> = (0..N_SIMULATIONS).map(|_| draw(rng)).collect();
        let readings: Vec<_> = simulations.iter().map(|(_, readings)| *readings).collect();
        // The samples of one simulation follow one another.
        let samples = model.given(&rows(&readings)).sample(N_SAMPLES, rng);
        let samples: Vec<f64> = samples.into_data().iter::<f64>().collect();
        let mut counts = [[0; N_BINS]; 2];
        for ((truth, _), samples) in simulations.iter().zip(samples.chunks_exact(2 * N_SAMPLES)) {
            for (parameter, counts) in counts.iter_mut().enumerate() {
                let drawn = samples.iter().skip(parameter).step_by(2);
                let rank = drawn.filter(|value| **value < truth[parameter]).count();
                counts[rank * N_BINS / (N_SAMPLES + 1)] += 1;
            }
        }
        Self { counts }
    }

    /// What is expected in each bin.
    pub fn expected() -> f64 {
        N_SIMULATIONS as f64 / N_BINS as f64
    }

    /// The probability that uniform ranks are at least as uneven, for each parameter, by the chi-square
    /// test.
    pub fn p_values(&self) -> [f64; 2] {
        let distribution = ChiSquared::new((N_BINS - 1) as f64).expect("above 0");
        self.counts.map(|counts| {
            let terms =
                counts.map(|count| (count as f64 - Self::expected()).powi(2) / Self::expected());
            distribution.sf(terms.iter().sum())
        })
    }

    pub fn print(&self) {
        for (name, p) in PARAMETERS.iter().zip(self.p_values()) {
            let verdict = if p >= 0.01 { "as uniform ranks would be" } else { "NOT uniform" };
            println!("  ranks of the {name} in {N_SIMULATIONS} simulations: p = {p:.3}, {verdict}");
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let [damping, frequency] = self.p_values();
        let summary = serde_json::json!({ "p_damping": damping, "p_frequency": frequency });
        std::fs::write(path, format!("{summary:#}\n"))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(())
    }
}
