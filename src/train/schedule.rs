//! [`Schedule`]: the learning rate of each step.

/// A linear warm-up, then a cosine to 0.
///
/// Loshchilov, Hutter: *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2017, arXiv:1608.03983, without
/// restarts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// The share of all steps in which it grows from 0.
    pub warm_up: f64,
    pub n_steps: usize,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        let n_steps = self.n_steps as f64;
        let n_warm_up = (self.warm_up * n_steps).round();
        let step = step as f64;
        if step < n_warm_up {
            return self.learning_rate * (step + 1.0) / n_warm_up;
        }
        let progress = (step - n_warm_up) / (n_steps - n_warm_up);
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_grows_then_decays_to_zero() {
        let schedule = Schedule { learning_rate: 2.0, warm_up: 0.1, n_steps: 100 };
        let rates: Vec<f64> = (0..100).map(|step| schedule.at(step)).collect();
        assert_eq!(rates[0], 0.2);
        assert_eq!(rates[9], 2.0);
        assert_eq!(rates[10], 2.0);
        assert!((rates[55] - 1.0).abs() < 1e-12);
        assert!(rates[10..].is_sorted_by(|a, b| a > b));
        // The last of 90 steps of the cosine.
        let last = 1.0 + (std::f64::consts::PI * 89.0 / 90.0).cos();
        assert!((rates[99] - last).abs() < 1e-12);
        assert_eq!(Schedule { warm_up: 0.0, ..schedule }.at(0), 2.0);
    }
}
