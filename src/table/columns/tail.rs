//! [`Tails`]: heavy tails made light, each side by its own power.

use serde::{Deserialize, Serialize};

use super::support::Mapped;

/// The powers that are tried: with `ν` the density falls as `|t|^-(ν + 1)`, as that of a Student-t
/// of so many degrees of freedom.
const POWERS: [f64; 10] = [0.6, 0.8, 1.0, 1.3, 1.7, 2.3, 3.0, 4.0, 6.0, 10.0];
/// Heavy tails must be worth so much, in nats per row and in all; else a flow does without.
const MIN_GAIN: f64 = 0.02;
const MIN_TOTAL_GAIN: f64 = 10.0;
/// More rows than these do not change the choice.
const MAX_ROWS: usize = 20_000;

/// The map `z = sign(t) √(ν ln(1 + t²/ν))` of each side, `t` itself where there is no `ν`.
///
/// A standard normal `z` then gives a `t` whose density is that of a Student-t but for a factor of
/// the order of `√ln t`. The slope at 0 is 1 on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::table) struct Tails {
    pub left: Option<f64>,
    pub right: Option<f64>,
}

impl Tails {
    pub const LIGHT: Self = Self { left: None, right: None };

    fn of(&self, t: f64) -> Option<f64> {
        if t < 0.0 { self.left } else { self.right }
    }

    pub fn to_light(self, t: f64) -> Mapped {
        match self.of(t) {
            Some(power) if t != 0.0 => heavy(t, power),
            _ => Mapped { value: t, log_slope: 0.0 },
        }
    }

    pub fn to_heavy(self, z: f64) -> f64 {
        match self.of(z) {
            Some(power) => {
                let exponent = z * z / power;
                let t = if exponent < f64::EPSILON {
                    z.abs()
                } else if exponent < 700.0 {
                    (power * exponent.exp_m1()).sqrt()
                } else {
                    // Whose square overflows.
                    power.sqrt() * (0.5 * exponent).exp()
                };
                t.min(f64::MAX).copysign(z)
            }
            None => z,
        }
    }
}

fn heavy(t: f64, power: f64) -> Mapped {
    // A quotient by a small scale may overflow.
    let size = t.abs().min(f64::MAX);
    // ln(1 + t²/ν), also where the square overflows.
    let log =
        if size < 1e150 { (size * size / power).ln_1p() } else { 2.0 * size.ln() - power.ln() };
    let z = (power * log).sqrt();
    if z == 0.0 {
        return Mapped { value: t, log_slope: 0.0 };
    }
    Mapped { value: z.copysign(t), log_slope: size.ln() - log - z.ln() }
}

/// A location and a scale, and the tails of what is left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::table) struct Shape {
    pub center: f64,
    pub scale: f64,
    pub tails: Tails,
}

/// The shape of the largest likelihood under a normal: light with the mean and the standard
/// deviation, or heavy around the median if that is worth it, on the sides that may be. The values
/// must not all be equal.
pub(in crate::table) fn fit_shape(values: &[f64], [left_open, right_open]: [bool; 2]) -> Shape {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    // Of many at equal steps from the least to the greatest: one that is far from all others counts.
    let (last, n_used) = (values.len() - 1, values.len().min(MAX_ROWS));
    let values: Vec<f64> =
        (0..n_used).map(|index| values[index * last / (n_used - 1).max(1)]).collect();
    let n = values.len() as f64;
    // Not by squares that overflow.
    let largest = values[0].abs().max(values[values.len() - 1].abs());
    let mean = values.iter().map(|x| x / n).sum::<f64>();
    let variance = values.iter().map(|x| ((x - mean) / largest).powi(2)).sum::<f64>() / n;
    let deviation = variance.sqrt() * largest;
    let light = Shape { center: mean, scale: deviation, tails: Tails::LIGHT };
    // Roundings of the mean are no deviation.
    let light = if values[0] == values[values.len() - 1] {
        Shape { center: values[0], scale: 0.0, ..light }
    } else {
        light
    };
    let Some((center, spread)) = middle(&values).filter(|_| light.scale > 0.0) else {
        return light;
    };
    let mut best = (log_likelihood(&light, &values), light);
    let threshold = best.0 + (MIN_GAIN * n).max(MIN_TOTAL_GAIN);
    for factor in [0.5, 0.65, 0.8, 1.0, 1.25, 1.5] {
        let scale = spread * factor;
        let side = |may_be_heavy: bool, is_side: fn(f64) -> bool| {
            let values: Vec<f64> = values.iter().copied().filter(|x| is_side(x - center)).collect();
            let of = |power: Option<f64>| {
                let tails = Tails { left: power, right: power };
                (log_likelihood(&Shape { center, scale, tails }, &values), power)
            };
            let heavy = if may_be_heavy { &POWERS[..] } else { &[] };
            let powers = heavy.iter().copied().map(Some).chain([None]);
            powers.map(of).max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are powers")
        };
        let (left, right) = (side(left_open, |x| x < 0.0), side(right_open, |x| x >= 0.0));
        let total = left.0 + right.0;
        if total > best.0.max(threshold) {
            let tails = Tails { left: left.1, right: right.1 };
            best = (total, Shape { center, scale, tails });
        }
    }
    best.1
}

