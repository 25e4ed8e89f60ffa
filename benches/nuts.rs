//! The no-U-turn sampler through a flow: wall time, time per gradient, and effective samples per gradient.
//!
//! ```text
//! cargo bench --features nuts --bench nuts                       # all targets
//! cargo bench --features nuts --bench nuts -- funnel --seed 1
//! cargo bench --features nuts --bench nuts -- --plain bananas    # a scale of every feature alone
//! ```
//!
//! Prints a line of JSON for each target; `peers/nutpie_flow.py` prints the same of nutpie with its JAX flow. The time
//! per gradient is that of all draws after the warm-up by the number of their gradients, the sampler's own part
//! included.

use std::f64::consts::SQRT_2;

use normalizing_flows::data::target::{Banana, Funnel};
use normalizing_flows::nuts::{NutsConfig, NutsSample};
use normalizing_flows::target::PointTarget;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde_json::json;
use statrs::function::erf::erf;

/// A target whose first feature is `N(0, scale²)`.
struct Subject {
    name: &'static str,
    n_draws: usize,
    scale: f64,
    /// Every so-manieth draw is one of those whose distribution is looked at.
    every: usize,
}

const SUBJECTS: [Subject; 2] = [
    Subject { name: "funnel", n_draws: 4000, scale: 3.0, every: 8 },
    Subject { name: "bananas", n_draws: 2000, scale: 2.0, every: 4 },
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (mut seed, mut plain, mut names) = (0, false, Vec::new());
    // cargo itself adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--plain" => plain = true,
            "--seed" => seed = arguments.next().ok_or("`--seed` needs a number")?.parse()?,
            _ => names.push(argument),
        }
    }
    if let Some(unknown) = names.iter().find(|name| SUBJECTS.iter().all(|s| s.name != **name)) {
        let known = SUBJECTS.map(|subject| subject.name).join(", ");
        return Err(format!("there is no target `{unknown}`, only {known}").into());
    }
    let chosen = |subject: &&Subject| names.is_empty() || names.iter().any(|n| n == subject.name);
    for subject in SUBJECTS.iter().filter(chosen) {
        let mut config = NutsConfig::new().with_n_draws(subject.n_draws);
        if plain {
            config = config.with_transformation(None).with_micro_steps(false);
        }
        let sample = match subject.name {
            "funnel" => run(&config, &Funnel::new(10), seed)?,
            _ => run(&config, &Banana::new(20), seed)?,
        };
        println!("{}", report(subject, &sample, seed, plain));
    }
    Ok(())
}

fn run(
    config: &NutsConfig,
    target: &(impl PointTarget + Clone),
    seed: u64,
) -> Result<NutsSample, normalizing_flows::Error> {
    let start = vec![0.1; target.d_features()];
    config.run(target, &start, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn report(subject: &Subject, sample: &NutsSample, seed: u64, plain: bool) -> serde_json::Value {
    let rows = sample.rows.chunks_exact(sample.d_features);
    let mut thinned: Vec<f64> = rows.step_by(subject.every).map(|row| row[0]).collect();
    let n_thinned = thinned.len() as f64;
    let gradients = sample.n_gradients_after_warm_up;
    let [warm_up, sampling] = sample.seconds;
    let rounded = |value: f64, digits: i32| {
        let unit = 10.0_f64.powi(digits);
        (value * unit).round() / unit
    };
    json!({
        "sampler": if plain { "nuts-rs" } else { "normalizing-flows" },
        "target": subject.name,
        "seed": seed,
        "draws": subject.n_draws,
        "warm_up_s": rounded(warm_up, 2),
        "sampling_s": rounded(sampling, 2),
        "gradients": gradients,
        "gradients_of_warm_up": sample.n_gradients - gradients,
        "us_per_gradient": rounded(sampling / gradients as f64 * 1e6, 1),
        "effective_per_gradient": rounded(sample.effective_sample_size()[0] / gradients as f64, 5),
        "ks_distance": rounded(ks_distance(&mut thinned, subject.scale), 4),
        "ks_at_1_percent": rounded(1.628 / n_thinned.sqrt(), 4),
        "divergences": sample.n_divergences,
    })
}

/// The distance of Kolmogorov and Smirnov from `N(0, scale²)`.
fn ks_distance(values: &mut [f64], scale: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distances = values.iter().enumerate().map(|(i, x)| {
        let cdf = 0.5 * (1.0 + erf(x / (scale * SQRT_2)));
        let i = i as f64;
        ((i + 1.0) / n - cdf).max(cdf - i / n)
    });
    distances.fold(0.0, f64::max)
}
