//! [`clip_gradient_norm`]: gradients no longer than a bound.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};

use crate::kernel;

/// Scales all gradients of a module so that their Euclidean norm together is at most `max_norm`, as PyTorch's
/// `clip_grad_norm_`, and gives the norm that they had. burn's own clipping acts on each tensor apart, and so
/// turns the direction.
///
/// Gradients that are not finite stay as they are, and their norm is infinite: whoever gets such a norm should
/// skip the step. A
/// parameter that the module holds twice counts once.
///
/// Pascanu, Mikolov, Bengio: *On the difficulty of training Recurrent Neural Networks*, 2013, arXiv:1211.5063.
///
/// # Panics
///
/// If `max_norm` is not above 0.
///
/// # Example
///
/// ```
/// use normalizing_flows::RealNvpConfig;
/// use normalizing_flows::burn::optim::GradientsParams;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::optim::clip_gradient_norm;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::train::nll;
///
/// let device = Device::default().autodiff();
/// let model = RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let loss = nll(&model, Tensor::full([8, 2], 100.0, &device), None);
/// let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
/// let before = clip_gradient_norm(&model, &mut gradients, 5.0);
/// let after = clip_gradient_norm(&model, &mut gradients, 5.0);
/// assert!(before > 5.0 && (after - 5.0).abs() < 1e-3);
/// ```
pub fn clip_gradient_norm<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    max_norm: f64,
) -> f64 {
    assert!(max_norm > 0.0, "`max_norm` must be above 0, got {max_norm}");
    let norm = norm(module, gradients);
    if norm.is_finite() && norm > max_norm {
        let factor = max_norm / norm;
        module.visit(&mut Scale { gradients, seen: HashSet::new(), factor });
    }
    norm
}

/// The Euclidean norm of all gradients together.
fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut squares = Squares::new(gradients, None);
    module.visit(&mut squares);
    let norm = squares.norm();
    if norm.is_finite() {
        return norm;
    }
    // Squares may overflow where the gradients themselves are finite: once more, divided by their largest.
    let mut largest = Largest { gradients, seen: HashSet::new(), values: Vec::new() };
    module.visit(&mut largest);
    let largest = values_of(largest.values).fold(0.0, f64::max);
    if !largest.is_finite() || largest == 0.0 {
        return norm;
    }
    squares = Squares::new(gradients, Some(largest));
    module.visit(&mut squares);
    largest * squares.norm()
}

/// The sum of squares of each gradient, all read from the device at once.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    divisor: Option<f64>,
    seen: HashSet<ParamId>,
    /// Of those that the kernels take.
    sum: f64,
    sums: Vec<Tensor<1>>,
}

impl<'a> Squares<'a> {
    fn new(gradients: &'a GradientsParams, divisor: Option<f64>) -> Self {
        Self { gradients, divisor, seen: HashSet::new(), sum: 0.0, sums: Vec::new() }
    }

    fn norm(self) -> f64 {
        let others: f64 = values_of(self.sums).sum();
        infinity_for_nan(self.sum + others).sqrt()
    }
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        let Some(mut gradient) = self.gradients.get::<D>(param.id) else { return };
        if matches!(gradient.dtype(), DType::F16 | DType::BF16) {
            // Its squares would overflow from 256 on.
            gradient = gradient.cast(FloatDType::F32);
        }
        if let Some(divisor) = self.divisor {
            gradient = gradient / divisor;
        }
        match kernel::sum_of_squares(&gradient) {
            Some(sum) => self.sum += sum,
            None => self.sums.push(gradient.square().sum()),
        }
    }
}

/// The largest absolute value of each gradient.
struct Largest<'a> {
    gradients: &'a GradientsParams,
    seen: HashSet<ParamId>,
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Largest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id)
            && gradient.shape().num_elements() > 0
        {
            self.values.push(gradient.abs().max());
        }
    }
}

/// The numbers of tensors that may be of several float types, read at once.
fn values_of(tensors: Vec<Tensor<1>>) -> impl Iterator<Item = f64> {
    let is_double = tensors.iter().any(|tensor| tensor.dtype() == DType::F64);
    let dtype = if is_double { FloatDType::F64 } else { FloatDType::F32 };
    let tensors: Vec<_> = tensors.into_iter().map(|tensor| tensor.cast(dtype)).collect();
    let values = match tensors.is_empty() {
        true => Vec::new(),
        false => Tensor::cat(tensors, 0).into_data().iter::<f64>().collect(),
    };
    values.into_iter().map(infinity_for_nan)
}

/// `f64::max` would drop a NaN.
fn infinity_for_nan(value: f64) -> f64 {
    if value.is_nan() { f64::INFINITY } else { value }
}

/// Multiplies every gradient.
struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    seen: HashSet<ParamId>,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
