//! [`Radial`]: moves towards a point or away from it.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bounded::above_minus_one;
use super::layer_parameters::LayerParameters;
use crate::conditioner::NetworkConfig;
use crate::error::{Error, ensure, or_panic};
use crate::flow::{Flow, zero_log_det};
use crate::univariate::softplus;

/// Configuration of a [`Radial`] layer.
#[derive(Config, Debug)]
pub struct RadialConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network of the context, if there is one.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
}

impl RadialConfig {
    /// Builds the layer on a device, its centre drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Radial {
        or_panic(self.validate());
        let d = self.d_features;
        let center = StandardNormal.sample_iter(&mut *rng).take(d);
        let values: Vec<f64> = center.chain([0.0, 0.0]).collect();
        let (d_context, conditioner) = (self.d_context, &self.conditioner);
        let parameters = LayerParameters::new(values, d_context, conditioner, device, rng);
        Radial { parameters, d_features: d }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0 or the configuration of the network is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.d_features > 0, "`d_features` must be at least 1, got 0");
        self.conditioner.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// Moves every point towards a centre or away from it: the radial flow.
///
/// With the centre `c`, the distance `r = |z - c|`, a width `α` above 0 and a strength `β` above `-α`,
///
/// ```text
/// x = z + β (z - c) / (α + r)
/// log |det ∂x/∂z| = (d - 1) log(1 + β / (α + r)) + log(1 + α β / (α + r)²)
/// ```
///
/// The inverse is a formula too: the distance solves a quadratic equation.
///
/// The parameters are the centre and the raw width and strength, `α = softplus(a + c)`, 1 at `a = 0`, and `β / α` by a
/// smooth function of the last, above -0.999 and 0 at 0. They are learnt; a network adds to them a function of the
/// context, if there is one. A new layer is the identity. Each direction costs `O(d_features)`.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or if the layer was built with a context and there is none, or one
/// of another shape.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, residual::RadialConfig, testing::perturb};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let layer = RadialConfig::new(2).init(&Device::default(), &mut rng);
/// let layer = perturb(layer, 1.0, &mut rng);
/// let z = Tensor::<2>::from_data([[0.3, -2.0]], &Device::default());
/// let (x, _) = layer.forward(z.clone(), None);
/// let (back, _) = layer.inverse(x, None);
/// assert!((back - z).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
///
/// # References
///
/// Rezende, Mohamed: *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Radial {
    /// The centre, the raw width and the raw strength, in this order.
    pub parameters: LayerParameters,
    d_features: usize,
}

/// The parameters of some rows, of `d` columns, or 1.
struct Parts {
    center: Tensor<2>,
    width: Tensor<2>,
    /// `β / α`.
    relative: Tensor<2>,
}

impl Radial {
    fn parts(&self, input: &Tensor<2>, context: Option<&Tensor<2>>) -> Parts {
        let d = self.d_features;
        assert_shape!(input, [_, d]);
        let parameters = self.parameters.of("radial", input, context);
        let part = |first: usize, n: usize| parameters.clone().narrow(1, first, n);
        let width = softplus(part(d, 1) + 1_f64.exp_m1().ln());
        Parts { center: part(0, d), width, relative: above_minus_one(part(d + 1, 1)) }
    }

    /// `1 + β / (α + r)`, and the log-determinant, at a distance.
    fn scale(&self, parts: &Parts, distance: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        // `α / (α + r)`, at most 1.
        let nearness = parts.width.clone() / (distance + parts.width.clone());
        let change = parts.relative.clone() * nearness.clone();
        let along = (change.clone() * nearness).log1p();
        let across = change.clone().log1p() * (self.d_features as f64 - 1.0);
        (change + 1.0, (along + across).squeeze_dim(1))
    }
}

/// The length of each row; its gradient at 0 is 0.
fn length(rows: Tensor<2>) -> Tensor<2> {
    let square = rows.square().sum_dim(1);
    let zero = square.clone().equal_elem(0.0);
    square.mask_fill(zero.clone(), 1.0).sqrt().mask_fill(zero, 0.0)
}

impl Flow for Radial {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let parts = self.parts(&z, context);
        if z.dims()[0] == 0 {
            let log_det = zero_log_det(&z);
            return (z, log_det);
        }
        let from_center = z - parts.center.clone();
        let (scale, log_det) = self.scale(&parts, length(from_center.clone()));
        (from_center * scale + parts.center, log_det)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let parts = self.parts(&x, context);
        if x.dims()[0] == 0 {
            let log_det = zero_log_det(&x);
            return (x, log_det);
        }
        // The distance `r` of the latent of one `s` away, both in units of `α`: `r² - k r - s = 0` with
        // `k = s - β / α - 1`; the root in the form in which nothing cancels.
        let from_center = x - parts.center.clone();
        let s = length(from_center.clone()) / parts.width.clone();
        let k = s.clone() - parts.relative.clone() - 1.0;
        let negative = k.clone().lower_elem(0.0);
        let magnitude = k.clone().mask_where(negative.clone(), k.clone().neg());
        let sum = magnitude + (k.clone() * k + s.clone() * 4.0).sqrt();
        let far = sum.clone() * 0.5;
        let near = s * 2.0 / sum;
        let distance = far.mask_where(negative, near) * parts.width.clone();
        let (scale, log_det) = self.scale(&parts, distance);
        (from_center / scale + parts.center, log_det.neg())
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    fn d_context(&self) -> usize {
        self.parameters.d_context()
    }
}

/// As "radial, 2 features".
impl ModuleDisplay for Radial {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("radial, {} features", self.d_features)).optional()
    }
}
