//! [`ColumnMap`]: a column on the scale of a standard normal.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::support::{Mapped, Support};
use super::tail::{Shape, Tails, fit_shape};

/// From the support of a column to the line, from heavy tails to light ones, then to a mean of 0
/// and a standard deviation of 1. All in f64, on the host.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ColumnMap {
    pub support: Support,
    shape: Shape,
    mean: f64,
    deviation: f64,
}

impl ColumnMap {
    /// The map that fits values of a support; integers are dequantised by `rng` for it. Values that
    /// are all equal are moved to 0.
    pub fn fit<R: Rng + ?Sized>(support: Support, values: &[f64], rng: &mut R) -> Self {
        let on_line: Vec<f64> =
            values.iter().map(|&x| support.to_line(dequantised(support, x, rng)).value).collect();
        let shape = fit_shape(&on_line, support.is_open());
        let deviation_or_one = |deviation: f64| if deviation > 0.0 { deviation } else { 1.0 };
        let shape = Shape { scale: deviation_or_one(shape.scale), ..shape };
        let light = |t: f64| shape.tails.to_light((t - shape.center) / shape.scale).value;
        let n = on_line.len() as f64;
        let mean = on_line.iter().map(|&t| light(t) / n).sum::<f64>();
        let variance = on_line.iter().map(|&t| (light(t) - mean).powi(2) / n).sum::<f64>();
        Self { support, shape, mean, deviation: deviation_or_one(variance.sqrt()) }
    }

    /// A value between the ends of the support, standardised.
    pub fn standardised(&self, x: f64) -> Mapped {
        let line = self.support.to_line(x);
        let light = self.shape.tails.to_light((line.value - self.shape.center) / self.shape.scale);
        Mapped {
            value: (light.value - self.mean) / self.deviation,
            log_slope: line.log_slope + light.log_slope
                - self.shape.scale.ln()
                - self.deviation.ln(),
        }
    }

    /// The value of the support that a standardised one stands for.
    pub fn original(&self, z: f64) -> f64 {
        let light = z * self.deviation + self.mean;
        let line = self.shape.tails.to_heavy(light) * self.shape.scale + self.shape.center;
        self.support.to_support(line)
    }

    /// The powers of heavy tails, if a side has one.
    pub fn tails_in_words(&self) -> Option<String> {
        match self.shape.tails {
            Tails { left: None, right: None } => None,
            Tails { left, right } => {
                let side = |power: Option<f64>| {
                    power.map_or("light".to_owned(), |power| format!("as t with ν = {power}"))
                };
                Some(format!("heavy tails: left {}, right {}", side(left), side(right)))
            }
        }
    }
}

/// An integer with uniform noise of up to one half, anything else as it is.
pub(super) fn dequantised<R: Rng + ?Sized>(support: Support, x: f64, rng: &mut R) -> f64 {
    if !support.is_integer() {
        return x;
    }
    // Among large numbers the noise may round to an end.
    support.inside(x + rng.sample::<f64, _>(rand_distr::Open01) - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Cauchy, Distribution, LogNormal, Normal};

    #[test]
    fn columns_of_any_scale_become_standard_and_come_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut draw = |distribution: &dyn Fn(&mut ChaCha8Rng) -> f64| -> Vec<f64> {
            (0..3000).map(|_| distribution(&mut rng)).collect()
        };
        let columns = [
            (Support::Real, draw(&|rng| Normal::new(1e6, 2e5).expect("valid").sample(rng))),
            (Support::Real, draw(&|rng| Normal::new(0.0, 1e-3).expect("valid").sample(rng))),
            (Support::Real, draw(&|rng| Cauchy::new(0.0, 3.0).expect("valid").sample(rng))),
            (
                Support::Above(0.0),
                draw(&|rng| LogNormal::new(10.0, 1.0).expect("valid").sample(rng)),
            ),
        ];
        for (support, values) in columns {
            let map = ColumnMap::fit(support, &values, &mut ChaCha8Rng::seed_from_u64(1));
            let z: Vec<f64> = values.iter().map(|&x| map.standardised(x).value).collect();
            let mean = z.iter().sum::<f64>() / 3000.0;
            let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 3000.0;
            assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-9, "{mean} {variance}");
            // A normal of 3,000 values reaches 3.6; 6 leaves room.
            assert!(z.iter().all(|z| z.abs() < 6.0), "{support}: {map:?}");
            for (&x, &z) in values.iter().zip(&z) {
                let back = map.original(z);
                assert!((back - x).abs() <= 1e-9 * (1.0 + x.abs()), "{support}: {back} for {x}");
            }
        }
    }
}
