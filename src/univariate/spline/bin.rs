//! The rational quadratic function in one bin of a spline.
//!
//! In a bin of width `W` and height `H`, and so of mean slope `s = H / W`, let `θ` run from 0 to 1
//! from left to right, `η = 1 - θ`, and let `a` and `b` be the slopes at the two ends divided by
//! `s`. Then
//!
//! ```text
//! D = θ² + η² + (a + b) θη          y = bottom + H (θ² + a θη) / D
//! N = bθ² + 2θη + aη²               dy/dx = s N / D²
//! ```
//!
//! which are the paper's formulas with `s` taken out. No term is negative and `D` is at least ½, so
//! nothing cancels and nothing divides by zero.
//!
//! Backwards, with `ξ` the place between bottom and top, `ζ = 1 - ξ`, `E = aζ - bξ` and
//! `q = |E| + √(E² + 4ξζ)`, the paper's quadratic equation has the root
//!
//! ```text
//! θ = 2ξ / (2ξ + q),  η = q / (2ξ + q)   if E ≥ 0;      θ = q / (2ζ + q),  η = 2ζ / (2ζ + q)   if not
//! ```
//!
//! where `q` is never zero and only `E` is a difference: where it cancels, either `4ξζ` outweighs
//! it or the curve is so flat that its inverse is that uncertain.

use burn::tensor::{Int, Tensor};

/// For each value the bin that it falls into. All tensors have the same shape.
pub(super) struct Bin {
    /// Which one it is, from 0.
    pub index: Tensor<3, Int>,
    pub left: Tensor<3>,
    pub right: Tensor<3>,
    pub bottom: Tensor<3>,
    pub top: Tensor<3>,
    /// The slopes at the two ends.
    pub slopes: [Tensor<3>; 2],
}

impl Bin {
    /// `y` and `dy/dx`.
    pub(super) fn forward(self, x: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let width = self.right.clone() - self.left.clone();
        let theta = (x.clone() - self.left.clone()) / width.clone();
        let eta = (self.right.clone() - x) / width;
        let shape = self.shape();
        let (rise, slope) = shape.at(theta, eta);
        (shape.bottom + shape.height * rise, slope)
    }

    /// `x` and `dx/dy`.
    pub(super) fn inverse(self, y: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let height = self.top.clone() - self.bottom.clone();
        let xi = (y.clone() - self.bottom.clone()) / height.clone();
        let zeta = (self.top.clone() - y) / height;
        let (left, width) = (self.left.clone(), self.right.clone() - self.left.clone());
        let shape = self.shape();

        let e = shape.a.clone() * zeta.clone() - shape.b.clone() * xi.clone();
        let falling = e.clone().lower_scalar(0.0);
        // By selection: the gradient of burn's `abs` at 0 is 0, and there it must be that of one
        // side.
        let magnitude = e.clone().mask_where(falling.clone(), -e.clone());
        let root = (e.clone() * e + xi.clone() * zeta.clone() * 4.0).sqrt();
        let q = magnitude + root;
        let near = xi.mask_where(falling.clone(), zeta) * 2.0;
        let sum = near.clone() + q.clone();
        let (near, far) = (near / sum.clone(), q / sum);
        let theta = near.clone().mask_where(falling.clone(), far.clone());
        let eta = far.mask_where(falling, near);

        let (_, slope) = shape.at(theta.clone(), eta);
        (left + width * theta, slope.recip())
    }

    fn shape(self) -> Shape {
        let height = self.top - self.bottom.clone();
        let mean_slope = height.clone() / (self.right - self.left);
        let [a, b] = self.slopes.map(|slope| slope / mean_slope.clone());
        Shape { bottom: self.bottom, height, mean_slope, a, b }
    }
}

/// A bin by its height, mean slope and relative slopes.
struct Shape {
    bottom: Tensor<3>,
    height: Tensor<3>,
    mean_slope: Tensor<3>,
    a: Tensor<3>,
    b: Tensor<3>,
}

impl Shape {
    /// How far up the bin the curve is at `theta`, from 0 to 1, and its slope.
    fn at(&self, theta: Tensor<3>, eta: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let (a, b) = (self.a.clone(), self.b.clone());
        let both = theta.clone() * eta.clone();
        let theta_2 = theta.clone() * theta;
        let eta_2 = eta.clone() * eta;
        let d = theta_2.clone() + eta_2.clone() + (a.clone() + b.clone()) * both.clone();
        let n = b * theta_2.clone() + both.clone() * 2.0 + a.clone() * eta_2;
        let rise = (theta_2 + a * both) / d.clone();
        let slope = self.mean_slope.clone() * (n / d.clone() / d);
        (rise, slope)
    }
}
