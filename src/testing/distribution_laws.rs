//! [`DistributionLaws`]: the checks of a distribution.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::compare::{assert_close, assert_values_close, host};
use super::flow_laws::Laws;
use super::gradients::shifted;
use super::list::{list_of_laws, settings_of_laws};
use super::parameters::{gradients, nudge};
use super::quadrature::Grid;
use crate::distribution::Distribution;
use crate::flow::Flow;
use crate::parameters::cast;

/// Samples that are compared with the density.
const N_SAMPLES: usize = 20_000;
/// What the integral over the region may differ from 1, and a distribution function from another.
const TOLERANCE: f64 = 1e-3;

/// The invariants of a distribution, each checked by a method that panics when the distribution
/// does not satisfy it.
///
/// Every check perturbs the trained parameters first, by [`perturb`](super::perturb). A conditional
/// distribution is checked given a few contexts. Integrals are over 1 or 2 features.
///
/// The check of gradients evaluates in `f64`, so it needs a device that can; the others run on any.
///
/// # Example
///
/// ```
/// use normalizing_flows::{distribution::DiagonalNormalConfig, testing::DistributionLaws};
/// use normalizing_flows::burn::tensor::Device;
///
/// let config = DiagonalNormalConfig::standard_learnable(1);
/// DistributionLaws::new(1, move |device, rng| config.init(device, rng))
///     .check_all(&Device::default());
/// ```
pub struct DistributionLaws<D: Distribution> {
    laws: Laws<Density<D>>,
    region: [f64; 2],
}

list_of_laws! {
    $ DistributionLaws<D: Distribution>, distribution_laws;
    integrates_to_one
    samples_follow_the_density
    samples_come_with_their_log_densities
    draws_follow_the_generator_and_build_no_graph
    gradients_match_finite_differences
    rows_are_independent
    non_finite_rows_affect_only_their_own_densities
    takes_batches_of_0_and_1
    stays_finite
    saves_and_loads
    refuses_or_demands_its_context
}

settings_of_laws!(DistributionLaws<D: Distribution>);

impl<D: Distribution> DistributionLaws<D> {
    /// A case: the distribution over `d_features` features that `build` makes.
    pub fn new(d_features: usize, build: impl Fn(&Device, &mut ChaCha8Rng) -> D + 'static) -> Self {
        let build = move |device: &Device, rng: &mut ChaCha8Rng| Density {
            distribution: build(device, rng),
        };
        Self { laws: Laws::new(d_features, build), region: [-12.0, 12.0] }
    }

    /// The interval that holds all of the probability but a negligible part, in each feature; the
    /// default is from -12 to 12.
    #[must_use]
    pub fn with_region(self, region: [f64; 2]) -> Self {
        Self { region, ..self }
    }

    /// The distribution without autodiff, and a few contexts of one row each, if it takes any.
    fn plain(&self, device: &Device) -> (D, Vec<Option<Tensor<2>>>) {
        let (flow, _, context) = self.laws.plain(device);
        let contexts = match context {
            Some(context) => (0..2).map(|row| Some(context.clone().narrow(0, row, 1))).collect(),
            None => vec![None],
        };
        (flow.distribution, contexts)
    }

    fn grid(&self, distribution: &D, context: Option<&Tensor<2>>, device: &Device) -> Grid {
        let place = (device, self.laws.dtype);
        let tolerance = 0.3 * TOLERANCE;
        Grid::refined(self.laws.d_features, self.region, tolerance, place, |x| {
            host(&log_prob(distribution, x, context))
        })
    }

    /// The density integrates to one over the region, given each context.
    pub fn integrates_to_one(&self, device: &Device) {
        let (distribution, contexts) = self.plain(device);
        for context in contexts {
            let total = self.grid(&distribution, context.as_ref(), device).total();
            assert!((total - 1.0).abs() < TOLERANCE, "the density integrates to {total}");
        }
    }

    /// The samples of each feature, and of the sum of two, have the distribution function of the
    /// density, by Kolmogorov and Smirnov's distance and a bound that a correct sampler exceeds
    /// once in a million seeds.
    pub fn samples_follow_the_density(&self, device: &Device) {
        let (distribution, contexts) = self.plain(device);
        let d = self.laws.d_features;
        // Dvoretzky, Kiefer and Wolfowitz.
        let bound = ((2.0 / 1e-6_f64).ln() / (2.0 * N_SAMPLES as f64)).sqrt() + TOLERANCE;
        for context in contexts {
            let grid = self.grid(&distribution, context.as_ref(), device);
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let samples = host(&sample(&distribution, N_SAMPLES, context.as_ref(), &mut rng));
            for (view, function) in grid.distribution_functions().into_iter().enumerate() {
                let rows = samples.chunks_exact(d);
                let mut values: Vec<f64> = match view {
                    2 => rows.map(|row| row[0] + row[1]).collect(),
                    feature => rows.map(|row| row[feature]).collect(),
                };
                values.sort_by(f64::total_cmp);
                let distance = function.into_iter().fold(0.0_f64, |distance, (point, expected)| {
                    let below = values.partition_point(|&value| value <= point);
                    distance.max((below as f64 / N_SAMPLES as f64 - expected).abs())
                });
                let what = ["the first feature", "the second feature", "the sum of both"][view];
                assert!(
                    distance < bound,
                    "{what}: the samples are {distance} away from the density, more than {bound}"
                );
            }
        }
    }

