//! Training with a progress bar.

use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use normalizing_flows::NormalizingFlow;
use normalizing_flows::data::target::KnownTarget;
use normalizing_flows::train::{
    FitError, Fitted, TargetEpoch, TargetFitConfig, TargetFitter, TargetReport,
};

/// A trained model and its report; also where the training diverged, with a word.
pub fn train(
    model: NormalizingFlow,
    target: &dyn KnownTarget,
    config: TargetFitConfig,
) -> Result<Fitted<NormalizingFlow, TargetReport>, String> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {eta} left\n{wide_msg}")
        .expect("the template is well formed");
    let bar = ProgressBar::new(config.n_steps as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let n_steps = config.n_steps;
    let result = TargetFitter::new(config)
        .on_evaluation(|epoch, _| {
            tell(&bar, epoch, n_steps);
            ControlFlow::Continue(())
        })
        .fit(model, target);
    bar.finish();
    match result {
        Ok(fitted) => Ok(fitted),
        Err(FitError::Diverged(fitted)) => {
            eprintln!("warning: the training {}", fitted.report.stop_reason);
            Ok(*fitted)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Updates the bar; where there is no terminal, prints the first evaluation, some, and the last.
fn tell(bar: &ProgressBar, epoch: &TargetEpoch, n_steps: usize) {
    let TargetEpoch { step, bound, efficiency, log_normalizer, .. } = epoch;
    let message = format!(
        "step {step}: bound {bound} nats, log normalising constant {log_normalizer}, effective sample size {:.1} %",
        100.0 * efficiency
    );
    let tenth = |step: usize| step * 10 / n_steps;
    if bar.is_hidden() && (*step == 0 || tenth(*step) > tenth(step - 1)) {
        println!("{message}");
    }
    bar.set_position(*step as u64);
    bar.set_message(message);
}
