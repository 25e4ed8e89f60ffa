//! [`Householder`]: a rotation by reflections.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::product::{Product, flow_by_product};
use super::reflections::{self, Reflections};
use crate::direction::Direction;
use crate::error::{Error, or_panic};

/// Configuration of a [`Householder`].
#[derive(Config, Debug)]
pub struct HouseholderConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of reflections, even; by default the largest even number up to `d_features`, at
    /// least 2, which reaches every rotation.
    pub n_reflections: Option<usize>,
}

impl HouseholderConfig {
    /// Builds the layer on a device, as the identity.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> Householder {
        or_panic(self.validate());
        Householder { reflections: Reflections::new(self.d_features, self.n_reflections, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, or `n_reflections` is 0 or odd.
    pub fn validate(&self) -> Result<(), Error> {
        reflections::validate(self.d_features, self.n_reflections)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Rotates the features by a matrix that is learnt, the product of Householder reflections.
///
/// ```text
/// z = H_1 H_2 … H_n x        H_k = I - 2 v_k v_kᵀ / v_kᵀ v_k        log |det ∂z/∂x| = 0
/// ```
///
/// The matrix is orthogonal whatever the vectors are, so that its inverse is its transpose and its
/// condition number 1: nothing is amplified in either direction. A vector of zeros, which training does
/// not reach, would make the rows NaN. The matrix is computed once per call, in `O(n² d + n d²)`; each row
/// costs `O(d²)`. The kernels compute it.
///
/// # Shapes
///
/// As for [`Flow`](crate::Flow).
///
/// # Panics
///
/// If the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::Flow;
/// use normalizing_flows::linear::HouseholderConfig;
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let layer = HouseholderConfig::new(2).init(&device, &mut rng);
/// // A quarter turn: the reflection at the diagonal after that at an axis.
/// let vectors = Tensor::from_data([[0.0, 1.0], [1.0, -1.0]], &device);
/// let layer = layer.with_vectors(Param::from_tensor(vectors));
/// let (z, log_det) = layer.inverse(Tensor::from_data([[2.0, 3.0]], &device), None);
/// let z = z.into_data().try_into_vec::<f32>().unwrap();
/// assert!((z[0] - 3.0).abs() < 1e-5 && (z[1] + 2.0).abs() < 1e-5);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Tomczak, Welling: *Improving Variational Auto-Encoders using Householder Flow*, 2016, arXiv:1611.09630.
/// The product in a compact form: Joffrain, Low, Quintana-Ortí, van de Geijn, Van Zee: *Accumulating
/// Householder transformations, revisited*, 2006.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Householder {
    reflections: Reflections,
}

impl Householder {
    /// The vectors, `[n_reflections, d_features]`.
    pub fn vectors(&self) -> Tensor<2> {
        self.reflections.vectors.val()
    }

    /// The layer with these vectors, `[n_reflections, d_features]`.
    ///
    /// # Panics
    ///
    /// If they are of another number of features, or one is of zeros or not finite.
    #[track_caller]
    pub fn with_vectors(self, vectors: Param<Tensor<2>>) -> Self {
        Self { reflections: self.reflections.with_vectors(vectors) }
    }

    fn n_features(&self) -> usize {
        self.reflections.d_features()
    }

    fn product(&self, direction: Direction) -> Product {
        let matrix = self.reflections.matrix();
        let [d, _] = matrix.dims();
        let options = (&matrix.device(), matrix.dtype());
        let (bias, log_det) = (Tensor::zeros([d], options), Tensor::zeros([1], options));
        let weight = match direction {
            Direction::Inverse => matrix.transpose(),
            Direction::Forward => matrix,
        };
        Product { weight, bias, log_det }
    }
}

flow_by_product!(Householder);

/// As "rotation by 4 reflections of 5 features".
impl ModuleDisplay for Householder {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [n, d_features] = self.reflections.vectors.dims();
        let text = format!("rotation by {n} reflections of {d_features} features");
        content.add_formatted(&text).optional()
    }
}
