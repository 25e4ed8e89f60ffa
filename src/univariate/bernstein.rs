//! [`BernsteinPolynomial`]: a polynomial by increasing coefficients.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, activation};
use rand::Rng;

use super::interface::Univariate;
use super::numerical::forward_by_root;
use super::softplus::softplus;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// What a [`BernsteinPolynomial`] does beyond its interval.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BernsteinTails {
    /// The identity: the polynomial maps its interval to itself, and its slope at both ends is 1, to second
    /// order.
    Identity,
    /// Straight on with the slopes of the ends, which are learnt, as are the values there.
    Linear,
}

/// Configuration of a [`BernsteinPolynomial`].
#[derive(Config, Debug, PartialEq)]
pub struct BernsteinPolynomialConfig {
    /// The degree of the polynomial, from 6 to 128.
    #[config(default = 21)]
    pub degree: usize,
    /// The interval is as far as this from 0 on the side of the data; above 0.
    #[config(default = 5.0)]
    pub bound: f64,
    /// What is beyond the interval.
    #[config(default = "BernsteinTails::Linear")]
    pub tails: BernsteinTails,
    /// The least difference of coefficients, as a fraction of that of the identity; at least 0 and below 1.
    #[config(default = 1e-3)]
    pub min_difference: f64,
}

impl Default for BernsteinPolynomialConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl BernsteinPolynomialConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> BernsteinPolynomial {
        or_panic(self.validate());
        let Self { degree, bound, tails, min_difference } = self;
        let texts = [
            "Bernstein polynomial".to_string(),
            format!("degree = {degree}"),
            format!("bound = {bound:?}"),
            format!("tails = {tails:?}"),
            format!("min_difference = {min_difference:?}"),
        ];
        BernsteinPolynomial { config: self.clone(), settings: Settings::new(texts, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(
            (6..=128).contains(&self.degree),
            "`degree` must be at least 6 and at most 128, got {}",
            self.degree
        );
        ensure!(
            self.bound > 0.0 && self.bound.is_finite(),
            "`bound` must be above 0 and finite, got {}",
            self.bound
        );
        ensure!(
            (0.0..1.0).contains(&self.min_difference),
            "`min_difference` must be at least 0 and below 1, got {}",
            self.min_difference
        );
        Ok(())
    }

    /// The difference of neighbouring coefficients of the identity.
    fn step(&self) -> f64 {
        2.0 * self.bound / self.degree as f64
    }
}

/// A polynomial in the form of Bernstein with increasing coefficients, from data to latent: the map of Bernstein
/// polynomial flows.
///
/// On the interval from `-bound` to `bound`, with `t` from 0 to 1 along it, degree `M` and coefficients `θ`,
///
/// ```text
/// z = Σ_i θ_i b_i(t)        b_i(t) = (M over i) tⁱ (1 - t)^(M - i)
/// ```
///
/// It is increasing since the coefficients are. The basis is computed by logarithms, and in f32 adds up to 1 within 1e-6 at
/// degree 21 and 1e-5 at 128. With
/// [`BernsteinTails::Identity`] it is zuko's bounded polynomial: the first two differences and the last two are those of the
/// identity, and a softmax of `M - 4` parameters makes the others. With [`BernsteinTails::Linear`] the parameters are the
/// first coefficient's distance from `-bound` and the `M` differences, by a softplus, relative to those of the
/// identity.
///
/// From latent to data the map is inverted [numerically](super::forward_by_root). With all parameters at zero it is
/// the identity, up to roundings.
///
/// # Shapes
///
/// As for [`Univariate`], with `degree - 4` parameters per feature, or `degree + 1` with linear tails.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{BernsteinPolynomialConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let map = BernsteinPolynomialConfig::new().init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.3], [-40.0]], &device);
/// let parameters = Tensor::<1>::from_data([0.5, -1.0], &device).reshape([1, 2, 1]);
/// let parameters = parameters.repeat(&[2, 11, 1]);
/// assert_eq!(parameters.dims(), [2, map.n_parameters(), 1]);
/// let (z, log_slope) = map.inverse(x.clone(), parameters.clone());
/// let (back, log_slope_back) = map.forward(z, parameters);
/// assert!(((back - x.clone()) / x).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # References
///
/// Sick, Hothorn, Dürr: *Deep Transformation Models: Tackling Complex Regression Problems with Neural Network Based
/// Transformation Models*, 2020, arXiv:2004.00464. Ramasinghe, Fernando, Khan, Barnes: *Robust Normalizing Flows Using
/// Bernstein-Type Polynomials*, 2021, arXiv:2102.03509.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BernsteinPolynomial {
    #[module(skip)]
    config: BernsteinPolynomialConfig,
    settings: Settings,
}

impl BernsteinPolynomial {
    /// The configuration that it was built from.
    pub fn config(&self) -> &BernsteinPolynomialConfig {
        &self.config
    }

