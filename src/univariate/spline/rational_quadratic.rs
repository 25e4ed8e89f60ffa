//! [`RationalQuadraticSpline`]: the monotone spline of neural spline flows.

use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use super::boundary::BoundarySlopes;
use super::config::RationalQuadraticSplineConfig;
use super::knots::Knots;
use crate::direction::Direction;
use crate::kernel::KernelMap;
use crate::parameters::Settings;
use crate::univariate::interface::Univariate;

/// A monotone spline of rational quadratic pieces, differentiable and with an exact inverse: the
/// map of neural spline flows.
///
/// Inside of an interval `[low, high]²` the curve runs through `n_bins + 1` knots `(x_k, y_k)` with
/// slopes `d_k`; between two of them it is a quotient of quadratic polynomials. With
/// `s = (y_k+1 - y_k) / (x_k+1 - x_k)` and `θ = (x - x_k) / (x_k+1 - x_k)`,
///
/// ```text
///                              s θ² + d_k θ(1 - θ)                     s² (d_k+1 θ² + 2s θ(1 - θ) + d_k (1 - θ)²)
/// f(x) = y_k + (y_k+1 - y_k) ─────────────────────────────    f'(x) = ────────────────────────────────────────────
///                            s + (d_k+1 + d_k - 2s) θ(1 - θ)            (s + (d_k+1 + d_k - 2s) θ(1 - θ))²
/// ```
///
/// Outside it goes on as its [`BoundarySlopes`] say, by default as the identity. The inverse solves
/// a quadratic equation. Every finite input and parameter is safe, in value and gradient: the
/// formulas are arranged so that nothing divides by zero, the slopes at the knots lie within
/// `min_slope` and `1 / min_slope`, and values outside of the interval never enter them. (Only on a
/// straight tail, with [`BoundarySlopes::Free`], may a value or its gradient overflow, near the
/// largest number, as in any affine map.)
///
/// The parameters of a feature are `n_bins` raw widths and `n_bins` raw heights, of which a softmax
/// makes normalised ones over a floor, and the raw slopes at the knots,
/// `d = min_slope + softplus(a + c)` with `c` such that `a = 0` gives 1: `n_bins - 1` of them,
/// `n_bins + 1` with free and `n_bins` with periodic ends. With all parameters at zero the map is
/// the identity, up to roundings. Both directions cost the same, `O(n_bins)` per value.
///
/// # Shapes
///
/// As for [`Univariate`].
///
/// # Example
///
/// ```
/// use normalizing_flows::univariate::{RationalQuadraticSplineConfig, Univariate};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let spline = RationalQuadraticSplineConfig::new().with_n_bins(4).init(&device, &mut rng);
/// let z = Tensor::<2>::from_data([[0.3], [7.0]], &device);
/// // A narrow, high bin beside the middle: the map is steep there.
/// let parameters = [0.0, -2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0];
/// let parameters = Tensor::<1>::from_data(parameters, &device).reshape([1, 11, 1]).repeat(&[2, 1, 1]);
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
/// Durkan, Bekasov, Murray, Papamakarios: *Neural Spline Flows*, 2019, arXiv:1906.04032. On the
/// circle: Rezende, Papamakarios, Racanière, Albergo, Kanwar, Shanahan, Cranmer: *Normalizing Flows
/// on Tori and Spheres*, 2020, arXiv:2002.02428.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct RationalQuadraticSpline {
    #[module(skip)]
    config: RationalQuadraticSplineConfig,
    settings: Settings,
}

