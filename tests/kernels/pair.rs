//! A flow both ways, and everything about it compared.

use super::*;

/// A stack as the kernels run it, and the same stack of the same parameters by tensor operations:
/// none of its layers is known to the kernels, which would run one that they know among others.
pub struct Pair {
    pub fused: Sequential<MaskedCoupling>,
    pub composed: Sequential<MaskedCoupling<Opaque<Network>, UnivariateMap>>,
}

pub fn pair(configs: &[MaskedCouplingConfig], dtype: FloatDType, device: &Device) -> Pair {
    let mut rng = rng(0);
    let layers = configs.iter().map(|config| config.init(device, &mut rng)).collect();
    let stack = Sequential::new(layers);
    let noise = 0.2 * (8.0 / most_inputs(&stack) as f64).sqrt().min(1.0);
    let fused = cast(perturb(stack, noise, &mut rng), dtype);
    composed_of(configs, fused)
}

/// The most inputs of any linear layer: noise on so many weights adds up, and with outputs of the
/// order of 1 no network amplifies roundings much, whichever way a processor rounds.
fn most_inputs<M: Module>(module: &M) -> usize {
    struct MostInputs(usize);
    impl ModuleVisitor for MostInputs {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 2 {
                self.0 = self.0.max(param.dims()[0]);
            }
        }
    }
    let mut visitor = MostInputs(1);
    module.visit(&mut visitor);
    visitor.0
}

pub fn composed_of(configs: &[MaskedCouplingConfig], fused: Sequential<MaskedCoupling>) -> Pair {
    let device = fused.devices().first().expect("a stack has parameters").clone();
    let layers = fused.layers.iter().zip(configs).map(|(layer, config)| {
        let network = Opaque { inner: layer.conditioner.clone() };
        MaskedCoupling::new(&config.mask, network, layer.univariate.clone(), &device)
    });
    // No `Sequential::new`, which refuses layers that share parameters: one test shares them on
    // purpose.
    let composed = Sequential { layers: layers.collect() };
    assert!(runs_by_kernels(&fused).iter().all(|by_kernels| *by_kernels), "{fused}");
    assert!(runs_by_kernels(&composed).iter().all(|by_kernels| !by_kernels), "{composed}");
    Pair { fused, composed }
}

/// Whether each layer of a stack runs by the kernels, as its table says.
pub fn runs_by_kernels<F: Flow>(stack: &Sequential<F>) -> Vec<bool> {
    stack.to_string().lines().skip(1).map(|line| line.contains("  kernels")).collect()
}

/// A stack of `n` layers of alternating masks.
pub fn alternating(d: usize, n: usize, network: &NetworkConfig) -> Vec<MaskedCouplingConfig> {
    let mut mask = Mask::alternating(d);
    (0..n)
        .map(|_| {
            let config = MaskedCouplingConfig::new(mask.clone()).with_conditioner(network.clone());
            mask = mask.complement();
            config
        })
        .collect()
}

/// The same of splines over residual networks.
pub fn splines_over_residual(d: usize, n: usize) -> Vec<MaskedCouplingConfig> {
    let network = ResidualMlpConfig::new().with_d_hidden(8);
    let spline = RationalQuadraticSplineConfig::new().with_interval([-2.0, 2.0]);
    let configs = alternating(d, n, &network.into()).into_iter();
    configs.map(|config| config.with_univariate(spline.clone().into())).collect()
}

pub fn relu(d_hidden: &[usize]) -> NetworkConfig {
    MlpConfig::new().with_d_hidden(d_hidden.to_vec()).into()
}

pub fn noise(
    shape: [usize; 2],
    dtype: FloatDType,
    device: &Device,
    rng: &mut ChaCha8Rng,
) -> Tensor<2> {
    let values: Vec<f64> = Noise.sample_iter(rng).take(shape[0] * shape[1]).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, dtype.into()))
}

/// Panics unless the values agree to so many units of the largest of them: both ways round in their
/// own order, and errors of a sum are of the size of its terms. NaN and infinities must match.
#[track_caller]
pub fn assert_agree(what: &str, fused: &[f64], composed: &[f64], tolerance: f64) {
    assert_eq!(fused.len(), composed.len(), "{what}: the lengths differ");
    let finite = composed.iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0_f64, |largest, x| largest.max(x.abs()));
    for (i, (&a, &b)) in fused.iter().zip(composed).enumerate() {
        let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * largest;
        assert!(same, "{what}: value {i} is {a} fused and {b} composed (largest {largest})");
    }
}

/// Values of some hundred roundings after another: of 1.2e-7 and of 2.2e-16.
pub fn tolerance(dtype: FloatDType) -> f64 {
    if dtype == FloatDType::F64 { 1e-12 } else { 2e-5 }
}

/// What a loss is made of.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// The mean negative log-likelihood.
    Mean,
    /// The same factor for every row.
    Sum,
    /// A weight per row.
    Weighted,
    /// A function of rows and log-determinants.
    Forward,
    Inverse,
}

pub const LOSSES: [Loss; 5] = [Loss::Mean, Loss::Sum, Loss::Weighted, Loss::Forward, Loss::Inverse];