    /// Samples come with the log-densities that `log_prob` gives them, and are the same with and
    /// without.
    pub fn samples_come_with_their_log_densities(&self, device: &Device) {
        let (distribution, contexts) = self.plain(device);
        for context in contexts {
            let rng = || ChaCha8Rng::seed_from_u64(4);
            let (x, log_density) = match &context {
                Some(context) => distribution.given(context).sample_with_log_prob(50, &mut rng()),
                None => distribution.sample_with_log_prob(50, &mut rng()),
            };
            let alone = sample(&distribution, 50, context.as_ref(), &mut rng());
            assert_eq!(x.to_data(), alone.into_data(), "samples with and without log-densities");
            let expected = log_prob(&distribution, x, context.as_ref());
            assert_close("log-densities", &log_density, &expected, self.laws.tolerance());
        }
    }

    /// The same seed gives the same samples and another seed others, in the float type of the
    /// distribution and without a graph.
    pub fn draws_follow_the_generator_and_build_no_graph(&self, device: &Device) {
        let (flow, _, context) = self.laws.tracked(device);
        let distribution = flow.distribution;
        let context = context.map(|context| context.narrow(0, 0, 1));
        let draw = |seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            sample(&distribution, 10, context.as_ref(), &mut rng)
        };
        let first = draw(0);
        assert_eq!(first.dims(), [10, self.laws.d_features], "the shape of samples");
        assert!(!first.is_autodiff(), "samples must not be on a graph");
        if Module::num_params(&distribution) > 0 {
            assert_eq!(first.dtype(), DType::from(self.laws.dtype), "the float type of samples");
        }
        assert_eq!(first.to_data(), draw(0).into_data(), "samples of the same seed");
        assert!(host(&first) != host(&draw(1)), "samples of another seed must differ");
    }

    /// The gradients of `x`, context and every parameter match central differences.
    pub fn gradients_match_finite_differences(&self, device: &Device) {
        self.laws.gradients_match_finite_differences(device);
    }

    /// A row has the same density whatever the other rows hold, and however many they are.
    pub fn rows_are_independent(&self, device: &Device) {
        self.laws.rows_are_independent(device);
    }

    /// A NaN or an infinity shows in the log-density of its own row, and affects no other.
    pub fn non_finite_rows_affect_only_their_own_densities(&self, device: &Device) {
        self.laws.non_finite_rows_affect_only_their_own_outputs(device);
    }

    /// Batches of no row and of one row work, with gradients; and no sample and one.
    pub fn takes_batches_of_0_and_1(&self, device: &Device) {
        self.laws.takes_batches_of_0_and_1(device);
        let (distribution, contexts) = self.plain(device);
        for n in [0, 1] {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let x = sample(&distribution, n, contexts[0].as_ref(), &mut rng);
            assert_eq!(x.dims(), [n, self.laws.d_features], "{n} samples");
        }
    }

    /// Log-densities and gradients are finite for tiny, huge and mixed inputs and contexts.
    pub fn stays_finite(&self, device: &Device) {
        self.laws.stays_finite(device);
    }

    /// Saving and loading, into a distribution built from another seed, gives the same bits.
    pub fn saves_and_loads(&self, device: &Device) {
        self.laws.saves_and_loads(device);
    }

    /// A distribution with a context depends on it and panics without one; one that takes none
    /// panics when it is given one.
    pub fn refuses_or_demands_its_context(&self, device: &Device) {
        let (flow, x, context) = self.laws.plain(device);
        let distribution = flow.distribution;
        let panics = |call: &dyn Fn()| catch_unwind(AssertUnwindSafe(call)).is_err();
        match context {
            Some(context) => {
                let here = host(&distribution.given(&context).log_prob(x.clone()));
                let other = context + 1.0;
                let there = host(&distribution.given(&other).log_prob(x.clone()));
                assert!(here != there, "the context must make a difference");
                assert!(
                    panics(&|| drop(distribution.log_prob(x.clone()))),
                    "a distribution with a context must panic without one"
                );
            }
            None => assert!(
                panics(&|| drop(distribution.given(&x).log_prob(x.clone()))),
                "a distribution without context must panic when it is given one"
            ),
        }
    }
}

