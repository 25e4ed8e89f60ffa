//! Maximum likelihood training.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use normalizing_flows::burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::GradientsParams;
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::optim::AdamConfig;
use normalizing_flows::{Distribution, NormalizingFlow};
use rand::Rng;

use crate::model::Plan;

const BATCH: usize = 512;
const STEPS_PER_EPOCH: usize = 100;
const HELD_OUT: usize = 4096;

/// What training gives.
pub struct Outcome {
    /// The trained model, without autodiff.
    pub model: NormalizingFlow,
    /// One entry per epoch.
    pub history: Vec<Epoch>,
    /// The time spent in training steps and held-out evaluations.
    pub seconds: f64,
}

/// Negative log-likelihoods in nats after an epoch.
pub struct Epoch {
    /// Training steps so far.
    pub step: usize,
    /// The mean over the batches of the epoch.
    pub train: f64,
    /// On points that no step has seen.
    pub held_out: f64,
}

/// Minimises the negative log-likelihood by Adam with cosine decay, each batch fresh from the
/// density.
pub fn train(
    mut model: NormalizingFlow,
    moons: &TwoMoons,
    Plan { steps, learning_rate, .. }: Plan,
    device: &Device,
    rng: &mut impl Rng,
) -> Result<Outcome, String> {
    let mut optimizer = AdamConfig::new().init();
    let mut schedule = CosineAnnealingLrSchedulerConfig::new(learning_rate, steps).init()?;
    // What a batch sets, such as an activation normalisation.
    if !model.is_calibrated() {
        model = model.calibrate(moons.sample(BATCH, &device.clone().autodiff(), rng));
    }
    let (held_out, best) = held_out_points(moons, device, rng);
    let training_device = device.clone().autodiff();
    let bar = progress_bar(steps);
    let start = Instant::now();
    let mut history = Vec::new();
    let mut done = 0;
    while done < steps {
        let epoch_start = Instant::now();
        let n_steps = STEPS_PER_EPOCH.min(steps - done);
        let mut sum = None;
        for _ in 0..n_steps {
            let x = moons.sample(BATCH, &training_device, rng);
            let loss = -model.log_prob(x).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            // The losses stay on the device and are read once per epoch: reading waits for it.
            let loss = loss.inner();
            sum = Some(sum.map_or(loss.clone(), |sum| sum + loss));
            model = optimizer.step(schedule.step(), model, gradients);
            bar.inc(1);
        }
        done += n_steps;
        let sum = sum.map_or(f32::NAN, |sum| sum.into_scalar());
        let rows = (n_steps * BATCH) as f64 / epoch_start.elapsed().as_secs_f64();
        let train = f64::from(sum) / n_steps as f64;
        let held_out = model.valid().log_prob(held_out.clone()).mean().into_scalar::<f32>();
        let held_out = -f64::from(held_out);
        if !train.is_finite() || !held_out.is_finite() {
            bar.abandon();
            return Err(format!(
                "training diverged before step {done}: the negative log-likelihood is {train} on \
                 the batches and {held_out} on held-out points; try another --seed"
            ));
        }
        history.push(Epoch { step: done, train, held_out });
        let last = done == steps;
        tell(&bar, history.len(), last, &history[history.len() - 1], held_out - best, rows);
    }
    let seconds = start.elapsed().as_secs_f64();
    bar.finish();
    Ok(Outcome { model: model.valid(), history, seconds })
}

/// Points for the held-out likelihood, and the NLL of the true density on just these points.
/// Compared with that, a gap is free of the luck of the draw, which is larger than the gap of a
/// good model.
fn held_out_points(moons: &TwoMoons, device: &Device, rng: &mut impl Rng) -> (Tensor<2>, f64) {
    let points: Vec<[f64; 2]> = (0..HELD_OUT).map(|_| moons.point(rng)).collect();
    let log_prob = |&point: &[f64; 2]| moons.log_prob(point).expect("the noise is above 0");
    let best = -points.iter().map(log_prob).sum::<f64>() / HELD_OUT as f64;
    let data = TensorData::new(points.concat(), [HELD_OUT, 2]);
    (Tensor::from_data(data, device), best)
}

fn progress_bar(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {eta} left\n{wide_msg}")
        .expect("the template is well formed");
    let bar = ProgressBar::new(steps as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Updates the bar; where there is no terminal, prints the first epoch, every tenth and the last.
fn tell(bar: &ProgressBar, n_epochs: usize, last: bool, epoch: &Epoch, gap: f64, rows: f64) {
    let message = format!(
        "epoch {n_epochs}: NLL {:.3} train, {:.3} held out; gap {gap:.4} nats; {rows:.0} rows/s",
        epoch.train, epoch.held_out
    );
    if bar.is_hidden() && (n_epochs == 1 || last || n_epochs.is_multiple_of(10)) {
        println!("{message}");
    }
    bar.set_message(message);
}
