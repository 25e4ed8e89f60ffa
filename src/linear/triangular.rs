//! [`TriangularLinear`]: a triangular matrix.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::product::{Product, flow_by_product};
use super::substitution::Upper;
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::{Settings, full, with_values};
use crate::univariate::ScaleBound;

/// Configuration of a [`TriangularLinear`].
#[derive(Config, Debug)]
pub struct TriangularLinearConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// How the logarithms of the diagonal are kept in bounds.
    #[config(default = "ScaleBound::default()")]
    pub bound: ScaleBound,
}

impl TriangularLinearConfig {
    /// Builds the layer on a device, as the identity (with [`ScaleBound::Sigmoid`] as its start).
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> TriangularLinear {
        or_panic(self.validate());
        let d = self.d_features;
        TriangularLinear {
            lower: Param::from_data(TensorData::zeros::<f32, _>([d, d]), device),
            shift: Param::from_data(TensorData::zeros::<f32, _>([d]), device),
            bound: self.bound,
            settings: Settings::new([format!("bound = {:?}", self.bound)], device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, or the bound is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.d_features > 0, "`d_features` must be at least 1, got 0");
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

/// Mixes each feature with those before it by a lower triangular matrix that is learnt.
///
/// ```text
/// z = L x + b        x = L⁻¹ (z - b)        log |det ∂z/∂x| = Σ_i s_i
/// ```
///
/// On the diagonal of `L` is `exp(s_i)`. Over a standard normal base it is a Gaussian of any mean and
/// covariance; [`with_covariance_of`](Self::with_covariance_of) starts it as that of the data. The default
/// bound keeps the diagonal between 0.001 and 1000, and the entries below it are not bounded, so nor is
/// the condition number. Once per call the inverse is computed, in `O(d³ log d)`; each row costs `O(d²)`. The
/// kernels compute it.
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
/// use normalizing_flows::linear::TriangularLinearConfig;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let layer = TriangularLinearConfig::new(2).init(&device, &mut rng);
/// let rows = Tensor::from_data([[1.0, 2.0], [3.0, 8.0], [5.0, 8.0]], &device);
/// let layer = layer.with_covariance_of(&rows)?;
/// let (z, _) = layer.inverse(rows, None);
/// // Of mean 0, and of covariance 1.
/// assert!(z.clone().mean_dim(0).abs().max().into_scalar::<f32>() < 1e-5);
/// let products = z.clone().transpose().matmul(z) / 3.0;
/// let products = products.into_data().try_into_vec::<f32>().unwrap();
/// let one = [1.0, 0.0, 0.0, 1.0];
/// assert!(products.iter().zip(one).all(|(found, expected)| (found - expected).abs() < 1e-5));
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Oliva et al.: *Transformation Autoregressive Networks*, 2018, arXiv:1801.09819.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TriangularLinear {
    /// `L` below the diagonal, on it the raw `s`, `[d_features, d_features]`; above it nothing has an effect.
    pub lower: Param<Tensor<2>>,
    /// `b`, `[d_features]`.
    pub shift: Param<Tensor<1>>,
    #[module(skip)]
    bound: ScaleBound,
    settings: Settings,
}

impl TriangularLinear {
    /// The layer that takes rows, `[n, d_features]`, to a mean of 0 and the identity as covariance: by the inverse
    /// of the Cholesky factor of their covariance, in f64.
    ///
    /// # Errors
    ///
    /// [`Error::Columns`] if they have another number of features; [`Error::Data`] if a value is not
    /// finite, or a feature is constant or determined by those before it; [`Error::Config`] if its scale is
    /// not within the bound of the layer.
    pub fn with_covariance_of(self, rows: &Tensor<2>) -> Result<Self, Error> {
        let ([n, found], d) = (rows.dims(), self.n_features());
        if found != d {
            return Err(Error::Columns { what: "input", expected: d, found });
        }
        let values: Vec<f64> = rows.to_data().iter::<f64>().collect();
        let wrong = values.iter().position(|value| !value.is_finite());
        if let Some(place) = wrong {
            let (row, feature, value) = (place / d, place % d, values[place]);
            ensure!(
                as Data,
                false,
                "the rows must be finite, got {value} in row {row}, feature {feature}"
            );
        }
        ensure!(as Data, n > 0, "a covariance needs rows, got none");
        let mean: Vec<f64> =
            (0..d).map(|i| values.iter().skip(i).step_by(d).sum::<f64>() / n as f64).collect();
        self.whitening(&mean, &covariance(&values, &mean))
    }

    /// The layer that takes this mean to 0, and this covariance, of which the lower half is read, to the identity.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if the covariance is singular; [`Error::Config`] if its scale is not within the bound of
    /// the layer.
    pub(crate) fn whitening(self, mean: &[f64], covariance: &[Vec<f64>]) -> Result<Self, Error> {
        let d = self.n_features();
        let factor = cholesky(covariance)?;
        let (inverse, scales) = inverse_and_raw(&factor, self.bound)?;
        let shift = (0..d).map(|i| -(0..=i).map(|j| inverse[i][j] * mean[j]).sum::<f64>());
        let shift = shift.collect();
        let mut lower = inverse;
        lower.iter_mut().zip(scales).enumerate().for_each(|(i, (row, raw))| row[i] = raw);
        Ok(Self {
            lower: with_values(self.lower, lower.concat()),
            shift: with_values(self.shift, shift),
            ..self
        })
    }

    fn n_features(&self) -> usize {
        self.shift.dims()[0]
    }

    fn product(&self, direction: Direction) -> Product {
        let shift = full(&self.shift);
        let transposed = Upper::new(full(&self.lower).transpose(), self.bound);
        let log_det = transposed.log_det();
        match direction {
            Direction::Inverse => Product { weight: transposed.matrix(), bias: shift, log_det },
            Direction::Forward => {
                let inverse = transposed.inverse_transposed().transpose();
                Product::back(inverse, shift, log_det.neg())
            }
        }
    }
}

/// Of rows one after another.
fn covariance(values: &[f64], mean: &[f64]) -> Vec<Vec<f64>> {
    let d = mean.len();
    let n = (values.len() / d) as f64;
    let mut covariance = vec![vec![0.0; d]; d];
    for row in values.chunks_exact(d) {
        for i in 0..d {
            for j in 0..=i {
                covariance[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]) / n;
            }
        }
    }
    covariance
}

/// The lower triangular `C` of a matrix `C Cᵀ`, of which the lower half is read.
pub(crate) fn cholesky(matrix: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Error> {
    /// Of the variance of a feature, what roundings leave where there is nothing left.
    const LEAST_LEFT: f64 = 1e-12;
    let d = matrix.len();
    let mut factor = vec![vec![0.0; d]; d];
    for i in 0..d {
        for j in 0..=i {
            let of_before: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let left = matrix[i][j] - of_before;
            if i > j {
                factor[i][j] = left / factor[j][j];
                continue;
            }
            let variance = matrix[i][i];
            ensure!(
                as Data,
                variance > 0.0 && left > LEAST_LEFT * variance,
                "the covariance must not be singular: feature {i} has a variance of {variance:e}, of which \
                 {left:e} is left given the features before it; leave it out"
            );
            factor[i][i] = left.sqrt();
        }
    }
    Ok(factor)
}

/// The inverse of a lower triangular matrix, and the raw logarithms of its diagonal.
fn inverse_and_raw(
    factor: &[Vec<f64>],
    bound: ScaleBound,
) -> Result<(Vec<Vec<f64>>, Vec<f64>), Error> {
    let d = factor.len();
    let mut inverse: Vec<Vec<f64>> = Vec::with_capacity(d);
    let mut raw = Vec::with_capacity(d);
    for (i, of_feature) in factor.iter().enumerate() {
        let scale = 1.0 / of_feature[i];
        let of_before = |j: usize| (j..i).map(|k| of_feature[k] * inverse[k][j]).sum::<f64>();
        let mut row: Vec<f64> = (0..i).map(|j| -scale * of_before(j)).collect();
        row.push(scale);
        row.resize(d, 0.0);
        inverse.push(row);
        match bound.raw(scale.ln()) {
            Some(value) => raw.push(value),
            None => ensure!(
                false,
                "the logarithm of the scale of feature {i} must be within {bound:?}, got {}: standardise \
                 the features first",
                scale.ln()
            ),
        }
    }
    Ok((inverse, raw))
}

flow_by_product!(TriangularLinear);

/// As "triangular, 5 features, bound = ...".
impl ModuleDisplay for TriangularLinear {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let (d_features, settings) = (self.n_features(), self.settings.text());
        let text = format!("triangular, {d_features} features, {settings}");
        content.add_formatted(&text).optional()
    }
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    fn started(rows: &[[f32; 3]]) -> Result<TriangularLinear, Error> {
        let device = Device::default();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let layer = TriangularLinearConfig::new(3).init(&device, &mut rng);
        let data = TensorData::new(rows.concat(), [rows.len(), 3]);
        layer.with_covariance_of(&Tensor::from_data(data, &device))
    }

    #[test]
    fn data_come_out_uncorrelated_and_the_log_determinant_is_that_of_their_covariance() {
        let rows =
            [[1.0, 2.0, 0.0], [2.0, 1.0, 5.0], [0.0, 4.0, 1.0], [5.0, 5.0, 2.0], [3.0, 0.5, 7.0]];
        let layer = started(&rows).unwrap();
        let data = TensorData::new(rows.concat(), [5, 3]);
        let x = Tensor::<2>::from_data(data, &Device::default());
        let (z, log_det) = layer.inverse(x.clone(), None);
        let covariance = |rows: &Tensor<2>| {
            let centred = rows.clone() - rows.clone().mean_dim(0);
            (centred.clone().transpose().matmul(centred) / 5.0).into_data()
        };
        let found: Vec<f32> = covariance(&z).try_into_vec().unwrap();
        let one = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        // Sums of a few numbers below 10.
        assert!(found.iter().zip(one).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-5), "{found:?}");
        let c: Vec<f32> = covariance(&x).try_into_vec().unwrap();
        let determinant = c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6])
            + c[2] * (c[3] * c[7] - c[4] * c[6]);
        let found = log_det.narrow(0, 0, 1).into_scalar::<f32>();
        assert!((found + 0.5 * determinant.ln()).abs() < 1e-4, "{found}");
    }

    #[test]
    fn what_has_no_such_start_is_refused_by_name() {
        let sentence = |rows: &[[f32; 3]]| started(rows).unwrap_err().to_string();
        let constant = sentence(&[[1.0, 2.0, 3.0], [2.0, 2.0, 1.0], [0.0, 2.0, 1.0]]);
        assert!(constant.contains("feature 1 has a variance of 0e0"), "{constant}");
        let sum = [[1.0, 2.0, 3.0], [2.0, 0.0, 2.0], [0.0, 5.0, 5.0], [1.0, 1.0, 2.0]];
        assert!(sentence(&sum).contains("feature 2 has a variance of"), "{}", sentence(&sum));
        let nan = started(&[[1.0, 2.0, 3.0], [2.0, f32::NAN, 1.0]]).unwrap_err();
        assert!(matches!(&nan, Error::Data(text) if text.contains("NaN in row 1, feature 1")));
        let large = [[1e6, 2.0, 3.0], [-2e6, 0.0, 2.0], [3e5, 5.0, 5.0], [1.0, 1.0, 0.0]];
        assert!(sentence(&large).contains("scale of feature 0"), "{}", sentence(&large));
    }
}
