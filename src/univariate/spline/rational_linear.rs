//! [`RationalLinearSpline`]: a monotone spline of quotients of lines.
//!
//! A bin is cut at a fraction `λ` of its width. With the slopes `a` and `b` at its two ends, divided by its mean slope,
//! let `u = √(a / b)`, `g = 1 - λ + λ u`, `m = a g / u` and `p = λ u / g`. Then with `θ` and `y` from 0 to 1 along the
//! bin
//!
//! ```text
//! θ ≤ λ:  D = λ - θ + m θ             y = m p θ / D                     dy/dθ = λ m p / D²
//! θ ≥ λ:  D = m (1 - θ) + u (θ - λ)   1 - y = m (1 - p) (1 - θ) / D     dy/dθ = (1 - λ) m u (1 - p) / D²
//! ```
//!
//! whose values (`p`) and slopes meet at the cut, and backwards
//!
//! ```text
//! y ≤ p:  θ = λ y / (y + m (p - y))        y ≥ p:  1 - θ = (1 - λ) u (1 - y) / (u (1 - y) + m (y - p))
//! ```
//!
//! No term is negative, so nothing cancels and nothing divides by zero.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, activation};
use rand::Rng;

use super::bin::Bin;
use super::config::RationalQuadraticSplineConfig;
use super::knots::Knots;
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::parameters::Settings;
use crate::univariate::interface::Univariate;

/// How near the ends of a bin its cut may be, as a fraction of the width.
const MARGIN: f64 = 0.025;

/// Configuration of a [`RationalLinearSpline`].
#[derive(Config, Debug, PartialEq)]
pub struct RationalLinearSplineConfig {
    /// The number of bins, from 2 to 1999.
    #[config(default = 8)]
    pub n_bins: usize,
    /// The two ends of the interval, which are the same on both axes, in ascending order; their
    /// distance is from 1e-18 to 1e18.
    #[config(default = "[-5.0, 5.0]")]
    pub interval: [f64; 2],
    /// The least width of a bin as a fraction of the interval, as in
    /// [`RationalQuadraticSplineConfig`](super::RationalQuadraticSplineConfig).
    #[config(default = 1e-3)]
    pub min_bin_width: f64,
    /// The least height of a bin as a fraction of the interval, likewise.
    #[config(default = 1e-3)]
    pub min_bin_height: f64,
    /// The least slope at a knot, from 1e-6 to below 1. The greatest is its reciprocal.
    #[config(default = 1e-3)]
    pub min_slope: f64,
}

impl Default for RationalLinearSplineConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl RationalLinearSplineConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> RationalLinearSpline {
        or_panic(self.validate());
        let Self { n_bins, interval, min_bin_width, min_bin_height, min_slope } = self;
        let texts = [
            "rational linear spline".to_string(),
            format!("n_bins = {n_bins}"),
            format!("interval = {interval:?}"),
            format!("min_bin_width = {min_bin_width:?}"),
            format!("min_bin_height = {min_bin_height:?}"),
            format!("min_slope = {min_slope:?}"),
        ];
        RationalLinearSpline { knots: self.knots(), settings: Settings::new(texts, device) }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        self.knots().validate()
    }

    /// The quadratic spline through the same knots.
    fn knots(&self) -> RationalQuadraticSplineConfig {
        RationalQuadraticSplineConfig::new()
            .with_n_bins(self.n_bins)
            .with_interval(self.interval)
            .with_min_bin_width(self.min_bin_width)
            .with_min_bin_height(self.min_bin_height)
            .with_min_slope(self.min_slope)
    }
}

/// A monotone spline of quotients of lines, two in each bin, differentiable and with an exact inverse that needs no
/// root.
///
/// It runs through the knots of a [`RationalQuadraticSpline`](super::RationalQuadraticSpline) with the same slopes there;
/// in each bin it is cut at a fraction `λ` of the width. Outside of the interval it is the identity, and its slope at the
/// ends is 1. Every finite input and parameter is safe, in value and gradient.
///
/// The parameters of a feature are `n_bins` raw widths, `n_bins` raw heights and `n_bins - 1` raw slopes as there, and
/// `n_bins` raw fractions, `λ = 0.025 + 0.95 σ(a)`. With all parameters at zero the map is the identity, up to
/// roundings. Both directions cost the same, `O(n_bins)` per value.
///
/// # Shapes
///
/// As for [`Univariate`], with `4 n_bins - 1` parameters per feature.
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{RationalLinearSplineConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let spline = RationalLinearSplineConfig::new().with_n_bins(2).init(&device, &mut rng);
/// let z = Tensor::<2>::from_data([[0.3], [7.0]], &device);
/// let parameters = Tensor::<1>::from_data([0.0, 1.0, 0.5, -0.5, 2.0, 0.0, 1.0], &device);
/// let parameters = parameters.reshape([1, 7, 1]).repeat(&[2, 1, 1]);
/// let (x, log_slope) = spline.forward(z.clone(), parameters.clone());
/// let (back, log_slope_back) = spline.inverse(x.clone(), parameters);
/// assert!((back - z).abs().max().into_scalar::<f32>() < 1e-5);
/// assert!((log_slope + log_slope_back).abs().max().into_scalar::<f32>() < 1e-4);
/// // Outside of the interval it is the identity.
/// assert_eq!(x.narrow(0, 1, 1).into_scalar::<f32>(), 7.0);
/// ```
///
/// # References
///
/// Dolatabadi, Erfani, Leckie: *Invertible Generative Modeling using Linear Rational Splines*, 2020, arXiv:2001.05168.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct RationalLinearSpline {
    #[module(skip)]
    knots: RationalQuadraticSplineConfig,
    settings: Settings,
}

