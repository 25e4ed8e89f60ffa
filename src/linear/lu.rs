//! [`LuLinear`]: a matrix in its triangular factors.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use super::product::{Product, flow_by_product};
use super::substitution::{Upper, identity, inverse_of_unit_lower};
use crate::coupling::Mask;
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::{Settings, full, int_parameter, with_values};
use crate::univariate::ScaleBound;

/// Configuration of a [`LuLinear`].
#[derive(Config, Debug)]
pub struct LuLinearConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// Keeps the features that are in no mixture, such as angles, as they are; by default there are
    /// none.
    pub mask: Option<Mask>,
    /// How the logarithms of the diagonal of the upper factor are kept in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
}

impl LuLinearConfig {
    /// Builds the layer on a device, as the identity (with [`ScaleBound::Sigmoid`] as its start).
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> LuLinear {
        or_panic(self.validate());
        let d = self.mask.as_ref().map_or(self.d_features, Mask::n_transformed);
        LuLinear {
            // The mixed features first.
            places: self
                .mask
                .as_ref()
                .map(|mask| int_parameter(&mask.complement().places(), device)),
            factors: Param::from_data(TensorData::zeros::<f32, _>([d, d]), device),
            shift: Param::from_data(TensorData::zeros::<f32, _>([d]), device),
            bound: self.bound,
            settings: Settings::new([format!("bound = {:?}", self.bound)], device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, the mask is of another number of features, or the bound is
    /// out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let d_features = self.d_features;
        ensure!(d_features > 0, "`d_features` must be at least 1, got 0");
        if let Some(mask) = &self.mask {
            let d_mask = mask.d_features();
            ensure!(
                d_mask == d_features,
                "the mask must be of all features, got one of {d_mask} for `d_features` {d_features}"
            );
        }
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

/// Mixes features by a matrix that is learnt, the product of two triangular factors.
///
/// ```text
/// z = L U x + b        x = U⁻¹ L⁻¹ (z - b)        log |det ∂z/∂x| = Σ_i s_i
/// ```
///
/// `L` is lower triangular with ones on its diagonal, `U` upper triangular with `exp(s_i)` on its
/// diagonal, so that the log-determinant is a sum and no matrix is singular. Coupling layers between
/// such layers meet other mixtures of the features each time, and correlated features, which they
/// could take apart only by many layers, come apart in one.
///
/// From data to latent, which likelihoods need, a row is multiplied by `L U`, and from latent to data by
/// the inverse: `O(d²)` per row. Once per call the matrix is computed, in `O(d³)`, or its inverse, in
/// `O(d³ log d)`. Features that the configuration's mask keeps pass unchanged; one entry that is not
/// finite makes its whole row NaN.
///
/// The default bound keeps the diagonal between 0.001 and 1000. The other entries are not bounded: the
/// errors of the inverse grow with the condition number of the matrix, as those of any solution of
/// linear equations. Weight decay pulls the matrix towards the identity, where it starts.
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
/// use normalizing_flows::linear::LuLinearConfig;
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let mut layer = LuLinearConfig::new(2).init(&device, &mut rng);
/// layer.factors = Param::from_data([[0.0, 3.0], [2.0, 0.0]], &device);
/// // L = [[1, 0], [2, 1]], U = [[1, 3], [0, 1]]
/// let (z, log_det) = layer.inverse(Tensor::from_data([[1.0, 1.0]], &device), None);
/// assert_eq!(z.into_data().try_into_vec::<f32>().unwrap(), [4.0, 9.0]);
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Oliva et al.: *Transformation Autoregressive Networks*, 2018, arXiv:1801.09819. Kingma, Dhariwal:
/// *Glow: Generative Flow with Invertible 1x1 Convolutions*, 2018, arXiv:1807.03039. Between
/// couplings: Durkan, Bekasov, Murray, Papamakarios: *Neural Spline Flows*, 2019, arXiv:1906.04032.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LuLinear {
    /// Both factors in one matrix, `[n_mixed, n_mixed]`, the mixed features in their order: `L` below
    /// the diagonal, `U` above it, on it the raw logarithms of the diagonal of `U`.
    pub factors: Param<Tensor<2>>,
    /// `b`, `[n_mixed]`.
    pub shift: Param<Tensor<1>>,
    /// Where each feature stands in the mixed features followed by those that stay, `[d_features]`;
    /// `None` if all are mixed.
    places: Option<Param<Tensor<1, Int>>>,
    #[module(skip)]
    bound: ScaleBound,
    settings: Settings,
}

impl LuLinear {
    /// The layer with the factors of a matrix, `z = A x + b` with the shift as it is. A start from data is
    /// one use: the inverse of their Cholesky factor makes columns uncorrelated.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the matrix is not of the mixed features, or has no such factors: then a pivot is
    /// 0, less than 0, or not within the bound of the layer. Permute the features first, or
    /// change their signs.
    ///
    /// # Example
    ///
    /// ```
    /// use normalizing_flows::Flow;
    /// use normalizing_flows::linear::LuLinearConfig;
    /// use normalizing_flows::burn::tensor::{Device, Tensor};
    /// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
    /// let layer = LuLinearConfig::new(2).init(&device, &mut rng);
    /// let layer = layer.with_matrix(&[vec![2.0, 4.0], vec![1.0, 5.0]])?;
    /// let (z, log_det) = layer.inverse(Tensor::from_data([[1.0, 1.0]], &device), None);
    /// let z = z.into_data().try_into_vec::<f32>().unwrap();
    /// assert!((z[0] - 6.0).abs() < 1e-5 && (z[1] - 6.0).abs() < 1e-5);
    /// assert!((log_det.into_scalar::<f32>() - 6_f32.ln()).abs() < 1e-5);
    /// # Ok::<(), normalizing_flows::Error>(())
    /// ```
    pub fn with_matrix(self, matrix: &[Vec<f64>]) -> Result<Self, Error> {
        let [d, _] = self.factors.dims();
        let is_square = matrix.len() == d && matrix.iter().all(|row| row.len() == d);
        ensure!(
            is_square,
            "the matrix must be of {d} rows of {d} numbers, one of each mixed feature"
        );
        // Doolittle: row by row, `L` below the diagonal and `U` from it on.
        let mut factors: Vec<Vec<f64>> = matrix.to_vec();
        for row in 0..d {
            for column in 0..d {
                let of_both: f64 = (0..row.min(column))
                    .map(|inner| factors[row][inner] * factors[inner][column])
                    .sum();
                factors[row][column] -= of_both;
                if column < row {
                    factors[row][column] /= factors[column][column];
                }
            }
            let pivot = factors[row][row];
            let is_factor = pivot > 0.0 && self.bound.raw(pivot.ln()).is_some();
            ensure!(
                is_factor,
                "pivot {row} of the matrix must be above 0 and its logarithm within {:?}, got {pivot}: \
                 the matrix is singular, or needs its features in another order or with another sign",
                self.bound
            );
        }
        let raw = |(row, mut factors): (usize, Vec<f64>)| {
            factors[row] = self.bound.raw(factors[row].ln()).unwrap_or_default();
            factors
        };
        let raw = factors.into_iter().enumerate().flat_map(raw).collect();
        Ok(Self { factors: with_values(self.factors, raw), ..self })
    }

    fn product(&self, direction: Direction) -> Product {
        let product = self.of_mixed(direction);
        match &self.places {
            Some(places) => product.embedded(places.val()),
            None => product,
        }
    }

    /// The product for the mixed features alone.
    fn of_mixed(&self, direction: Direction) -> Product {
        let (factors, shift) = (full(&self.factors), full(&self.shift));
        let [d, _] = factors.dims();
        let lower = factors.clone().tril(-1) + identity(d, &factors);
        let upper = Upper::new(factors, self.bound);
        let log_det = upper.log_det();
        match direction {
            Direction::Inverse => {
                let weight = lower.matmul(upper.matrix()).transpose();
                Product { weight, bias: shift, log_det }
            }
            Direction::Forward => {
                let inverse_of_lower = inverse_of_unit_lower(lower).transpose();
                let inverse = inverse_of_lower.matmul(upper.inverse_transposed());
                Product::back(inverse, shift, log_det.neg())
            }
        }
    }

    fn n_features(&self) -> usize {
        self.places.as_ref().map_or(self.shift.dims()[0], |places| places.dims()[0])
    }
}

flow_by_product!(LuLinear);

/// As "linear by LU, 3 of 4 features, bound = ...".
impl ModuleDisplay for LuLinear {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let (d_features, [n_mixed]) = (self.n_features(), self.shift.dims());
        let settings = self.settings.text();
        let text = format!("linear by LU, {n_mixed} of {d_features} features, {settings}");
        content.add_formatted(&text).optional()
    }
}
