//! [`SvdLinear`]: a matrix as two rotations and its singular values.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::product::{Product, flow_by_product};
use super::reflections::{self, Reflections};
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::parameters::{Settings, full};
use crate::univariate::ScaleBound;

/// Configuration of an [`SvdLinear`].
#[derive(Config, Debug)]
pub struct SvdLinearConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of reflections of each rotation, even; by default the largest even number up to
    /// `d_features`, at least 2, which reaches every rotation.
    pub n_reflections: Option<usize>,
    /// How the logarithms of the singular values are kept in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
}

impl SvdLinearConfig {
    /// Builds the layer on a device, as the identity (with [`ScaleBound::Sigmoid`] as its start).
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> SvdLinear {
        or_panic(self.validate());
        let d = self.d_features;
        let vector = || Param::from_data(TensorData::zeros::<f32, _>([d]), device);
        SvdLinear {
            after: Reflections::new(d, self.n_reflections, device),
            before: Reflections::new(d, self.n_reflections, device),
            log_singular: vector(),
            shift: vector(),
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

/// Mixes features by a matrix that is learnt, in the factors of its singular value decomposition.
///
/// ```text
/// z = P S Q x + b        x = Qᵀ S⁻¹ Pᵀ (z - b)        log |det ∂z/∂x| = Σ_i s_i
/// ```
///
/// `P` and `Q` are products of reflections as in [`Householder`](super::Householder), `S` is diagonal with
/// the singular values `exp(s_i)`. Every matrix whose determinant is above 0 has such factors, and the
/// condition number is bounded: with the default bound the singular values lie between 0.001 and 1000.
/// The inverse is as cheap as the matrix, `O(d³)` once per call and `O(d²)` for each row. The kernels
/// compute it.
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
/// use normalizing_flows::linear::SvdLinearConfig;
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let mut layer = SvdLinearConfig::new(2).init(&device, &mut rng);
/// layer.shift = Param::from_data([1.0, 0.0], &device);
/// let (z, log_det) = layer.inverse(Tensor::from_data([[2.0, 3.0]], &device), None);
/// assert_eq!(z.into_data().try_into_vec::<f32>().unwrap(), [3.0, 3.0]);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Zhang, Lei, Dhillon: *Stabilizing Gradients for Deep Neural Networks via Efficient SVD
/// Parameterization*, 2018, arXiv:1803.09327. In flows: Durkan, Bekasov, Murray, Papamakarios: nflows, 2020.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SvdLinear {
    after: Reflections,
    before: Reflections,
    /// The raw `s`, `[d_features]`.
    pub log_singular: Param<Tensor<1>>,
    /// `b`, `[d_features]`.
    pub shift: Param<Tensor<1>>,
    #[module(skip)]
    bound: ScaleBound,
    settings: Settings,
}

impl SvdLinear {
    /// The vectors of the reflections of `P` and of those of `Q`, each `[n_reflections, d_features]`.
    pub fn vectors(&self) -> [Tensor<2>; 2] {
        [self.after.vectors.val(), self.before.vectors.val()]
    }

    /// The layer with these vectors for `P` and `Q`, each `[n_reflections, d_features]`.
    ///
    /// # Panics
    ///
    /// If they are of another number of features, or one is of zeros or not finite.
    #[track_caller]
    pub fn with_vectors(self, vectors: [Param<Tensor<2>>; 2]) -> Self {
        let [of_after, of_before] = vectors;
        let (after, before) =
            (self.after.with_vectors(of_after), self.before.with_vectors(of_before));
        Self { after, before, ..self }
    }

    fn n_features(&self) -> usize {
        self.shift.dims()[0]
    }

    fn product(&self, direction: Direction) -> Product {
        let (after, before) = (self.after.matrix(), self.before.matrix());
        let (raw, shift) = (full(&self.log_singular), full(&self.shift));
        let log_singular = self.bound.log_scale(raw.unsqueeze::<2>());
        let log_det = log_singular.clone().sum();
        match direction {
            Direction::Inverse => {
                let weight = (after * log_singular.exp()).matmul(before).transpose();
                Product { weight, bias: shift, log_det }
            }
            Direction::Forward => {
                let inverse = (after * log_singular.neg().exp()).matmul(before);
                Product::back(inverse, shift, log_det.neg())
            }
        }
    }
}

flow_by_product!(SvdLinear);

/// As "linear by SVD, 5 features, 4 reflections twice, bound = ...".
impl ModuleDisplay for SvdLinear {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let ([n, d_features], settings) = (self.after.vectors.dims(), self.settings.text());
        let text =
            format!("linear by SVD, {d_features} features, {n} reflections twice, {settings}");
        content.add_formatted(&text).optional()
    }
}