impl<D: Distribution> DistributionLaws<D> {
    /// The gradients of the parameters and the context through samples and their log-densities
    /// match central differences, with the noise held fixed by the seed.
    ///
    /// # Panics
    ///
    /// Also if no gradient reaches a parameter.
    pub fn gradients_flow_through_samples(&self, device: &Device) {
        let (flow, _, context) = self.laws.tracked(device);
        let context = context.map(|context| context.narrow(0, 0, 1));
        // By both ways of drawing them.
        let weighted = |flow: &Density<D>, context: Option<&Tensor<2>>| {
            let rng = ChaCha8Rng::seed_from_u64;
            let (x, (y, log_density)) = match context {
                Some(context) => {
                    let given = flow.distribution.given(context);
                    (given.rsample(7, &mut rng(5)), given.rsample_with_log_prob(7, &mut rng(6)))
                }
                None => (
                    flow.distribution.rsample(7, &mut rng(5)),
                    flow.distribution.rsample_with_log_prob(7, &mut rng(6)),
                ),
            };
            let shape = x.shape();
            let weights: Vec<f64> = (0..shape.num_elements()).map(|i| (i as f64).sin()).collect();
            let weights = TensorData::new(weights, shape);
            let weights = Tensor::from_data(weights, (&x.device(), x.dtype()));
            ((x + y * 0.6) * weights).sum() + log_density.sum() * 0.3
        };
        let context = context.map(|context| context.detach().require_grad());
        let backward = weighted(&flow, context.as_ref()).backward();
        let oracle = cast(flow.valid(), FloatDType::F64);
        let context_64 = context.as_ref().map(|c| c.clone().inner().cast(FloatDType::F64));
        let value_at = |flow: &Density<D>, context: Option<&Tensor<2>>| -> f64 {
            weighted(flow, context).into_scalar()
        };
        let value = |flow: &Density<D>| value_at(flow, context_64.as_ref());
        // As for `Laws::gradients_match_finite_differences`.
        let step = 1e-6;
        let tolerance = if self.laws.dtype == FloatDType::F64 { 1e-6 } else { 1e-3 };
        if let (Some(context), Some(context_64)) = (&context, &context_64) {
            let gradient = context.grad(&backward).expect("a gradient must reach the context");
            for (i, gradient) in host(&gradient).into_iter().enumerate() {
                let at = |step: f64| value_at(&oracle, Some(&shifted(context_64, i, step)));
                let difference = (at(step) - at(-step)) / (2.0 * step);
                let what = "gradient of the context through samples";
                assert_values_close(what, &[gradient], &[difference], tolerance);
            }
        }
        for (index, gradient) in gradients(&flow, &backward) {
            let gradient = gradient
                .unwrap_or_else(|| panic!("no gradient reaches parameter {index} through samples"));
            let entries = (0..gradient.len()).step_by(gradient.len().div_ceil(10));
            for i in entries {
                let at = |step: f64| value(&nudge(oracle.clone(), index, i, step));
                let difference = (at(step) - at(-step)) / (2.0 * step);
                let what = format!("gradient of parameter {index} through samples");
                assert_values_close(&what, &[gradient[i]], &[difference], tolerance);
            }
        }
    }
}

fn log_prob<D: Distribution>(
    distribution: &D,
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Tensor<1> {
    match context {
        Some(context) => distribution.given(context).log_prob(x),
        None => distribution.log_prob(x),
    }
}

fn sample<D: Distribution>(
    distribution: &D,
    n: usize,
    context: Option<&Tensor<2>>,
    rng: &mut ChaCha8Rng,
) -> Tensor<2> {
    match context {
        Some(context) => distribution.given(context).sample(n, rng),
        None => distribution.sample(n, rng),
    }
}

/// A distribution as a flow whose log-determinant is the log-density: what is checked of flows
/// beside invertibility holds for it too.
#[derive(Module, Debug)]
struct Density<D: Distribution> {
    distribution: D,
}

impl<D: Distribution> Density<D> {
    fn evaluate(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        // The output says nothing: it must not show what the density does not.
        (x.zeros_like(), log_prob(&self.distribution, x, context))
    }
}

impl<D: Distribution> Flow for Density<D> {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.evaluate(z, context)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.evaluate(x, context)
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.distribution.d_features())
    }

    fn d_context(&self) -> usize {
        self.distribution.d_context()
    }
}
