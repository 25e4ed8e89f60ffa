//! [`SumOfSquares`]: the integral of a sum of squared polynomials.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Univariate, parameter};
use super::numerical::forward_by_root;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;
use crate::solver::gauss_legendre;

/// Configuration of a [`SumOfSquares`] map.
#[derive(Config, Debug, PartialEq)]
pub struct SumOfSquaresConfig {
    /// The number of polynomials `K`, from 1 to 64.
    #[config(default = 3)]
    pub n_polynomials: usize,
    /// The degree `L` of each, from 1 to 32.
    #[config(default = 4)]
    pub degree: usize,
    /// Up to this distance from 0 on the side of the data the map is a polynomial, and beyond it straight; above 0.
    #[config(default = 10.0)]
    pub bound: f64,
    /// The least slope, from data to latent; above 0 and below 1.
    #[config(default = 1e-3)]
    pub min_slope: f64,
}

impl Default for SumOfSquaresConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl SumOfSquaresConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> SumOfSquares {
        or_panic(self.validate());
        let Self { n_polynomials, degree, bound, min_slope } = self;
        let texts = [
            "sum of squares".to_string(),
            format!("n_polynomials = {n_polynomials}"),
            format!("degree = {degree}"),
            format!("bound = {bound:?}"),
            format!("min_slope = {min_slope:?}"),
        ];
        SumOfSquares { config: self.clone(), settings: Settings::new(texts, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { n_polynomials, degree, bound, min_slope } = *self;
        ensure!(
            (1..=64).contains(&n_polynomials),
            "`n_polynomials` must be at least 1 and at most 64, got {n_polynomials}"
        );
        ensure!(
            (1..=32).contains(&degree),
            "`degree` must be at least 1 and at most 32, got {degree}"
        );
        ensure!(
            bound > 0.0 && bound.is_finite(),
            "`bound` must be above 0 and finite, got {bound}"
        );
        ensure!(
            min_slope > 0.0 && min_slope < 1.0,
            "`min_slope` must be above 0 and below 1, got {min_slope}"
        );
        Ok(())
    }

    /// What is added to the slopes of the polynomials: without, all would have the same gradients, and stay
    /// the same.
    pub fn start(&self) -> Vec<f64> {
        let n = self.n_polynomials as f64;
        (0..self.n_polynomials).map(|k| (2.0 * k as f64 + 1.0 - n) / n).collect()
    }
}

/// The integral of a sum of squared polynomials, from data to latent: the map of sum-of-squares polynomial flows.
///
/// With `K` polynomials of degree `L` in `u = x / bound`, coefficients `a` and a constant `c`,
///
/// ```text
/// z = c + ∫₀ˣ g(t) dt        g(x) = (1/K) Σ_k (1 + Σ_j a_kj uʲ)² + min_slope
/// ```
///
/// as in zuko. A quadrature of `L + 1` nodes is exact for it. Beyond `±bound` the map goes on straight, so that it
/// takes every number; zuko leaves that to a layer before. Of this form is, with two
/// polynomials, any polynomial of degree up to `2 L + 1` whose slope is above `min_slope`.
///
/// From latent to data the map is inverted [numerically](super::forward_by_root).
///
/// The parameters of a feature are the `K (L + 1)` coefficients, polynomial by polynomial, and the constant. To the
/// slopes `a_k1` are added the numbers of [`start`](SumOfSquaresConfig::start), evenly between -1 and 1, so that the polynomials
/// differ; with all parameters at zero the map is nearly the identity (of slope 1.001 at 0, and at 1 by 0.3 % more).
///
/// # Shapes
///
/// As for [`Univariate`], with `K (L + 1) + 1` parameters per feature.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{SumOfSquaresConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let map = SumOfSquaresConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.3], [-40.0]], &device);
/// let parameters = Tensor::<3>::ones([2, map.n_parameters(), 1], &device);
/// let (z, log_slope) = map.inverse(x.clone(), parameters.clone());
/// let (back, log_slope_back) = map.forward(z, parameters);
/// assert!(((back - x.clone()) / x).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Jaini, Selby, Yu: *Sum-of-Squares Polynomial Flow*, 2019, arXiv:1905.02325.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SumOfSquares {
    #[module(skip)]
    config: SumOfSquaresConfig,
    settings: Settings,
}

impl SumOfSquares {
    /// The configuration that it was built from.
    pub fn config(&self) -> &SumOfSquaresConfig {
        &self.config
    }

    fn n_coefficients(&self) -> usize {
        self.config.n_polynomials * (self.config.degree + 1)
    }

    /// The coefficients, `[batch, K, L + 1, d]`.
    fn coefficients(&self, parameters: &Tensor<3>) -> Tensor<4> {
        let [batch, _, d] = parameters.dims();
        let (k, n) = (self.config.n_polynomials, self.config.degree + 1);
        let raw = parameters.clone().narrow(1, 0, self.n_coefficients()).reshape([batch, k, n, d]);
        let start: Vec<f64> = self
            .config
            .start()
            .into_iter()
            .flat_map(|slope| (0..n).map(move |j| if j == 1 { slope } else { 0.0 }))
            .collect();
        let options = (&raw.device(), raw.dtype());
        raw + Tensor::<1>::from_data(start.as_slice(), options).reshape([1, k, n, 1])
    }

    /// The integrand at `[batch, m, d]` points in units of the bound.
    fn integrand(&self, coefficients: &Tensor<4>, u: Tensor<3>) -> Tensor<3> {
        let u = u.unsqueeze_dim::<4>(1);
        let n = self.config.degree + 1;
        let coefficient = |j: usize| coefficients.clone().narrow(2, j, 1);
        let polynomial =
            (0..n - 1).rev().fold(coefficient(n - 1), |sum, j| sum * u.clone() + coefficient(j));
        // Of degree 0 there would be nothing of `u` yet; there is none.
        (polynomial + 1.0).square().mean_dim(1).squeeze_dim::<3>(1) + self.config.min_slope
    }
}

impl Univariate for SumOfSquares {
    fn n_parameters(&self) -> usize {
        self.n_coefficients() + 1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let bound = self.config.bound;
        let coefficients = self.coefficients(&parameters);
        let inside = x.clone().clamp(-bound, bound);
        let u = (inside.clone() * bound.recip()).unsqueeze_dim::<3>(1);
        // At the nodes, and last at `u` itself.
        let nodes = gauss_legendre(self.config.degree + 1);
        let options = (&x.device(), x.dtype());
        let column = |values: Vec<f64>| {
            let n = values.len();
            Tensor::<1>::from_data(values.as_slice(), options).reshape([1, n, 1])
        };
        let at = column(nodes.iter().map(|[at, _]| *at).chain([1.0]).collect());
        let values = self.integrand(&coefficients, u * at);
        let slope = values.clone().narrow(1, nodes.len(), 1).squeeze_dim::<2>(1);
        let weights = column(nodes.iter().map(|[_, weight]| *weight).collect());
        let mean = (values.narrow(1, 0, nodes.len()) * weights).sum_dim(1).squeeze_dim::<2>(1);
        let straight = (x - inside.clone()) * slope.clone();
        let constant = parameter(&parameters, self.n_coefficients());
        (inside * mean + straight + constant, slope.log())
    }
}

/// As "sum of squares, 3 polynomials of degree 4 in ±10".
impl ModuleDisplay for SumOfSquares {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let SumOfSquaresConfig { n_polynomials, degree, bound, .. } = self.config;
        let text =
            format!("sum of squares, {n_polynomials} polynomials of degree {degree} in ±{bound}");
        content.add_formatted(&text).optional()
    }
}
