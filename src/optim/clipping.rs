//! [`clip_gradient_norm`]: gradients no longer than a bound.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::kernel;

/// Scales all gradients of a module so that their Euclidean norm together is at most `max_norm`, as PyTorch's
/// `clip_grad_norm_`, and gives the norm that they had. burn's own clipping acts on each tensor apart, and so
/// turns the direction.
///
/// Gradients whose norm is not finite stay as they are: whoever gets such a norm should skip the step.
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
        module.visit(&mut Scale { gradients, factor: max_norm / norm });
    }
    norm
}

/// The Euclidean norm of all gradients together.
fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut squares = Squares { gradients, divisor: None, sum: 0.0, sums: Vec::new() };
    module.visit(&mut squares);
    let norm = squares.norm();
    if norm.is_finite() {
        return norm;
    }
    // In f32 squares overflow where the gradients themselves are finite: once more, divided by
    // their largest.
    let mut largest = Largest { gradients, values: Vec::new() };
    module.visit(&mut largest);
    let largest = values_of(largest.values).fold(0.0, f64::max);
    if !largest.is_finite() || largest == 0.0 {
        return norm;
    }
    squares = Squares { gradients, divisor: Some(largest), sum: 0.0, sums: Vec::new() };
    module.visit(&mut squares);
    largest * squares.norm()
}

/// The sum of squares of each gradient, all read from the device at once.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    divisor: Option<f64>,
    /// Of those that the kernels take.
    sum: f64,
    sums: Vec<Tensor<1>>,
}

impl Squares<'_> {
    fn norm(&mut self) -> f64 {
        let others: f64 = values_of(std::mem::take(&mut self.sums)).sum();
        (self.sum + others).sqrt()
    }
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(mut gradient) = self.gradients.get::<D>(param.id) else { return };
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
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Largest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.values.push(gradient.abs().max());
        }
    }
}

fn values_of(tensors: Vec<Tensor<1>>) -> impl Iterator<Item = f64> {
    // `f64::max` would drop a NaN, so it becomes an infinity.
    let values = match tensors.is_empty() {
        true => Vec::new(),
        false => Tensor::cat(tensors, 0).into_data().iter::<f64>().collect(),
    };
    values.into_iter().map(|value| if value.is_nan() { f64::INFINITY } else { value })
}

/// Multiplies every gradient.
struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
