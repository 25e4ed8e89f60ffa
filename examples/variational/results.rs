//! What the trained flow is worth as a sampler, beside the truth.

use std::fmt;
use std::path::Path;

use normalizing_flows::NormalizingFlow;
use normalizing_flows::data::target::{GaussianMixture, KnownTarget, Moments};
use normalizing_flows::target::{
    AisConfig, Estimate, Pullback, SmcConfig, WeightedSample, importance_sample,
    independence_metropolis,
};
use normalizing_flows::train::{Fitted, TargetReport};
use rand::Rng;
use serde::Serialize;

use crate::args::Args;
use crate::recipe::TargetName;

/// What was measured.
#[derive(Serialize)]
pub struct Results {
    target: String,
    steps: usize,
    seed: u64,
    train_seconds: f64,
    n_target_evaluations: usize,
    bound: Estimate,
    /// `None` where it is not known.
    log_normalizer_truth: Option<f64>,
    log_normalizers: Vec<(&'static str, Estimate)>,
    /// That of importance sampling from the truth.
    log_normalizer_error: Option<f64>,
    /// The effective sample size of importance weights over their number.
    efficiency: f64,
    /// The shape of their tail.
    pareto_shape: Option<f64>,
    acceptance: f64,
    longest_stay: usize,
    /// Of a mixture: modes with at least a tenth of their share of the samples.
    modes_found: Option<usize>,
    /// The largest difference of a mean from its truth, in standard deviations, and of a standard deviation over its
    /// truth from 1.
    mean_error: Option<f64>,
    deviation_error: Option<f64>,
    mean: Vec<f64>,
    standard_deviation: Vec<f64>,
    #[serde(skip)]
    truth: Option<Moments>,
    /// Samples of the flow with their importance weights.
    #[serde(skip)]
    pub sample: WeightedSample,
}

impl Results {
    pub fn measure(
        fitted: &Fitted<NormalizingFlow, TargetReport>,
        target: &dyn KnownTarget,
        args: &Args,
        rng: &mut impl Rng,
    ) -> Result<Self, normalizing_flows::Error> {
        let (model, n) = (&fitted.model, args.samples as usize);
        let sample = importance_sample(model, target, n, rng)?;
        let (smoothed, pareto_shape) = sample.pareto_smoothed();
        let n_annealed = n.min(4000);
        let mut ais = AisConfig::new(n_annealed).init();
        let latent = Pullback::new(&model.flow, target);
        for _ in 0..3 {
            ais.run(&model.base, &latent, rng)?;
        }
        let ais = ais.run(&model.base, &latent, rng)?;
        let smc = SmcConfig::new(n_annealed).run(&model.base, &latent, rng)?;
        let chain = independence_metropolis(model, target, n, rng)?;
        let (mean, standard_deviation) = (smoothed.mean(), smoothed.standard_deviation());
        let truth = target.moments();
        let errors = truth.as_ref().map(|truth| errors(&mean, &standard_deviation, truth));
        Ok(Self {
            target: args.target.name(),
            steps: fitted.report.history.last().map_or(0, |epoch| epoch.step),
            seed: args.seed,
            train_seconds: fitted.report.seconds,
            n_target_evaluations: fitted.report.n_target_evaluations,
            bound: fitted.report.best.bound,
            log_normalizer_truth: target.log_normalizer(),
            log_normalizers: vec![
                ("importance sampling", sample.log_normalizer()),
                ("smoothed weights", smoothed.log_normalizer()),
                ("annealed, in latent space", ais.log_normalizer()),
                ("sequential, in latent space", smc.log_normalizer()),
            ],
            log_normalizer_error: target
                .log_normalizer()
                .map(|truth| (sample.log_normalizer().value - truth).abs()),
            efficiency: sample.effective_sample_size() / n as f64,
            pareto_shape,
            acceptance: chain.acceptance,
            longest_stay: chain.longest_stay,
            modes_found: (args.target == TargetName::Gaussians).then(|| modes(&sample)),
            mean_error: errors.map(|errors| errors.0),
            deviation_error: errors.map(|errors| errors.1),
            mean,
            standard_deviation,
            truth,
            sample,
        })
    }

    pub fn write(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        std::fs::write(path, serde_json::to_string_pretty(self)?)
            .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }
}

fn errors(mean: &[f64], deviation: &[f64], truth: &Moments) -> (f64, f64) {
    let means = mean.iter().zip(&truth.mean).zip(&truth.standard_deviation);
    let means = means.map(|((found, mean), deviation)| ((found - mean) / deviation).abs());
    let deviations = deviation.iter().zip(&truth.standard_deviation);
    let deviations = deviations.map(|(found, truth)| (found / truth - 1.0).abs());
    (means.fold(0.0, f64::max), deviations.fold(0.0, f64::max))
}

/// Modes of the mixture that have at least a tenth of their share of the samples of the flow, without weights, within
/// three of their standard deviations.
fn modes(sample: &WeightedSample) -> usize {
    let mixture = GaussianMixture::forty();
    let rows: Vec<f64> = sample.x().clone().into_data().iter::<f64>().collect();
    let mut counts = vec![0; mixture.centres().len()];
    for row in rows.chunks_exact(2) {
        let nearest = mixture.nearest([row[0], row[1]]);
        let [x, y] = mixture.centres()[nearest];
        let is_near = (row[0] - x).hypot(row[1] - y) < 3.0 * mixture.scale();
        counts[nearest] += usize::from(is_near);
    }
    let share = rows.len() / 2 / counts.len();
    counts.iter().filter(|count| **count * 10 >= share).count()
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<44} {:>20}", "log normalising constant", "nats")?;
        if let Some(truth) = self.log_normalizer_truth {
            writeln!(f, "  {:<42} {truth:>20.4}", "truth")?;
        }
        writeln!(f, "  {:<42} {:>20}", "bound", self.bound.to_string())?;
        for (name, estimate) in &self.log_normalizers {
            writeln!(f, "  {name:<42} {:>20}", estimate.to_string())?;
        }
        writeln!(f, "{:<44} {:>18.1} %", "effective sample size", 100.0 * self.efficiency)?;
        let shape = self.pareto_shape.map_or("no tail".to_owned(), |shape| format!("{shape:.2}"));
        writeln!(f, "{:<44} {shape:>20}", "Pareto shape of the weights (good below 0.7)")?;
        writeln!(f, "{:<44} {:>18.1} %", "Metropolis acceptance", 100.0 * self.acceptance)?;
        if let Some(modes) = self.modes_found {
            writeln!(f, "{:<44} {modes:>20}", "modes found")?;
        }
        writeln!(f, "{:<44} {:>20} {:>20}", "mean ± standard deviation", "flow", "truth")?;
        for (feature, (mean, deviation)) in
            self.mean.iter().zip(&self.standard_deviation).enumerate().take(6)
        {
            let found = format!("{mean:.3} ± {deviation:.3}");
            let truth = self.truth.as_ref().map_or("unknown".to_owned(), |truth| {
                format!("{:.3} ± {:.3}", truth.mean[feature], truth.standard_deviation[feature])
            });
            writeln!(f, "  {:<42} {found:>20} {truth:>20}", format!("feature {feature}"))?;
        }
        Ok(())
    }
}
