//! [`Family`]: the densities of location 0 and scale 1.

use burn::config::Config;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, Gamma, StandardNormal};
use statrs::function::gamma::{digamma, ln_gamma};

use super::super::without_value;
use super::gamma::log_quantile;

/// What a [`LocationScale`](super::LocationScale) distribution is at location 0 and scale 1, a density in `t`.
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub enum Family {
    /// Laplace's: `½ exp(-|t|)`, of standard deviation √2.
    Laplace,
    /// The logistic distribution: `¼ cosh⁻²(t / 2)`, of standard deviation π / √3.
    Logistic,
    /// Student's t: proportional to `(1 + t² / df)^(-(df + 1) / 2)`, whose tails fall as `|t|^-(df + 1)`.
    StudentT {
        /// The degrees of freedom of each feature, above 0.
        df: Vec<f64>,
    },
    /// The generalised normal: proportional to `exp(-|t|^power)`; 1 is Laplace's, 2 a normal of variance ½.
    GeneralizedNormal {
        /// The power of each feature, above 0.
        power: Vec<f64>,
    },
}

impl Family {
    /// Its name, for records and displays.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Laplace => "Laplace",
            Self::Logistic => "logistic",
            Self::StudentT { .. } => "Student t",
            Self::GeneralizedNormal { .. } => "generalised normal",
        }
    }

    /// The name and the values of what shapes it, if anything does.
    pub(super) fn shape(&self) -> Option<(&'static str, &[f64])> {
        match self {
            Self::Laplace | Self::Logistic => None,
            Self::StudentT { df } => Some(("df", df)),
            Self::GeneralizedNormal { power } => Some(("power", power)),
        }
    }

    /// The log-density of each value of `t`. `log_shape` is the logarithm of what shapes each feature.
    pub(in super::super) fn log_density(
        &self,
        t: Tensor<2>,
        log_shape: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let size = t.abs();
        match self {
            Self::Laplace => -size - std::f64::consts::LN_2,
            Self::Logistic => {
                let folded = (-size.clone()).exp().log1p();
                -size - folded * 2.0
            }
            Self::StudentT { .. } => {
                let log_df = log_shape.expect("it has a shape");
                let normaliser = self.log_normaliser(&log_df).unsqueeze::<2>();
                // `ln(1 + u²)`, in two pieces: the square may overflow.
                let u = size * (log_df.clone() * -0.5).exp().unsqueeze::<2>();
                let near = u.clone().clamp_max(LARGE).square().log1p();
                let far = u.clone().clamp_min(LARGE).log() * 2.0;
                let log = near.mask_where(u.greater_elem(LARGE), far);
                normaliser - log * ((log_df.exp() + 1.0) * 0.5).unsqueeze::<2>()
            }
            Self::GeneralizedNormal { .. } => {
                let log_power = log_shape.expect("it has a shape");
                let normaliser = self.log_normaliser(&log_power).unsqueeze::<2>();
                // What is nearly 0 counts as `TINY`, and has a slope of 0.
                let log_size = size.clamp_min(TINY).log();
                normaliser - (log_size * log_power.exp().unsqueeze::<2>()).exp()
            }
        }
    }

    /// The logarithm of the factor before the density of each feature: its value is computed in f64 on the host,
    /// where the functions for it are, and so is its slope, by which gradients flow.
    fn log_normaliser(&self, log_shape: &Tensor<1>) -> Tensor<1> {
        let shapes: Vec<f64> = log_shape.to_data().iter::<f64>().map(f64::exp).collect();
        let of_shape = |&shape: &f64| match self {
            Self::StudentT { .. } => {
                let (half, next) = (0.5 * shape, 0.5 * (shape + 1.0));
                let value =
                    ln_gamma(next) - ln_gamma(half) - 0.5 * (shape * std::f64::consts::PI).ln();
                let slope = 0.5 * (digamma(next) - digamma(half)) - 0.5 / shape;
                (value, shape * slope)
            }
            _ => {
                let inverse = shape.recip();
                let value = shape.ln() - std::f64::consts::LN_2 - ln_gamma(inverse);
                (value, 1.0 + inverse * digamma(inverse))
            }
        };
        let (values, slopes): (Vec<f64>, Vec<f64>) = shapes.iter().map(of_shape).unzip();
        let constant = |values: Vec<f64>| {
            let n = values.len();
            Tensor::from_data(
                TensorData::new(values, [n]),
                (&log_shape.device(), log_shape.dtype()),
            )
        };
        constant(values) + constant(slopes) * without_value(log_shape)
    }

    /// A value of `t`, of a feature of this shape.
    pub(super) fn draw<R: Rng + ?Sized>(&self, shape: f64, rng: &mut R) -> f64 {
        match self {
            Self::Laplace => {
                let size: f64 = -uniform(rng).ln();
                with_sign(size, rng)
            }
            Self::Logistic => {
                let p = uniform(rng);
                p.ln() - (-p).ln_1p()
            }
            Self::StudentT { .. } => {
                let normal: f64 = StandardNormal.sample(rng);
                let chi_squared = gamma(0.5 * shape, rng) * 2.0;
                normal * (shape / chi_squared).sqrt()
            }
            Self::GeneralizedNormal { .. } => {
                // `Γ(a)` is `Γ(a + 1) U^(1 / a)`: in logarithms, since it may be smaller than any number.
                let a = shape.recip();
                let log_g = gamma(a + 1.0, rng).ln() + uniform(rng).ln() / a;
                with_sign((a * log_g).exp(), rng)
            }
        }
    }

    /// A value of `t` as a smooth function of the shape, and its slope by the logarithm of that.
    pub(super) fn draw_by_shape<R: Rng + ?Sized>(&self, shape: f64, rng: &mut R) -> (f64, f64) {
        match self {
            Self::Laplace | Self::Logistic => (self.draw(shape, rng), 0.0),
            Self::StudentT { .. } => {
                let normal: f64 = StandardNormal.sample(rng);
                let a = 0.5 * shape;
                let (log_g, by_a) = log_quantile(a, uniform(rng));
                let t = normal * (0.5 * (a.ln() - log_g)).exp();
                // Of `½ ln a - ½ ln g`, by `ln a`.
                (t, t * 0.5 * (1.0 - a * by_a))
            }
            Self::GeneralizedNormal { .. } => {
                let a = shape.recip();
                let (log_g, by_a) = log_quantile(a, uniform(rng));
                let t = with_sign((a * log_g).exp(), rng);
                // Of `a ln g`, by `ln shape`, which is `-ln a`.
                (t, -t * a * (log_g + a * by_a))
            }
        }
    }
}

/// From here on the square of a number and 1 more are the same to 1e-16, and in f32 it does not overflow.
const LARGE: f64 = 1e8;
/// A number of f32 whose logarithm and powers are finite.
const TINY: f64 = 1e-30;

/// Uniform between 0 and 1, both excluded.
fn uniform<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    rng.sample(rand_distr::Open01)
}

fn with_sign<R: Rng + ?Sized>(size: f64, rng: &mut R) -> f64 {
    if rng.random() { size } else { -size }
}

fn gamma<R: Rng + ?Sized>(a: f64, rng: &mut R) -> f64 {
    Gamma::new(a, 1.0).expect("the shape is above 0").sample(rng)
}
