//! [`RationalQuadraticSplineConfig`]: the sizes of a spline, and what follows from them.

use burn::config::Config;
use burn::tensor::Device;
use rand::Rng;

use super::boundary::BoundarySlopes;
use super::rational_quadratic::RationalQuadraticSpline;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::Settings;

/// The smallest floor: it keeps every quotient of sizes and slopes far from the ends of `f32`.
const MIN_FLOOR: f64 = 1e-6;
/// The smallest floor under the sizes of bins, for each bin. Knots are sums of fractions, each
/// addition rounds by up to 6e-8 in `f32`, and no knot may pass the next one.
const MIN_FLOOR_PER_BIN: f64 = 2.5e-7;
/// The maximum number of bins: beyond, their floors would fill the interval.
const MAX_BINS: usize = 1999;
/// The sizes of an interval: gradients divide by them, and by slopes down to 1e-18 in the flattest
/// bin.
const WIDTHS: std::ops::RangeInclusive<f64> = 1e-18..=1e18;

/// Configuration of a [`RationalQuadraticSpline`].
#[derive(Config, Debug, PartialEq)]
pub struct RationalQuadraticSplineConfig {
    /// The number of bins, from 2 to 1999.
    #[config(default = 8)]
    pub n_bins: usize,
    /// The two ends of the interval, which are the same on both axes, in ascending order; their
    /// distance is from 1e-18 to 1e18.
    #[config(default = "[-5.0, 5.0]")]
    pub interval: [f64; 2],
    /// The slopes at the ends of the interval.
    #[config(default = "BoundarySlopes::One")]
    pub boundary_slopes: BoundarySlopes,
    /// The least width of a bin as a fraction of the interval: below `1 / n_bins`, and at least
    /// 1e-6 and 2.5e-7 times `n_bins`.
    #[config(default = 1e-3)]
    pub min_bin_width: f64,
    /// The least height of a bin as a fraction of the interval: below `1 / n_bins`, and at least
    /// 1e-6 and 2.5e-7 times `n_bins`.
    #[config(default = 1e-3)]
    pub min_bin_height: f64,
    /// The least slope at a knot, from 1e-6 to below 1. The greatest is its reciprocal, so that
    /// both directions have the same bounds.
    #[config(default = 1e-3)]
    pub min_slope: f64,
}

impl Default for RationalQuadraticSplineConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl RationalQuadraticSplineConfig {
    /// Builds the map, which holds no weights.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> RationalQuadraticSpline {
        or_panic(self.validate());
        RationalQuadraticSpline::new(self.clone(), device)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let Self {
            n_bins, interval: [low, high], min_bin_width, min_bin_height, min_slope, ..
        } = *self;
        ensure!(
            (2..=MAX_BINS).contains(&n_bins),
            "`n_bins` must be at least 2 and at most {MAX_BINS}, got {n_bins}"
        );
        ensure!(
            WIDTHS.contains(&(high - low)),
            "`interval` must be ascending and of a width from {:e} to {:e}, got [{low}, {high}]",
            WIDTHS.start(),
            WIDTHS.end()
        );
        let min_floor = MIN_FLOOR.max(MIN_FLOOR_PER_BIN * n_bins as f64);
        for (name, floor) in [("min_bin_width", min_bin_width), ("min_bin_height", min_bin_height)]
        {
            ensure!(
                floor >= min_floor && floor * (n_bins as f64) < 1.0,
                "`{name}` is a fraction of the interval: with {n_bins} bins it must be at least \
                 {min_floor:e} and below {:e}, got {floor}",
                1.0 / n_bins as f64
            );
        }
        ensure!(
            (MIN_FLOOR..1.0).contains(&min_slope),
            "`min_slope` must be at least {MIN_FLOOR:e} and below 1, got {min_slope}"
        );
        Ok(())
    }

    /// What a record of the map must fit.
    pub(super) fn settings(&self, device: &Device) -> Settings {
        let Self { n_bins, interval, boundary_slopes, min_bin_width, min_bin_height, min_slope } =
            self;
        let texts = [
            "rational quadratic spline".to_string(),
            format!("n_bins = {n_bins}"),
            format!("interval = {interval:?}"),
            format!("boundary_slopes = {boundary_slopes:?}"),
            format!("min_bin_width = {min_bin_width:?}"),
            format!("min_bin_height = {min_bin_height:?}"),
            format!("min_slope = {min_slope:?}"),
        ];
        Settings::new(texts, device)
    }

    /// The middle of the interval.
    pub(crate) fn center(&self) -> f64 {
        let [low, high] = self.interval;
        0.5 * (low + high)
    }

    /// Half the size of the interval.
    pub(crate) fn half_width(&self) -> f64 {
        let [low, high] = self.interval;
        0.5 * (high - low)
    }

    /// The power of two in which the curve is computed, so that an interval of any size is one of
    /// the order of 1; nothing is rounded on the way there and back.
    pub(crate) fn unit(&self) -> f64 {
        self.half_width().log2().floor().exp2()
    }

    /// Half the size of the interval, in units.
    pub(crate) fn half_units(&self) -> f64 {
        self.half_width() / self.unit()
    }

    /// What every bin has at least, in units.
    pub(crate) fn floor(&self, min_size: f64) -> f64 {
        2.0 * self.half_units() * min_size
    }

    /// What is divided among the bins beside that, in units.
    pub(crate) fn distributed(&self, min_size: f64) -> f64 {
        2.0 * self.half_units() * (1.0 - min_size * self.n_bins as f64)
    }

    /// The number of parameters of a feature.
    pub(crate) fn n_parameters(&self) -> usize {
        2 * self.n_bins + self.boundary_slopes.n_slopes(self.n_bins)
    }

    /// The greatest slope at a knot.
    pub(crate) fn max_slope(&self) -> f64 {
        self.min_slope.recip()
    }

    /// What is added to a raw slope: so 0 means a slope of 1.
    pub(crate) fn slope_offset(&self) -> f64 {
        (1.0 - self.min_slope).exp_m1().ln()
    }
}
