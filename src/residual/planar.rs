//! [`Planar`]: moves along one direction.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bounded::{above_minus_one, log_slope};
use super::layer_parameters::LayerParameters;
use crate::conditioner::NetworkConfig;
use crate::error::{Error, ensure, or_panic};
use crate::flow::{Flow, zero_log_det};
use crate::solver::{implicit_root, of_rows};

/// Configuration of a [`Planar`] layer.
#[derive(Config, Debug)]
pub struct PlanarConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network of the context, if there is one.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
}

impl PlanarConfig {
    /// Builds the layer on a device, its direction `w` drawn from `rng` and `u` and `b` at zero.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Planar {
        or_panic(self.validate());
        let d = self.d_features;
        let scale = (d as f64).sqrt().recip();
        let direction: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(d).collect();
        let values =
            direction.iter().map(|w: &f64| w * scale).chain(std::iter::repeat_n(0.0, d + 1));
        let (d_context, conditioner) = (self.d_context, &self.conditioner);
        let parameters =
            LayerParameters::new(values.collect(), d_context, conditioner, device, rng);
        Planar { parameters, d_features: d }
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

/// Moves every point along a direction, by a function of its projection on another: the planar flow.
///
/// ```text
/// x = z + û tanh(w·z + b)        log |det ∂x/∂z| = log(1 + w·û (1 - tanh²(w·z + b)))
/// ```
///
/// As in the paper `û` is `u` with its part along `w` moved so that `w·û` is above -1 (here by 0.001 at least); then
/// the map is invertible. From data to latent, the projection is the root of a function of one number, which is found
/// numerically, and gradients are those of the implicit function: so the layer can be trained by likelihood too. Where
/// that is what it is for, its [`Inverse`](crate::Inverse) has the cheap direction there.
///
/// The parameters `w`, `u` and `b` are learnt; a network adds to them a function of the context, if there is one. A new layer is
/// the identity. Each direction costs `O(d_features)`.
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
/// use normalizing_flows::{Flow, residual::PlanarConfig, testing::perturb};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let layer = PlanarConfig::new(2).init(&Device::default(), &mut rng);
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
pub struct Planar {
    /// `w`, `u` and `b`, in this order.
    pub parameters: LayerParameters,
    d_features: usize,
}

/// The parameters of some rows, of `d` columns, or 1.
struct Parts {
    w: Tensor<2>,
    /// `û`.
    u: Tensor<2>,
    b: Tensor<2>,
    /// `w·û`.
    product: Tensor<2>,
}

impl Planar {
    fn parts(&self, input: &Tensor<2>, context: Option<&Tensor<2>>) -> Parts {
        let d = self.d_features;
        assert_shape!(input, [_, d]);
        let parameters = self.parameters.of("planar", input, context);
        let part = |first: usize, n: usize| parameters.clone().narrow(1, first, n);
        let (w, u, b) = (part(0, d), part(d, d), part(2 * d, 1));
        let raw = dot(&w, &u);
        let product = above_minus_one(raw.clone());
        // Below this a direction is none, and its layer does nothing that could be seen.
        let size = dot(&w, &w).clamp_min(1e-12);
        let u = u + w.clone() * ((product.clone() - raw.clone()) / size.clone());
        // What `w·û` is, not computed again from what was rounded: it must stay above -1.
        let ratio = dot(&w, &w) / size;
        let product = product * ratio.clone() + raw * (ratio.neg() + 1.0);
        Parts { w, u, b, product }
    }
}

/// The product of each row with the other's, one column.
fn dot(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    (a.clone() * b.clone()).sum_dim(1)
}

impl Flow for Planar {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let Parts { w, u, b, product } = self.parts(&z, context);
        if z.dims()[0] == 0 {
            let log_det = zero_log_det(&z);
            return (z, log_det);
        }
        let tanh = (dot(&z, &w) + b).tanh();
        (z + u * tanh.clone(), log_slope(product, tanh).squeeze_dim(1))
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let Parts { w, u, b, product } = self.parts(&x, context);
        if x.dims()[0] == 0 {
            let log_det = zero_log_det(&x);
            return (x, log_det);
        }
        // With `a = w·z + b`: `a + w·û tanh(a) = w·x + b`.
        let target = dot(&x, &w) + b;
        let function = |a: Tensor<2>, product: Tensor<2>| {
            let tanh = a.clone().tanh();
            (a + product.clone() * tanh.clone(), log_slope(product, tanh))
        };
        let plain = product.clone().without_autodiff();
        let a = implicit_root(
            &target,
            target.is_autodiff(),
            |a, rows| function(a, of_rows(&plain, rows)),
            |a| function(a, product.clone()),
        );
        let tanh = a.tanh();
        (x - u * tanh.clone(), log_slope(product, tanh).neg().squeeze_dim(1))
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    fn d_context(&self) -> usize {
        self.parameters.d_context()
    }
}

/// As "planar, 2 features".
impl ModuleDisplay for Planar {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("planar, {} features", self.d_features)).optional()
    }
}
