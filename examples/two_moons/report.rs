//! What the trained model is worth, in numbers.

use std::path::Path;

use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::{Distribution, NormalizingFlow};
use rand::Rng;

const HELD_OUT: usize = 200_000;
const ROUND_TRIP: usize = 20_000;

/// What is measured on the trained model.
pub struct Figures {
    /// Mean negative log-likelihood of fresh points, in nats.
    held_out_nll: f64,
    /// Its standard error.
    standard_error: f64,
    /// Entropy of the data, in nats.
    entropy: f64,
    /// The largest difference between a coordinate and its image after both directions.
    round_trip_error: f64,
    /// Integral of the learned density.
    integral: f64,
}

impl Figures {
    /// Measures the model on fresh points.
    pub fn measure(
        model: &NormalizingFlow,
        moons: &TwoMoons,
        noise: f64,
        rng: &mut impl Rng,
    ) -> Self {
        let device = device_of(model);
        let nll = host(-model.log_prob(moons.sample(HELD_OUT, &device, rng)));
        let n = nll.len() as f64;
        let held_out_nll = nll.iter().sum::<f64>() / n;
        let variance = nll.iter().map(|nll| (nll - held_out_nll).powi(2)).sum::<f64>() / (n - 1.0);
        Self {
            held_out_nll,
            standard_error: (variance / n).sqrt(),
            entropy: moons.entropy().expect("the noise is above 0"),
            round_trip_error: round_trip_error(model, moons.sample(ROUND_TRIP, &device, rng)),
            integral: integral(model, noise, &device),
        }
    }

    /// The gap between the likelihood and the entropy, KL(data || model), in nats.
    fn gap(&self) -> f64 {
        self.held_out_nll - self.entropy
    }
}

/// The figures, and the run that they belong to.
pub struct Summary {
    /// What was measured.
    pub figures: Figures,
    /// The name of the flow.
    pub flow: &'static str,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Training steps.
    pub steps: usize,
    /// The seed.
    pub seed: u64,
    /// The device's name.
    pub device: String,
}

impl Summary {
    /// Prints the table.
    pub fn print(&self) {
        let Figures { held_out_nll, standard_error, entropy, round_trip_error, integral } =
            self.figures;
        println!();
        println!(
            "held-out NLL             {held_out_nll:>9.5} nats ± {standard_error:.5}, on {HELD_OUT} \
             fresh points"
        );
        println!("entropy of the data      {entropy:>9.5} nats");
        println!("gap, KL(data || model)   {:>9.5} nats", self.figures.gap());
        println!("largest round-trip error {round_trip_error:>9.1e}");
        println!("integral of the density  {integral:>9.5}");
        println!("training time            {:>9.1} s, {} steps", self.train_seconds, self.steps);
        println!("(A density may exceed 1, so an NLL may be negative.)\n");
    }

    /// Writes the figures as JSON.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let json = serde_json::json!({
            "flow": self.flow,
            "held_out_nll": self.figures.held_out_nll,
            "entropy": self.figures.entropy,
            "gap": self.figures.gap(),
            "round_trip_error": self.figures.round_trip_error,
            "integral": self.figures.integral,
            "train_seconds": self.train_seconds,
            "steps": self.steps,
            "seed": self.seed,
            "device": self.device,
        });
        std::fs::write(file, format!("{json:#}\n"))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))
    }
}

/// The device that the model lives on.
pub fn device_of(model: &NormalizingFlow) -> Device {
    use normalizing_flows::burn::module::Module;
    model.devices().swap_remove(0)
}

/// The values of a tensor on the host.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The centres of the cells of a regular grid over a rectangle, row by row from the bottom.
pub fn grid(
    [left, right]: [f64; 2],
    [bottom, top]: [f64; 2],
    [columns, rows]: [usize; 2],
    device: &Device,
) -> Tensor<2> {
    let x = |j: usize| left + (right - left) * (j as f64 + 0.5) / columns as f64;
    let y = |i: usize| bottom + (top - bottom) * (i as f64 + 0.5) / rows as f64;
    let values: Vec<f64> =
        (0..rows).flat_map(|i| (0..columns).flat_map(move |j| [x(j), y(i)])).collect();
    Tensor::from_data(TensorData::new(values, [rows * columns, 2]), device)
}

fn round_trip_error(model: &NormalizingFlow, x: Tensor<2>) -> f64 {
    let back = model.from_latent(model.to_latent(x.clone()));
    (x - back).abs().max().into_scalar::<f32>().into()
}

/// The integral of the learned density over a rectangle that the data leave far behind, on a grid
/// that is refined until two grids agree: a ridge narrower than a cell would move it.
fn integral(model: &NormalizingFlow, noise: f64, device: &Device) -> f64 {
    // The arcs fill [-1, 2] × [-0.5, 1].
    let margin = 2.5 + 7.0 * noise;
    let (horizontal, vertical) = ([-1.0 - margin, 2.0 + margin], [-0.5 - margin, 1.0 + margin]);
    let area = (horizontal[1] - horizontal[0]) * (vertical[1] - vertical[0]);
    let on_grid = |cells: [usize; 2]| {
        let log_prob = model.log_prob(grid(horizontal, vertical, cells, device));
        let n = (cells[0] * cells[1]) as f64;
        host(log_prob).into_iter().map(f64::exp).sum::<f64>() * area / n
    };
    let mut cells = [200, 175];
    let mut integral = on_grid(cells);
    for _ in 0..4 {
        cells = cells.map(|n| 2 * n);
        let finer = on_grid(cells);
        let difference = (finer - integral).abs();
        integral = finer;
        if difference < 1e-4 {
            break;
        }
    }
    integral
}