impl RationalQuadraticSpline {
    pub(super) fn new(config: RationalQuadraticSplineConfig, device: &Device) -> Self {
        let settings = config.settings(device);
        Self { config, settings }
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &RationalQuadraticSplineConfig {
        &self.config
    }

    /// The interval and what is beyond it, in one direction.
    fn transform(
        &self,
        input: Tensor<2>,
        parameters: &Tensor<3>,
        direction: Direction,
    ) -> (Tensor<2>, Tensor<2>) {
        let (center, half) = (self.config.center(), self.config.half_width());
        let knots = Knots::new(&self.config, parameters);
        let value = input.clone() - center;
        if self.config.boundary_slopes == BoundarySlopes::Periodic {
            let wrapped = self.wrapped(&value);
            let periods = (value - wrapped.clone()).detach();
            let (output, slope) = self.within(direction, &knots, wrapped);
            return (output + periods + center, slope.log());
        }
        let inside_interval = value
            .clone()
            .greater_equal_scalar(-half)
            .bool_and(value.clone().lower_equal_scalar(half));
        let outside = inside_interval.bool_not();
        // Selected first: what is outside, NaN too, never enters the formulas.
        let inside = value.clone().mask_fill(outside.clone(), 0.0);
        let (output, slope) = self.within(direction, &knots, inside);
        let (tail, tail_slope) = match self.config.boundary_slopes {
            BoundarySlopes::Free => {
                let above = value.clone().greater_scalar(0.0);
                let [first, last] = knots.end_slopes();
                let slope = slope_of(direction, first.mask_where(above.clone(), last));
                let end = value.zeros_like().mask_fill(above.clone(), half);
                let end = end.mask_fill(above.bool_not(), -half);
                let tail = end.clone() + slope.clone() * (value - end) + center;
                (tail, slope)
            }
            _ => (input.clone(), input.ones_like()),
        };
        let output = (output + center).mask_where(outside.clone(), tail);
        (output, slope.mask_where(outside, tail_slope).log())
    }

    /// The map and its slope, of values within the interval, around its middle.
    fn within(
        &self,
        direction: Direction,
        knots: &Knots,
        value: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let unit = self.config.unit();
        let value = (value * unit.recip()).unsqueeze_dim::<3>(1);
        let (output, slope) = match direction {
            Direction::Forward => knots.bin_of_x(&value).forward(value),
            Direction::Inverse => knots.bin_of_y(&value).inverse(value),
        };
        (output.squeeze_dim::<2>(1) * unit, slope.squeeze_dim(1))
    }

    /// Values around the middle of the interval, wrapped by whole periods into the interval.
    fn wrapped(&self, value: &Tensor<2>) -> Tensor<2> {
        let half = self.config.half_width();
        let period = 2.0 * half;
        let plain = value.clone().detach();
        let periods = (plain.clone() * period.recip() + 0.5).floor();
        let wrapped = plain.clone() - periods * period;
        // Roundings; and numbers so large that no place on the circle can be told.
        let (low, high) =
            (wrapped.clone().lower_scalar(-half), wrapped.clone().greater_scalar(half));
        let wrapped = wrapped.mask_fill(low, -half).mask_fill(high, half);
        // The gradient is that of the value, cut or not.
        wrapped.detach() + (value.clone() - plain)
    }
}

/// The slope of the map that is applied, from that of its forward direction.
fn slope_of(direction: Direction, forward: Tensor<2>) -> Tensor<2> {
    match direction {
        Direction::Forward => forward,
        Direction::Inverse => forward.recip(),
    }
}

impl Univariate for RationalQuadraticSpline {
    fn n_parameters(&self) -> usize {
        self.config.n_parameters()
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        self.transform(z, &parameters, Direction::Forward)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        self.transform(x, &parameters, Direction::Inverse)
    }

    fn kernel(&self) -> Option<KernelMap> {
        Some(KernelMap::RationalQuadraticSpline(self.config.clone()))
    }
}

/// As "rational quadratic spline, 8 bins in [-5.0, 5.0], One ends".
impl ModuleDisplay for RationalQuadraticSpline {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let RationalQuadraticSplineConfig { n_bins, interval, boundary_slopes, .. } = self.config;
        let text = format!(
            "rational quadratic spline, {n_bins} bins in {interval:?}, {boundary_slopes:?} ends"
        );
        content.add_formatted(&text).optional()
    }
}
