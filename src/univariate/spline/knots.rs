//! From the parameters of a spline to its knots and slopes, and to the bin of a value.

use burn::tensor::{Int, Tensor, activation};

use super::bin::Bin;
use super::boundary::BoundarySlopes;
use super::config::RationalQuadraticSplineConfig;
use crate::univariate::softplus::softplus;

/// The knots of a spline for each row and feature, `[batch, n_bins + 1, d]` each, around the middle
/// of the interval and in [`unit`](RationalQuadraticSplineConfig::unit)s.
pub(super) struct Knots {
    x: Tensor<3>,
    y: Tensor<3>,
    slopes: Tensor<3>,
}

impl Knots {
    /// From raw widths, heights and slopes, `[batch, n_parameters, d]`.
    pub(super) fn new(config: &RationalQuadraticSplineConfig, parameters: &Tensor<3>) -> Self {
        let n = config.n_bins;
        let n_slopes = config.boundary_slopes.n_slopes(n);
        let raw = |first: usize, n: usize| parameters.clone().narrow(1, first, n);
        Self {
            x: positions(config, raw(0, n), config.min_bin_width),
            y: positions(config, raw(n, n), config.min_bin_height),
            slopes: slopes(config, raw(2 * n, n_slopes)),
        }
    }

    /// The slopes at the two ends of the interval, `[batch, d]`.
    pub(super) fn end_slopes(&self) -> [Tensor<2>; 2] {
        let [_, n_knots, _] = self.slopes.dims();
        [0, n_knots - 1].map(|knot| self.slopes.clone().narrow(1, knot, 1).squeeze_dim(1))
    }

    /// The bins of values of x, `[batch, 1, d]` and within the interval.
    pub(super) fn bin_of_x(&self, x: &Tensor<3>) -> Bin {
        self.bin(below(&self.x, x))
    }

    /// The bins of values of y, `[batch, 1, d]` and within the interval.
    pub(super) fn bin_of_y(&self, y: &Tensor<3>) -> Bin {
        self.bin(below(&self.y, y))
    }

    fn bin(&self, index: Tensor<3, Int>) -> Bin {
        let next = index.clone() + 1;
        let pick =
            |knots: &Tensor<3>, index: &Tensor<3, Int>| knots.clone().gather(1, index.clone());
        Bin {
            left: pick(&self.x, &index),
            right: pick(&self.x, &next),
            bottom: pick(&self.y, &index),
            top: pick(&self.y, &next),
            slopes: [pick(&self.slopes, &index), pick(&self.slopes, &next)],
            index,
        }
    }
}

/// How many inner knots do not lie above each value: the index of its bin.
fn below(knots: &Tensor<3>, values: &Tensor<3>) -> Tensor<3, Int> {
    let [batch, n_knots, d] = knots.dims();
    let inner = knots.clone().narrow(1, 1, n_knots - 2);
    let values = values.clone().expand([batch, n_knots - 2, d]);
    values.greater_equal(inner).int().sum_dim(1)
}

/// The knots along one axis: the sizes of the bins are a softmax of the raw ones over a floor. The
/// two ends are those of the interval to the bit.
fn positions(config: &RationalQuadraticSplineConfig, raw: Tensor<3>, min_size: f64) -> Tensor<3> {
    let [batch, n_bins, d] = raw.dims();
    let (half, floor) = (config.half_units(), config.floor(min_size));
    let fractions = activation::softmax(raw, 1).narrow(1, 0, n_bins - 1).cumsum(1);
    let options = (&fractions.device(), fractions.dtype());
    let floors: Vec<f64> = (1..n_bins).map(|k| floor * k as f64 - half).collect();
    let floors = Tensor::<1>::from_data(floors.as_slice(), options).reshape([1, n_bins - 1, 1]);
    let inner = fractions * config.distributed(min_size) + floors;
    let end = |value: f64| Tensor::full([batch, 1, d], value, options);
    Tensor::cat(vec![end(-half), inner, end(half)], 1)
}

/// The slopes at all knots.
fn slopes(config: &RationalQuadraticSplineConfig, raw: Tensor<3>) -> Tensor<3> {
    let [batch, _, d] = raw.dims();
    let slopes = softplus(raw + config.slope_offset()) + config.min_slope;
    let too_steep = slopes.clone().greater_scalar(config.max_slope());
    let slopes = slopes.mask_fill(too_steep, config.max_slope());
    match config.boundary_slopes {
        BoundarySlopes::Free => slopes,
        BoundarySlopes::One => {
            let one = Tensor::ones([batch, 1, d], (&slopes.device(), slopes.dtype()));
            Tensor::cat(vec![one.clone(), slopes, one], 1)
        }
        BoundarySlopes::Periodic => {
            let first = slopes.clone().narrow(1, 0, 1);
            Tensor::cat(vec![slopes, first], 1)
        }
    }
}