/// The median of sorted values, and what the distance of the quartiles is of a normal's standard
/// deviation; without a value that half of them have, as zeros. `None` if then too few are left.
fn middle(values: &[f64]) -> Option<(f64, f64)> {
    let quantiles = |values: &[f64]| {
        let at = |p: f64| values[((values.len() - 1) as f64 * p).round() as usize];
        (at(0.5), (at(0.75) - at(0.25)) / 1.349)
    };
    let (center, spread) = quantiles(values);
    if spread > 0.0 {
        return Some((center, spread));
    }
    let others: Vec<f64> = values.iter().copied().filter(|&x| x != center).collect();
    (4 * others.len() >= values.len())
        .then(|| quantiles(&others))
        .filter(|(_, spread)| *spread > 0.0)
}

/// Up to a constant per value.
fn log_likelihood(shape: &Shape, values: &[f64]) -> f64 {
    let of = |x: &f64| {
        let Mapped { value, log_slope } = shape.tails.to_light((x - shape.center) / shape.scale);
        log_slope - shape.scale.ln() - 0.5 * value * value
    };
    values.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Cauchy, Distribution, Normal, StudentT};

    fn draw(n: usize, distribution: impl Distribution<f64>) -> Vec<f64> {
        distribution.sample_iter(ChaCha8Rng::seed_from_u64(0)).take(n).collect()
    }

    #[test]
    fn values_come_back_and_slopes_are_differences() {
        for power in POWERS {
            let tails = Tails { left: Some(power), right: None };
            for t in [-1e200, -1e6, -30.0, -1.0, -1e-3, -1e-200, 0.0, 2.0] {
                let Mapped { value, log_slope } = tails.to_light(t);
                let back = tails.to_heavy(value);
                // An error of `z` by a rounding is one of `t` by `z` times as much, at the least.
                let tolerance = 1e-13 * (1.0 + value * value) * t.abs();
                assert!((back - t).abs() <= tolerance, "ν = {power}: {back} for {t}");
                if t.abs() < 1e100 && t.abs() > 1e-100 {
                    let h = 1e-5 * t.abs();
                    let difference = tails.to_light(t + h).value - tails.to_light(t - h).value;
                    let slope = (difference / (2.0 * h)).ln();
                    assert!((slope - log_slope).abs() < 1e-5, "ν = {power}, {t}: {slope}");
                }
            }
        }
    }

    #[test]
    fn heavy_tails_are_found_and_light_ones_left_alone() {
        let cauchy = fit_shape(&draw(4000, Cauchy::new(5.0, 2.0).expect("valid")), [true; 2]);
        let (left, right) = (cauchy.tails.left.expect("heavy"), cauchy.tails.right.expect("heavy"));
        assert!((0.8..=1.3).contains(&left) && (0.8..=1.3).contains(&right), "{cauchy:?}");
        assert!((cauchy.center - 5.0).abs() < 0.3, "{cauchy:?}");

        let student = fit_shape(&draw(4000, StudentT::new(2.5).expect("valid")), [true; 2]);
        assert!(student.tails.left.is_some() && student.tails.right.is_some(), "{student:?}");

        let normal = fit_shape(&draw(4000, Normal::new(1e6, 3.0).expect("valid")), [true; 2]);
        assert_eq!(normal.tails, Tails::LIGHT);
        assert!((normal.scale / 3.0 - 1.0).abs() < 0.05, "{normal:?}");

        // One heavy side alone.
        let cauchy = draw(4000, Cauchy::new(0.0, 1.0).expect("valid"));
        let normal = draw(4000, Normal::new(0.0, 1.0).expect("valid"));
        let mixed: Vec<f64> =
            cauchy.iter().map(|x| x.abs()).chain(normal.iter().map(|x| -x.abs())).collect();
        let shape = fit_shape(&mixed, [true; 2]);
        assert!(shape.tails.right.is_some_and(|power| power < 2.0), "{shape:?}");
        assert!(shape.tails.left.is_none_or(|power| power > 2.5), "{shape:?}");
        // Zeros in most rows do not hide the tail of the others.
        let zeros = cauchy.iter().map(|x| if x.abs() < 1.5 { 0.0 } else { *x }).collect::<Vec<_>>();
        assert!(fit_shape(&zeros, [true; 2]).tails.right.is_some());
        // A side with a bound has none.
        assert_eq!(fit_shape(&mixed, [true, false]).tails.right, None);
    }
}