impl Loss {
    /// The value and what depends on the model, row by row.
    pub fn of<F: Flow>(
        self,
        flow: &F,
        x: &Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Vec<f64>, Tensor<1>) {
        let d = x.dims()[1];
        let both = |(y, log_det): (Tensor<2>, Tensor<1>)| {
            let wave = (y.clone() * 0.7).sin() + y.clone() * 0.1;
            let loss = wave.sum_dim(1).squeeze_dim(1) + log_det.clone().square() * 0.3;
            (host(Tensor::cat(vec![y, log_det.unsqueeze_dim(1)], 1)), loss.sum())
        };
        let model = |flow: &F| {
            let base = StandardNormal::new(d, &x.device());
            let model = NormalizingFlow::new(base, flow.clone());
            match context {
                Some(context) => model.given(context).log_prob(x.clone()),
                None => model.log_prob(x.clone()),
            }
        };
        let with_weights = |weights: Tensor<1>| {
            let log_prob = model(flow);
            (host(log_prob.clone()), (log_prob * weights).sum())
        };
        match self {
            Self::Mean => {
                let log_prob = model(flow);
                (host(log_prob.clone()), -log_prob.mean())
            }
            Self::Sum => {
                let log_prob = model(flow);
                (host(log_prob.clone()), log_prob.sum() * 2.5)
            }
            Self::Weighted => {
                let weights = x.clone().detach().narrow(1, 0, 1).squeeze_dim(1).sin();
                with_weights(weights)
            }
            Self::Forward => both(flow.forward(x.clone(), context)),
            Self::Inverse => both(flow.inverse(x.clone(), context)),
        }
    }
}

/// A gradient for every float parameter, in the order of the module; frozen ones have none.
pub type ParameterGradients = Vec<Option<Vec<f64>>>;

pub fn gradients_of<M: Module>(module: &M, gradients: Gradients) -> ParameterGradients {
    struct Collector {
        gradients: GradientsParams,
        found: ParameterGradients,
    }
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push(self.gradients.get::<D>(param.id).map(host));
        }
    }
    let gradients = GradientsParams::from_grads(gradients, module);
    let mut collector = Collector { gradients, found: Vec::new() };
    module.visit(&mut collector);
    collector.found
}

/// Values and gradients (of parameters, input and context) of a loss.
pub struct Outcome {
    pub values: Vec<f64>,
    pub parameters: ParameterGradients,
    pub input: Option<Vec<f64>>,
    pub context: Option<Vec<f64>>,
}

pub fn outcome<F: Flow>(
    loss: Loss,
    flow: &F,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Outcome {
    let (values, loss) = loss.of(flow, x, context);
    let gradients = loss.backward();
    let input = x.grad(&gradients).map(host);
    let context = context.and_then(|context| context.grad(&gradients)).map(host);
    Outcome { values, parameters: gradients_of(flow, gradients), input, context }
}

/// Compares everything about two flows of the same parameters, with and without autodiff.
#[track_caller]
pub fn compare<A: Flow, B: Flow>(
    what: &str,
    (fused, composed): (&A, &B),
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
    tolerance: f64,
) {
    let agree = |what: &str, a: &Option<Vec<f64>>, b: &Option<Vec<f64>>| match (a, b) {
        (Some(a), Some(b)) => assert_agree(what, a, b, tolerance),
        (a, b) => assert_eq!(a.is_some(), b.is_some(), "{what}: only one has a gradient"),
    };
    for loss in LOSSES {
        let what = format!("{what}, {loss:?}");
        let (a, b) = (outcome(loss, fused, x, context), outcome(loss, composed, x, context));
        assert_agree(&what, &a.values, &b.values, tolerance);
        agree(&format!("{what}, gradient of the input"), &a.input, &b.input);
        agree(&format!("{what}, gradient of the context"), &a.context, &b.context);
        assert_eq!(a.parameters.len(), b.parameters.len());
        for (i, (a, b)) in a.parameters.iter().zip(&b.parameters).enumerate() {
            agree(&format!("{what}, gradient of parameter {i}"), a, b);
        }
        let plain = |tensor: &Tensor<2>| tensor.clone().without_autodiff();
        let context = context.map(plain);
        let (without, _) = loss.of(&fused.valid(), &plain(x), context.as_ref());
        assert_agree(&format!("{what}, without autodiff"), &without, &b.values, tolerance);
    }
}

/// Panics unless the kernels are as exact in f32 as the tensor operations, where a comparison of
/// both would only show how far roundings are amplified: both are compared with f64.
#[track_caller]
pub fn compare_errors<F: Flow>(
    what: &str,
    pair: &Pair,
    x: &Tensor<2>,
    exact: &F,
    x_64: &Tensor<2>,
) {
    let error = |found: &[f64], exact: &[f64]| {
        let squares = found.iter().zip(exact).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f64>() / exact.len() as f64).sqrt()
    };
    let all = |outcome: Outcome| {
        let input = outcome.input.expect("a gradient of the input");
        let parameters = outcome.parameters.into_iter().map(|gradient| gradient.expect("trained"));
        [vec![outcome.values, input], parameters.collect()].concat()
    };
    for loss in LOSSES {
        let fused = all(outcome(loss, &pair.fused, x, None));
        let composed = all(outcome(loss, &pair.composed, x, None));
        let exact = all(outcome(loss, exact, x_64, None));
        for (i, ((fused, composed), exact)) in fused.iter().zip(&composed).zip(&exact).enumerate() {
            let largest = exact.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
            let (fused, composed) = (error(fused, exact), error(composed, exact));
            // Errors of the same size, each the work of a few rows, and in sums over rows they
            // cancel by chance: they differ by factors. A wrong formula would be off by far more.
            assert!(
                fused <= 5.0 * composed + 1e-5 * largest,
                "{what}, {loss:?}, item {i}: {fused:e} fused, {composed:e} composed"
            );
        }
    }
}