impl RationalLinearSpline {
    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        parameters: &Tensor<3>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (center, half, unit) =
            (self.knots.center(), self.knots.half_width(), self.knots.unit());
        let knots = Knots::new(&self.knots, parameters);
        let value = input.clone() - center;
        let inside = value
            .clone()
            .greater_equal_scalar(-half)
            .bool_and(value.clone().lower_equal_scalar(half));
        let outside = inside.bool_not();
        // Selected first: what is outside, NaN too, never enters the formulas.
        let value = value.mask_fill(outside.clone(), 0.0).unsqueeze_dim::<3>(1) * unit.recip();
        let bin = match direction {
            Direction::Forward => knots.bin_of_x(&value),
            Direction::Inverse => knots.bin_of_y(&value),
        };
        let n_bins = self.knots.n_bins;
        let raw = parameters.clone().narrow(1, 3 * n_bins - 1, n_bins).gather(1, bin.index.clone());
        // By way of its logarithm: burn's own sigmoid rounds f64 to f32 on some backends.
        let cut = activation::log_sigmoid(raw).exp() * (1.0 - 2.0 * MARGIN) + MARGIN;
        let (output, slope) = Cut::new(bin, cut).transform(direction, value);
        let output = output.squeeze_dim::<2>(1) * unit + center;
        let log_slope = slope.squeeze_dim::<2>(1).log().mask_fill(outside.clone(), 0.0);
        (output.mask_where(outside, input), log_slope)
    }
}

/// A bin with its cut; the letters of the formulas above.
struct Cut {
    bin: Bin,
    /// `λ` and `1 - λ`.
    cut: [Tensor<3>; 2],
    u: Tensor<3>,
    m: Tensor<3>,
    /// `p` and `1 - p`.
    height: [Tensor<3>; 2],
}

impl Cut {
    fn new(bin: Bin, cut: Tensor<3>) -> Self {
        let mean_slope =
            (bin.top.clone() - bin.bottom.clone()) / (bin.right.clone() - bin.left.clone());
        let [a, b] = bin.slopes.clone();
        let u = (a.clone() / b).sqrt();
        let rest = cut.clone().neg() + 1.0;
        let g = rest.clone() + cut.clone() * u.clone();
        let m = a / mean_slope * g.clone() / u.clone();
        let height = [cut.clone() * u.clone() / g.clone(), rest.clone() / g];
        Self { bin, cut: [cut, rest], u, m, height }
    }

    /// Values and slopes of the direction, of values in the bin.
    fn transform(self, direction: Direction, value: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let Self { bin, cut: [cut, rest], u, m, height: [p, above_p] } = self;
        let (width, rise) =
            (bin.right.clone() - bin.left.clone(), bin.top.clone() - bin.bottom.clone());
        let mean_slope = rise.clone() / width.clone();
        let (from, to, size) = match direction {
            Direction::Forward => (bin.left.clone(), bin.right.clone(), width.clone()),
            Direction::Inverse => (bin.bottom.clone(), bin.top.clone(), rise.clone()),
        };
        // From both ends, so that both keep their digits; in the part where the value is not, the cut itself.
        let (near, far) = ((value.clone() - from) / size.clone(), (to - value) / size);
        let border = if direction == Direction::Forward { cut.clone() } else { p.clone() };
        let border_far =
            if direction == Direction::Forward { rest.clone() } else { above_p.clone() };
        let right = near.clone().greater(border.clone());
        let left = right.clone().bool_not();
        let near = near.mask_where(right.clone(), border.clone());
        let far_part = far.mask_where(left, border_far.clone());
        // `θ` in the left part, and `1 - θ` in the right one.
        let (theta, eta) = match direction {
            Direction::Forward => (near.clone(), far_part.clone()),
            Direction::Inverse => {
                let before_p = p.clone() - near.clone();
                let theta = cut.clone() * near.clone() / (near.clone() + m.clone() * before_p);
                let weighted = u.clone() * far_part.clone();
                let after_p = border_far - far_part.clone();
                let eta = rest.clone() * weighted.clone() / (weighted + m.clone() * after_p);
                (theta, eta)
            }
        };
        let d_left = cut.clone() - theta.clone() + m.clone() * theta.clone();
        let d_right = m.clone() * eta.clone() + u.clone() * (rest.clone() - eta.clone());
        let slope_left = cut * m.clone() * p.clone() / (d_left.clone() * d_left.clone());
        let slope_right =
            rest * m.clone() * u * above_p.clone() / (d_right.clone() * d_right.clone());
        let slope = slope_left.mask_where(right.clone(), slope_right) * mean_slope;
        match direction {
            Direction::Forward => {
                let y = m.clone() * p * theta / d_left;
                let one_minus_y = m * above_p * eta / d_right;
                let value = bin.bottom + rise.clone() * y;
                (value.mask_where(right, bin.top - rise * one_minus_y), slope)
            }
            Direction::Inverse => {
                let value = bin.left + width.clone() * theta;
                (value.mask_where(right, bin.right - width * eta), slope.recip())
            }
        }
    }
}

impl Univariate for RationalLinearSpline {
    fn n_parameters(&self) -> usize {
        4 * self.knots.n_bins - 1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        self.transform(Direction::Forward, z, &parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        self.transform(Direction::Inverse, x, &parameters)
    }
}

/// As "rational linear spline, 8 bins in [-5.0, 5.0]".
impl ModuleDisplay for RationalLinearSpline {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let RationalQuadraticSplineConfig { n_bins, interval, .. } = self.knots;
        let text = format!("rational linear spline, {n_bins} bins in {interval:?}");
        content.add_formatted(&text).optional()
    }
}
