//! The same bits for any number of threads: fewer than a batch has tiles or shards, as many, and more, where tiles
//! are divided and training goes in two phases.

use normalizing_flows::conditioner::MadeConfig;
use normalizing_flows::{Direction, FlowConfig, GlowConfig, IafConfig, MafConfig, NsfConfig};

use super::*;

const THREADS: [usize; 5] = [2, 3, 7, 16, 64];

#[test]
fn couplings() {
    // The wide one takes long.
    for (d_hidden, threads) in [([40, 24], &THREADS[..]), ([520, 515], &[3, 16])] {
        let pair = pair(&alternating(5, 2, &relu(&d_hidden)), FloatDType::F32, &device());
        same_bits(&pair.fused, 5, 0, FloatDType::F32, &[1500], threads);
    }
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let pair = pair(&splines_over_residual(5, 2), dtype, &device());
        // The last tile takes what is left over, or is a tile of its own.
        let batches: &[usize] =
            if dtype == FloatDType::F32 { &[1, 17, 33, 129, 700] } else { &[1500] };
        same_bits(&pair.fused, 5, 0, dtype, batches, &THREADS);
    }
}

#[test]
fn presets() {
    let mlp = MlpConfig::new().with_d_hidden(vec![24, 20]);
    let made = MadeConfig::new().with_network(Some(mlp.clone().into()));
    let maf = MafConfig::new(6).with_n_layers(2).with_conditioner(made.clone());
    // Sums of more than 512 terms for few outputs in each pass.
    let wide = NsfConfig::new(2)
        .with_autoregressive(true)
        .with_n_layers(1)
        .with_spline(RationalQuadraticSplineConfig::new().with_n_bins(16))
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![128, 600]).into());
    let models: [FlowConfig; 6] = [
        wide.into(),
        NsfConfig::new(6)
            .with_n_layers(2)
            .with_d_context(2)
            .with_conditioner(ResidualMlpConfig::new().with_d_hidden(20).into())
            .into(),
        GlowConfig::new(6).with_n_steps(2).with_d_context(2).with_conditioner(mlp.into()).into(),
        maf.clone().into(),
        maf.with_d_context(2).into(),
        IafConfig::new(6).with_n_layers(2).with_conditioner(made).into(),
    ];
    for config in models {
        let model = config.init(&device(), &mut rng(0));
        let d_context = config.d_context();
        let d_features = config.d_features();
        let x = noise([100, d_features], FloatDType::F32, &device(), &mut rng(1));
        let context = noise([100, 2], FloatDType::F32, &device(), &mut rng(2));
        let context = (d_context > 0).then_some(&context);
        let flow = model.flow.calibrate(x, context, Direction::Inverse);
        let flow = perturb(flow, 0.1, &mut rng(3));
        assert!(runs_by_kernels(&flow).iter().all(|by_kernels| *by_kernels), "{flow}");
        same_bits(&flow, d_features, d_context, FloatDType::F32, &[600], &THREADS);
    }
}

/// More rows than are kept at once between the two phases.
#[test]
fn more_rows_than_are_kept_at_once() {
    let dtype = FloatDType::F64;
    let pair = pair(&alternating(5, 2, &relu(&[520, 515])), dtype, &device());
    let x = noise([4100, 5], dtype, &device(), &mut rng(1)).require_grad();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool of threads").install(|| {
            let found = outcome(Loss::Mean, &pair.fused, &x, None);
            (found.values, found.parameters, found.input)
        })
    };
    assert!(of(1) == of(16));
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn same_bits<F: Flow + Sync>(
    flow: &F,
    d_features: usize,
    d_context: usize,
    dtype: FloatDType,
    batches: &[usize],
    threads: &[usize],
) {
    for &batch in batches {
        let x = noise([batch, d_features], dtype, &device(), &mut rng(1)).require_grad();
        let context = noise([batch, d_context.max(1)], dtype, &device(), &mut rng(2));
        let context = context.require_grad();
        let context = (d_context > 0).then_some(&context);
        for loss in LOSSES {
            let of = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.expect("a pool of threads");
                pool.install(|| {
                    let found = outcome(loss, flow, &x, context);
                    let plain_context = context.map(|context| context.clone().inner());
                    let plain = loss.of(&flow.valid(), &x.clone().inner(), plain_context.as_ref());
                    (found.values, found.parameters, found.input, found.context, plain.0)
                })
            };
            let one = of(1);
            for &threads in threads {
                assert!(of(threads) == one, "{loss:?} of {batch} rows on {threads} threads");
            }
        }
    }
}
