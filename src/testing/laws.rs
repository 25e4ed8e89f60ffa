//! [`Laws`]: what the laws are judged on. The laws themselves stand in the files beside this one.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::parameters::perturb;
use crate::cast::cast;
use crate::direction::Direction;
use crate::flow::{Flow, forward_with, inverse_with};

/// Rows of a batch.
pub(super) const BATCH: usize = 6;
/// Standard deviation of the noise that takes the parameters away from their start.
const PERTURBATION: f64 = 0.3;

/// Builds the flow that is judged.
type Build<F> = Box<dyn Fn(&Device, &mut ChaCha8Rng) -> F>;

/// A law: a method of [`Laws`] that panics when it is broken.
pub type Law<F> = fn(&Laws<F>, &Device);

/// The laws of a flow, each a method that panics when the law is broken.
///
/// Every law but [`starts_as_the_identity`](Laws::starts_as_the_identity) perturbs the parameters
/// first, by [`perturb`]. Layers that are random in training are judged as
/// [`valid`](burn::module::Module::valid) only by the laws that need no gradients.
///
/// The gradient law evaluates in `f64`, so it needs a device that can; the others run on any.
pub struct Laws<F: Flow> {
    pub(super) build: Build<F>,
    pub(super) d_features: usize,
    pub(super) dtype: FloatDType,
    pub(super) reach: f64,
    pub(super) start_roundings: Option<u32>,
    tolerance: Option<f64>,
}

impl<F: Flow> Laws<F> {
    /// Laws of the flow over `d_features` features that `build` makes.
    pub fn new(d_features: usize, build: impl Fn(&Device, &mut ChaCha8Rng) -> F + 'static) -> Self {
        Self {
            build: Box::new(build),
            d_features,
            dtype: FloatDType::F32,
            reach: 1e9,
            start_roundings: Some(0),
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
    pub fn with_reach(mut self, reach: f64) -> Self {
        self.reach = reach;
        self
    }

    /// The relative (below 1: absolute) tolerance of values; the default is 1e-9 in `f64`, and 1e-4
    /// in `f32`: some hundred roundings of 1.2e-7, amplified by scales of up to ten.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Leaves out [`starts_as_the_identity`](Laws::starts_as_the_identity), for a flow that starts
    /// elsewhere; say why beside the call.
    #[must_use]
    pub fn without_identity_start(mut self) -> Self {
        self.start_roundings = None;
        self
    }

    /// Lets a new flow differ from the identity by so many roundings of 1, for a map whose formulas
    /// round even there. The default is 0: the same bits.
    #[must_use]
    pub fn with_rounded_start(mut self, roundings: u32) -> Self {
        self.start_roundings = Some(roundings);
        self
    }

    /// Every law with its name, in the order of [`check_all`](Laws::check_all).
    pub const ALL: [(&'static str, Law<F>); 11] = [
        ("round_trips", Self::round_trips),
        ("log_dets_cancel", Self::log_dets_cancel),
        ("log_det_is_that_of_the_jacobian", Self::log_det_is_that_of_the_jacobian),
        ("gradients_match_finite_differences", Self::gradients_match_finite_differences),
        ("rows_are_independent", Self::rows_are_independent),
        ("a_sick_row_poisons_only_itself", Self::a_sick_row_poisons_only_itself),
        ("takes_batches_of_0_and_1", Self::takes_batches_of_0_and_1),
        ("stays_finite", Self::stays_finite),
        ("starts_as_the_identity", Self::starts_as_the_identity),
        ("saves_and_loads", Self::saves_and_loads),
        ("ignores_or_demands_its_context", Self::ignores_or_demands_its_context),
    ];

    /// All laws on one device.
    pub fn check_all(&self, device: &Device) {
        for (_, law) in Self::ALL {
            law(self, device);
        }
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
        // Cast first: the noise is then drawn in the type that is judged, and not rounded to f32.
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

pub(super) fn apply<F: Flow>(
    flow: &F,
    direction: Direction,
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    match direction {
        Direction::Forward => forward_with(flow, x, context),
        Direction::Inverse => inverse_with(flow, x, context),
    }
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
