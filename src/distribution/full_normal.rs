//! [`FullNormal`]: a normal distribution of any covariance.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::Distribution;
use super::noise::Noise;
use super::normalizing_flow::NormalizingFlow;
use super::standard_normal::StandardNormal;
use crate::error::{Error, ensure, or_panic};
use crate::linear::{TriangularLinear, TriangularLinearConfig, cholesky};
use crate::univariate::ScaleBound;

/// Configuration of a [`FullNormal`].
#[derive(Config, Debug)]
pub struct FullNormalConfig {
    /// The mean of each feature, in the units of the data.
    pub mean: Vec<f64>,
    /// The covariance of every two features, row after row: symmetric and positive definite.
    pub covariance: Vec<Vec<f64>>,
}

impl FullNormalConfig {
    /// A mean of 0, and the identity as covariance.
    pub fn standard(d_features: usize) -> Self {
        let one = |i: usize| (0..d_features).map(|j| f64::from(u8::from(i == j))).collect();
        Self::new(vec![0.0; d_features], (0..d_features).map(one).collect())
    }

    /// Builds the distribution on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> FullNormal {
        or_panic(self.validate());
        let config = TriangularLinearConfig::new(self.mean.len()).with_bound(ScaleBound::Exp);
        let whitening = config.init(device, rng).whitening(&self.mean, &self.covariance);
        let base = StandardNormal::new(self.mean.len(), device);
        FullNormal { model: NormalizingFlow::new(base, or_panic(whitening)) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no features, if the covariance is of another size, not symmetric or has a
    /// value that is not finite; [`Error::Data`] if it is not positive definite.
    pub fn validate(&self) -> Result<(), Error> {
        let (d, mean, covariance) = (self.mean.len(), &self.mean, &self.covariance);
        ensure!(d > 0, "`mean` must have at least 1 feature, got 0");
        ensure!(
            mean.iter().all(|mean| mean.is_finite()),
            "every `mean` must be finite, got {mean:?}"
        );
        ensure!(
            covariance.len() == d && covariance.iter().all(|row| row.len() == d),
            "`covariance` must have {d} rows of {d} values, got rows of {:?}",
            covariance.iter().map(Vec::len).collect::<Vec<_>>()
        );
        for (i, j) in (0..d).flat_map(|i| (0..=i).map(move |j| (i, j))) {
            let (here, there) = (covariance[i][j], covariance[j][i]);
            ensure!(
                here.is_finite() && (here - there).abs() <= 1e-9 * here.abs(),
                "`covariance` must be finite and symmetric, got {here} in row {i}, column {j} and {there} in \
                 row {j}, column {i}"
            );
        }
        cholesky(covariance).map(|_| ())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.mean.len()
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// A normal distribution of any mean and covariance, both learnable: a standard normal under a
/// [`TriangularLinear`], which is the inverse of the Cholesky factor of the covariance.
///
/// ```text
/// log p(x) = -½ |L (x - mean)|² + Σ_i log L_ii - ½ d_features log 2π        covariance = (Lᵀ L)⁻¹
/// ```
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, FullNormalConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let config = FullNormalConfig::new(vec![1.0, 0.0], vec![vec![4.0, 1.0], vec![1.0, 2.0]]);
/// let normal = config.init(&device, &mut rng);
/// let log_prob = normal.log_prob(Tensor::from_floats([[1.0, 0.0]], &device)).into_scalar::<f32>();
/// // At the mean: -log 2π - ½ log det, and the determinant is 7.
/// assert!((log_prob + 1.837877 + 0.5 * 7f32.ln()).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FullNormal {
    model: NormalizingFlow<StandardNormal, TriangularLinear>,
}

impl FullNormal {
    /// The normal distribution of the mean and the covariance of rows, `[n, d_features]`.
    ///
    /// # Errors
    ///
    /// As [`TriangularLinear::with_covariance_of`].
    pub fn with_covariance_of(self, rows: &Tensor<2>) -> Result<Self, Error> {
        let NormalizingFlow { base, flow } = self.model;
        Ok(Self { model: NormalizingFlow::new(base, flow.with_covariance_of(rows)?) })
    }
}

impl Distribution for FullNormal {
    fn d_features(&self) -> usize {
        self.model.d_features()
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        self.model.log_density(x, context)
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        self.model.draw(n, context, noise)
    }

    fn draw_with_log_density<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> (Tensor<2>, Tensor<1>) {
        self.model.draw_with_log_density(n, context, noise)
    }
}

impl ModuleDisplay for FullNormal {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"normal of any covariance".to_owned()).optional()
    }
}
