//! [`QrLinear`]: a matrix as a rotation and a triangular one.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::product::{Product, flow_by_product};
use super::reflections::{self, Reflections};
use super::substitution::Upper;
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::parameters::{Settings, full};
use crate::univariate::ScaleBound;

/// Configuration of a [`QrLinear`].
#[derive(Config, Debug)]
pub struct QrLinearConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of reflections, even; by default the largest even number up to `d_features`, at
    /// least 2, which reaches every rotation.
    pub n_reflections: Option<usize>,
    /// How the logarithms of the diagonal of the triangular factor are kept in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
}

impl QrLinearConfig {
    /// Builds the layer on a device, as the identity (with [`ScaleBound::Sigmoid`] as its start).
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> QrLinear {
        or_panic(self.validate());
        let d = self.d_features;
        QrLinear {
            rotation: Reflections::new(d, self.n_reflections, device),
            upper: Param::from_data(TensorData::zeros::<f32, _>([d, d]), device),
            shift: Param::from_data(TensorData::zeros::<f32, _>([d]), device),
            bound: self.bound,
            settings: Settings::new([format!("bound = {:?}", self.bound)], device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, `n_reflections` is 0 or odd, or the bound is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        reflections::validate(self.d_features, self.n_reflections)?;
        self.bound.validate()
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

/// Mixes features by a matrix that is learnt, the product of a rotation and a triangular factor.
///
/// ```text
/// z = Q R x + b        x = R⁻¹ Qᵀ (z - b)        log |det ∂z/∂x| = Σ_i s_i
/// ```
///
/// `Q` is a product of reflections as in [`Householder`](super::Householder), `R` upper triangular with
/// `exp(s_i)` on its diagonal: unlike the factors of [`LuLinear`](super::LuLinear), these exist for every
/// matrix whose determinant is above 0, whatever the order of the features. The condition number is
/// that of `R`: the default bound keeps its diagonal between 0.001 and 1000, the entries above are not
/// bounded. Once per call the matrix is computed in `O(d³)`, or its inverse in `O(d³ log d)`; each row costs
/// `O(d²)`. The kernels compute it.
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
/// use normalizing_flows::linear::QrLinearConfig;
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let mut layer = QrLinearConfig::new(2).init(&device, &mut rng);
/// layer.upper = Param::from_data([[0.0, 3.0], [0.0, 0.0]], &device);
/// // Q = I, R = [[1, 3], [0, 1]]
/// let (z, log_det) = layer.inverse(Tensor::from_data([[1.0, 2.0]], &device), None);
/// assert_eq!(z.into_data().try_into_vec::<f32>().unwrap(), [7.0, 2.0]);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Hoogeboom, van den Berg, Welling: *Emerging Convolutions for Generative Normalizing Flows*, 2019,
/// arXiv:1901.11137.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct QrLinear {
    rotation: Reflections,
    /// `R` above the diagonal, on it the raw `s`, `[d_features, d_features]`; below it nothing has an effect.
    pub upper: Param<Tensor<2>>,
    /// `b`, `[d_features]`.
    pub shift: Param<Tensor<1>>,
    #[module(skip)]
    bound: ScaleBound,
    settings: Settings,
}

impl QrLinear {
    /// The vectors of the reflections, `[n_reflections, d_features]`.
    pub fn vectors(&self) -> Tensor<2> {
        self.rotation.vectors.val()
    }

    /// The layer with these vectors, `[n_reflections, d_features]`.
    ///
    /// # Panics
    ///
    /// If they are of another number of features, or one is of zeros or not finite.
    #[track_caller]
    pub fn with_vectors(self, vectors: Param<Tensor<2>>) -> Self {
        Self { rotation: self.rotation.with_vectors(vectors), ..self }
    }

    fn n_features(&self) -> usize {
        self.shift.dims()[0]
    }

    fn product(&self, direction: Direction) -> Product {
        let (rotation, shift) = (self.rotation.matrix(), full(&self.shift));
        let upper = Upper::new(full(&self.upper), self.bound);
        let log_det = upper.log_det();
        match direction {
            Direction::Inverse => {
                let weight = rotation.matmul(upper.matrix()).transpose();
                Product { weight, bias: shift, log_det }
            }
            Direction::Forward => {
                let inverse = rotation.matmul(upper.inverse_transposed());
                Product::back(inverse, shift, log_det.neg())
            }
        }
    }
}

flow_by_product!(QrLinear);

/// As "linear by QR, 5 features, 4 reflections, bound = ...".
impl ModuleDisplay for QrLinear {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let ([n, d_features], settings) = (self.rotation.vectors.dims(), self.settings.text());
        let text = format!("linear by QR, {d_features} features, {n} reflections, {settings}");
        content.add_formatted(&text).optional()
    }
}