    /// The first coefficient, `[batch, 1, d]`, and the differences to the next ones, `[batch, degree, d]`.
    fn coefficients(&self, parameters: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let BernsteinPolynomialConfig { degree, bound, tails, min_difference } = self.config;
        let step = self.config.step();
        match tails {
            BernsteinTails::Identity => {
                let [batch, n, d] = parameters.dims();
                let options = (&parameters.device(), parameters.dtype());
                let floor = step * min_difference;
                let distributed = n as f64 * (step - floor);
                let inner = activation::softmax(parameters, 1) * distributed + floor;
                let end = || Tensor::full([batch, 2, d], step, options);
                let first = Tensor::full([batch, 1, d], -bound, options);
                (first, Tensor::cat(vec![end(), inner, end()], 1))
            }
            BernsteinTails::Linear => {
                let first = parameters.clone().narrow(1, 0, 1) - bound;
                // At 0 the difference is that of the identity.
                let offset = (1.0 - min_difference).exp_m1().ln();
                let raw = parameters.narrow(1, 1, degree) + offset;
                (first, (softplus(raw) + min_difference) * step)
            }
        }
    }
}

impl Univariate for BernsteinPolynomial {
    fn n_parameters(&self) -> usize {
        match self.config.tails {
            BernsteinTails::Identity => self.config.degree - 4,
            BernsteinTails::Linear => self.config.degree + 1,
        }
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    /// By the basis of one degree less, of which value and slope are sums: `f = (1 - t) Σ θ_i b_i + t Σ θ_i+1 b_i`
    /// and `df/dt = M Σ (θ_i+1 - θ_i) b_i`.
    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let BernsteinPolynomialConfig { degree, bound, .. } = self.config;
        let (first, differences) = self.coefficients(parameters);
        let below = x.clone().lower_equal_elem(-bound);
        let above = x.clone().greater_equal_elem(bound);
        let outside = below.clone().bool_or(above.clone());
        // Selected first: of the ends and what is beyond the logarithms are not finite.
        let inside = x.clone().mask_fill(outside.clone(), 0.0);
        let scale = 0.5 / bound;
        let from_low = (inside.clone() + bound) * scale;
        let from_high = (inside.neg() + bound) * scale;

        let options = (&x.device(), x.dtype());
        let column = |value: &dyn Fn(usize) -> f64| {
            let values: Vec<f64> = (0..degree).map(value).collect();
            Tensor::<1>::from_data(values.as_slice(), options).reshape([1, degree, 1])
        };
        let binomials = log_binomials(degree - 1);
        let log_basis = from_low.clone().log().unsqueeze_dim::<3>(1) * column(&|i| i as f64)
            + from_high.clone().log().unsqueeze_dim::<3>(1) * column(&|i| (degree - 1 - i) as f64)
            + column(&|i| binomials[i]);
        let basis = log_basis.exp();

        // The coefficients before and after each difference.
        let after = differences.clone().cumsum(1) + first.clone();
        let before = after.clone() - differences.clone();
        let sum = |terms: Tensor<3>| (terms * basis.clone()).sum_dim(1).squeeze_dim::<2>(1);
        let value = from_high * sum(before) + from_low * sum(after.clone());
        let slope = sum(differences.clone()) * (degree as f64 * scale);

        let end_slope = |index: usize| {
            differences.clone().narrow(1, index, 1).squeeze_dim::<2>(1) * (degree as f64 * scale)
        };
        let last = after.narrow(1, degree - 1, 1).squeeze_dim::<2>(1);
        let tails = [
            (below, first.squeeze_dim::<2>(1), end_slope(0), -bound),
            (above, last, end_slope(degree - 1), bound),
        ];
        let mut found = (value, slope);
        for (there, end, end_slope, at) in tails {
            // Where it is not, a place where nothing overflows.
            let distance = (x.clone() - at).mask_fill(there.clone().bool_not(), 0.0);
            let value = end + distance * end_slope.clone();
            found =
                (found.0.mask_where(there.clone(), value), found.1.mask_where(there, end_slope));
        }
        (found.0, found.1.log())
    }
}

/// The logarithms of the binomial coefficients of `n`.
fn log_binomials(n: usize) -> Vec<f64> {
    let mut logarithms = vec![0.0];
    for i in 1..=n {
        let factor = ((n + 1 - i) as f64 / i as f64).ln();
        logarithms.push(logarithms[i - 1] + factor);
    }
    logarithms
}

/// As "Bernstein polynomial of degree 21 in ±5, Identity tails".
impl ModuleDisplay for BernsteinPolynomial {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let BernsteinPolynomialConfig { degree, bound, tails, .. } = self.config;
        let text = format!("Bernstein polynomial of degree {degree} in ±{bound}, {tails:?} tails");
        content.add_formatted(&text).optional()
    }
}
