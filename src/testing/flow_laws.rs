//! [`Laws`]: a case, and the list of its checks, which stand in the files beside this one.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::list::list_of_laws;
use super::parameters::perturb;
use crate::direction::Direction;
use crate::flow::Flow;
pub(super) use crate::flow::run::apply;
use crate::parameters::cast;

/// Rows of a batch.
pub(super) const BATCH: usize = 6;
/// Standard deviation of the noise that takes the parameters away from their start.
const PERTURBATION: f64 = 0.3;

/// Builds the flow that is checked.
type Build<F> = Box<dyn Fn(&Device, &mut ChaCha8Rng) -> F>;

/// The `forward` of a new flow.
type Start = Box<dyn Fn(Tensor<2>) -> (Tensor<2>, Tensor<1>)>;

/// The invariants of a flow, each checked by a method that panics when the flow does not satisfy
/// it.
///
/// Every check but [`starts_as_expected`](Laws::starts_as_expected) perturbs the trained parameters
/// first, by [`perturb`]. Layers that are random in training are checked as
/// [`valid`](burn::module::Module::valid) only where no gradients are needed.
///
/// The check of gradients evaluates in `f64`, so it needs a device that can; the others run on any.
pub struct Laws<F: Flow> {
    pub(super) build: Build<F>,
    pub(super) d_features: usize,
    pub(super) dtype: FloatDType,
    pub(super) max_abs_input: f64,
    pub(super) start: Option<Start>,
    pub(super) start_roundings: u32,
    /// Whether a new flow touches its start at 0 only.
    starts_at_origin: bool,
    tolerance: Option<f64>,
}

list_of_laws! {
    $ Laws<F: Flow>, flow_laws;
    round_trips
    log_dets_cancel
    log_det_is_that_of_the_jacobian
    pulls_gradients_back
    gradients_match_finite_differences
    rows_are_independent
    non_finite_rows_affect_only_their_own_outputs
    takes_batches_of_0_and_1
    stays_finite
    starts_as_expected
    saves_and_loads
    ignores_or_demands_its_context
}

impl<F: Flow> Laws<F> {
    /// A case: the flow over `d_features` features that `build` makes.
    pub fn new(d_features: usize, build: impl Fn(&Device, &mut ChaCha8Rng) -> F + 'static) -> Self {
        Self {
            build: Box::new(build),
            d_features,
            dtype: FloatDType::F32,
            max_abs_input: 1e9,
            start: None,
            start_roundings: 0,
            starts_at_origin: false,
            tolerance: None,
        }
    }

    /// Checks in another float type; the default is `f32`.
    #[must_use]
    pub fn with_dtype(mut self, dtype: FloatDType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The largest absolute value in the domain, for [`stays_finite`](Laws::stays_finite); the
    /// default is 1e9.
    #[must_use]
    pub fn with_max_abs_input(mut self, max_abs_input: f64) -> Self {
        self.max_abs_input = max_abs_input;
        self
    }

    /// The relative (below 1: absolute) tolerance of values; the default is 1e-9 in `f64`, and 1e-4
    /// in `f32`: some hundred roundings of 1.2e-7, amplified by scales of up to ten.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// What `forward` of a new flow gives, output and log-determinant; the default is the identity.
    #[must_use]
    pub fn with_start(
        mut self,
        start: impl Fn(Tensor<2>) -> (Tensor<2>, Tensor<1>) + 'static,
    ) -> Self {
        self.start = Some(Box::new(start));
        self
    }

    /// Lets a new flow differ from its start by so many roundings of 1, for a map whose formulas
    /// round even there. The default is 0: the same bits.
    #[must_use]
    pub fn with_rounded_start(mut self, roundings: u32) -> Self {
        self.start_roundings = roundings;
        self
    }

    /// Lets a new flow be its start to first order at 0 only, up to roundings of f32, as one of drawn weights can.
    #[must_use]
    pub fn with_start_at_origin(mut self) -> Self {
        self.starts_at_origin = true;
        self
    }

    /// Where a new flow must be what it starts as.
    pub(super) fn start_points(&self, z: Tensor<2>) -> Tensor<2> {
        if self.starts_at_origin { z.zeros_like() } else { z }
    }

    /// How far a new flow may be from its start.
    pub(super) fn start_tolerance(&self) -> f64 {
        // Weights are drawn in f32.
        let epsilon = if self.starts_at_origin { f64::from(f32::EPSILON) } else { self.epsilon() };
        f64::from(self.start_roundings) * epsilon
    }

    pub(super) fn tolerance(&self) -> f64 {
        let default = if self.dtype == FloatDType::F64 { 1e-9 } else { 1e-4 };
        self.tolerance.unwrap_or(default)
    }

    /// A rounding of 1.
    pub(super) fn epsilon(&self) -> f64 {
        if self.dtype == FloatDType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
    }

    /// A perturbed flow in training, an input and, if the flow takes one, a context.
    pub(super) fn tracked(&self, device: &Device) -> (F, Tensor<2>, Option<Tensor<2>>) {
        let device = device.clone().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // Cast first: the noise is then drawn in the type that is checked, and not rounded to f32.
        let flow = cast((self.build)(&device, &mut rng), self.dtype);
        let flow = perturb(flow, PERTURBATION, &mut rng);
        let mut normal = |d: usize| {
            let values = StandardNormal.sample_iter(&mut rng).take(BATCH * d).collect();
            self.tensor(values, [BATCH, d], &device)
        };
        let x = normal(self.d_features);
        let context = (flow.d_context() > 0).then(|| normal(flow.d_context()));
        (flow, x, context)
    }

    /// The same without autodiff.
    pub(super) fn plain(&self, device: &Device) -> (F, Tensor<2>, Option<Tensor<2>>) {
        let (flow, x, context) = self.tracked(device);
        (flow.valid(), x.inner(), context.map(Tensor::inner))
    }

    pub(super) fn tensor(&self, values: Vec<f64>, shape: [usize; 2], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), (device, DType::from(self.dtype)))
    }
}

pub(super) fn both_ways() -> [(Direction, Direction); 2] {
    [Direction::Forward, Direction::Inverse].map(|there| (there, there.reversed()))
}

/// A scalar in which every output has a weight of its own.
pub(super) fn loss((y, log_det): (Tensor<2>, Tensor<1>)) -> Tensor<1> {
    let [batch, d] = y.dims();
    let weights: Vec<f64> = (0..batch * d).map(|i| (1.0 + i as f64).sin()).collect();
    let options = (&y.device(), y.dtype());
    let weights_y = Tensor::from_data(TensorData::new(weights.clone(), [batch, d]), options);
    let weights = weights.iter().step_by(d.max(1)).map(|weight| weight + 0.5).collect::<Vec<_>>();
    let weights_log_det = Tensor::from_data(TensorData::new(weights, [batch]), options);
    (y * weights_y).sum() + (log_det * weights_log_det).sum()
}
