//! Rows per second of one `MaskedCoupling`: forward, inverse, and a training step (loss, backward,
//! Adam), over sizes.
//!
//! ```text
//! cargo bench --bench coupling -- --quick
//! cargo bench --bench coupling --features wgpu -- --quick
//! ```

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::coupling::Mask;
use normalizing_flows::{Flow, MaskedCoupling, MaskedCouplingConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, StandardNormal};

const D_FEATURES: [usize; 4] = [2, 16, 64, 256];
const D_HIDDEN: [usize; 2] = [64, 256];
const BATCH: [usize; 3] = [1, 256, 4096];
const OPERATIONS: [&str; 3] = ["forward", "inverse", "train"];

/// The sizes of a measurement.
#[derive(Clone, Copy, PartialEq)]
struct Sizes {
    d_features: usize,
    d_hidden: usize,
    batch: usize,
}

/// A sample of criterion's: so many runs of one operation in so many seconds.
struct Sample {
    operation: &'static str,
    sizes: Sizes,
    iterations: u64,
    seconds: f64,
}

/// All samples that were taken.
type Timings = RefCell<Vec<Sample>>;

fn main() {
    let device = Device::default();
    println!("device: {device:?}\n");
    let timings = Timings::default();
    let mut criterion = Criterion::default().configure_from_args();
    for d_features in D_FEATURES {
        for d_hidden in D_HIDDEN {
            for batch in BATCH {
                let sizes = Sizes { d_features, d_hidden, batch };
                measure(&mut criterion, sizes, &device, &timings);
            }
        }
    }
    criterion.final_summary();
    print_table(&timings.into_inner());
}

fn measure(criterion: &mut Criterion, sizes: Sizes, device: &Device, timings: &Timings) {
    let Sizes { d_features, d_hidden, batch } = sizes;
    let training = device.clone().autodiff();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let coupling = MaskedCouplingConfig::new(Mask::alternating(d_features))
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![d_hidden; 2]).into())
        .init(&training, &mut rng);
    let x: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(batch * d_features).collect();
    let x = Tensor::<2>::from_data(TensorData::new(x, [batch, d_features]), device);
    let plain = coupling.valid();

    let mut group = criterion.benchmark_group("coupling");
    group.throughput(Throughput::Elements(batch as u64));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let label = format!("d{d_features}/h{d_hidden}/b{batch}");
    let mut run = |operation: &'static str, step: &mut dyn FnMut()| {
        group.bench_function(BenchmarkId::new(operation, &label), |bencher| {
            // A GPU compiles and tunes its kernels in the first runs.
            timed(3, step, device);
            bencher.iter_custom(|iterations| {
                let elapsed = timed(iterations, step, device);
                let seconds = elapsed.as_secs_f64();
                timings.borrow_mut().push(Sample { operation, sizes, iterations, seconds });
                elapsed
            });
        });
    };
    // The last output is kept until the device is through: what nobody holds need not be computed.
    let mut output = plain.forward(x.clone(), None);
    run("forward", &mut || output = black_box(plain.forward(x.clone(), None)));
    run("inverse", &mut || output = black_box(plain.inverse(x.clone(), None)));
    drop(output);
    let mut adam = AdamConfig::new().init();
    let mut model: Option<MaskedCoupling> = Some(coupling);
    run("train", &mut || {
        let layer = model.take().expect("each step puts the layer back");
        let (z, log_det) = layer.inverse(x.clone(), None);
        let loss = (z.square().sum_dim(1).squeeze_dim(1) * 0.5 - log_det).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        model = Some(adam.step(1e-4, layer, gradients));
    });
    group.finish();
}

/// The time of some runs, until the device has done them.
fn timed(iterations: u64, step: &mut dyn FnMut(), device: &Device) -> Duration {
    device.sync().expect("the device is alive");
    let start = Instant::now();
    for _ in 0..iterations {
        step();
    }
    device.sync().expect("the device is alive");
    start.elapsed()
}

/// Rows per second of each measurement.
fn print_table(timings: &[Sample]) {
    println!("rows per second of one MaskedCoupling");
    println!(
        "{:>4} {:>7} {:>6} {:>12} {:>12} {:>12}",
        "d", "hidden", "batch", "forward", "inverse", "train"
    );
    for d_features in D_FEATURES {
        for d_hidden in D_HIDDEN {
            for batch in BATCH {
                let sizes = Sizes { d_features, d_hidden, batch };
                let cells = OPERATIONS.map(|operation| rows_per_second(timings, operation, sizes));
                if cells.iter().any(Option::is_some) {
                    let [forward, inverse, train] =
                        cells.map(|cell| cell.map_or("-".into(), |rows| format!("{rows:.0}")));
                    println!(
                        "{d_features:>4} {d_hidden:>7} {batch:>6} {forward:>12} {inverse:>12} {train:>12}"
                    );
                }
            }
        }
    }
}

/// By the median of the longest samples: short ones are criterion's search for a length.
fn rows_per_second(timings: &[Sample], operation: &str, sizes: Sizes) -> Option<f64> {
    let of_this = || timings.iter().filter(|s| s.operation == operation && s.sizes == sizes);
    let most = of_this().map(|sample| sample.iterations).max()?;
    let mut seconds: Vec<f64> = of_this()
        .filter(|sample| 2 * sample.iterations > most)
        .map(|sample| sample.seconds / sample.iterations as f64)
        .collect();
    seconds.sort_by(f64::total_cmp);
    Some(sizes.batch as f64 / seconds[seconds.len() / 2])
}
