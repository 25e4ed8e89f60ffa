//! [`ColumnMap`]: a column on the scale of a standard normal, or as an angle.

use std::f64::consts::{PI, TAU};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::dequantiser::Dequantiser;
use super::support::{Mapped, Support};
use super::tail::{Shape, Tails, fit_shape};

/// A column of the table as a feature of a flow: a number of a mean of 0 and a standard deviation of
/// 1, or an angle. All in f64, on the host.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::table) struct ColumnMap {
    #[serde(flatten)]
    dequantiser: Dequantiser,
    scale: Scale,
    /// The least and the greatest value that it was fitted to; models of before do not know.
    #[serde(default)]
    range: Option<[f64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Scale {
    /// From the support to the line, from heavy tails to light ones, then standardised.
    Line { shape: Shape, mean: f64, deviation: f64 },
    /// An angle from -π to π. The turn where it jumps is where the fewest values are: splines have a
    /// fixed point there.
    Circle { jump: f64 },
}

/// The arcs among which the emptiest is looked for.
const N_ARCS: usize = 24;

impl ColumnMap {
    /// The map that fits values of a support, with uniform noise of some width by `rng`. Values that
    /// are all equal are moved to 0.
    pub fn fit<R: Rng + ?Sized>(
        support: Support,
        jitter: f64,
        values: &[f64],
        rng: &mut R,
    ) -> Self {
        let dequantiser = Dequantiser::new(support, jitter, values);
        let numbers: Vec<f64> = values.iter().map(|&x| dequantiser.drawn(x, rng)).collect();
        let scale = match support.circle() {
            Some(circle) => Scale::Circle { jump: emptiest(&numbers, circle) },
            None => standard(&numbers, dequantiser.open()),
        };
        let [least, greatest] = [f64::min, f64::max].map(|of| values.iter().copied().reduce(of));
        let range = least.zip(greatest).map(|(least, greatest)| [least, greatest]);
        Self { dequantiser, scale, range }
    }

    /// The least and the greatest value that the map was fitted to, where that is known.
    pub fn range(&self) -> Option<[f64; 2]> {
        self.range
    }

    /// The values that the column can take.
    pub fn support(&self) -> Support {
        self.dequantiser.support
    }

    /// Whether training draws the numbers that stand for a value.
    pub fn is_noisy(&self) -> bool {
        self.dequantiser.is_noisy()
    }

    /// A number that stands for a value in training.
    pub fn drawn<R: Rng + ?Sized>(&self, x: f64, rng: &mut R) -> f64 {
        self.dequantiser.drawn(x, rng)
    }

    /// The middle of the numbers that stand for a value in training.
    pub fn midpoint(&self, x: f64) -> f64 {
        self.dequantiser.midpoint(x)
    }

    /// The logarithm of the width of the numbers that stand for a bound's probability; 0 elsewhere.
    pub fn log_width(&self, number: f64) -> f64 {
        self.dequantiser.log_width(number)
    }

    /// A number that stands for a value, standardised. The slope is that of the value: its density,
    /// or the probability of a bound.
    pub fn standardised(&self, number: f64) -> Mapped {
        match self.scale {
            Scale::Line { shape, mean, deviation } => {
                let line = self.dequantiser.open().to_line(number);
                let light = shape.tails.to_light((line.value - shape.center) / shape.scale);
                let log_slope = self.log_width(number) + line.log_slope + light.log_slope;
                Mapped {
                    value: (light.value - mean) / deviation,
                    log_slope: log_slope - shape.scale.ln() - deviation.ln(),
                }
            }
            Scale::Circle { jump } => {
                let [low, period] = self.circle();
                let turn = (number - low) / period - jump;
                Mapped {
                    value: TAU * (turn - turn.floor()) - PI,
                    log_slope: TAU.ln() - period.ln(),
                }
            }
        }
    }

    /// The value of the support that a standardised one stands for.
    pub fn original(&self, z: f64) -> f64 {
        match self.scale {
            Scale::Line { shape, mean, deviation } => {
                let line = shape.tails.to_heavy(z * deviation + mean) * shape.scale + shape.center;
                self.support().rounded(self.dequantiser.open().to_support(line))
            }
            Scale::Circle { jump } => {
                let [low, period] = self.circle();
                let turn = (z + PI) / TAU + jump;
                self.support().rounded(low + period * (turn - turn.floor()))
            }
        }
    }

    /// Whether the feature is an angle.
    pub fn is_periodic(&self) -> bool {
        matches!(self.scale, Scale::Circle { .. })
    }

    fn circle(&self) -> [f64; 2] {
        self.support().circle().expect("only a circle has the scale of one")
    }

    /// The powers of heavy tails, if a side has one.
    pub fn tails_in_words(&self) -> Option<String> {
        let Scale::Line { shape: Shape { tails, .. }, .. } = self.scale else { return None };
        if tails == Tails::LIGHT {
            return None;
        }
        let side = |power: Option<f64>| {
            power.map_or("light".to_owned(), |power| format!("as t with ν = {power}"))
        };
        Some(format!("heavy tails: left {}, right {}", side(tails.left), side(tails.right)))
    }
}

fn standard(values: &[f64], support: Support) -> Scale {
    let on_line: Vec<f64> = values.iter().map(|&x| support.to_line(x).value).collect();
    let shape = fit_shape(&on_line, support.is_open());
    let deviation_or_one = |deviation: f64| if deviation > 0.0 { deviation } else { 1.0 };
    let shape = Shape { scale: deviation_or_one(shape.scale), ..shape };
    let light = |t: f64| shape.tails.to_light((t - shape.center) / shape.scale).value;
    let n = on_line.len() as f64;
    let mean = on_line.iter().map(|&t| light(t) / n).sum::<f64>();
    let variance = on_line.iter().map(|&t| (light(t) - mean).powi(2) / n).sum::<f64>();
    Scale::Line { shape, mean, deviation: deviation_or_one(variance.sqrt()) }
}

/// The middle of the arc that has, with its neighbours, the fewest values; in turns from the start.
fn emptiest(values: &[f64], [low, period]: [f64; 2]) -> f64 {
    let mut counts = [0_usize; N_ARCS];
    for x in values {
        let turn = (x - low) / period;
        counts[((turn - turn.floor()) * N_ARCS as f64) as usize % N_ARCS] += 1;
    }
    let around = |arc: usize| {
        counts[(arc + N_ARCS - 1) % N_ARCS] + 2 * counts[arc] + counts[(arc + 1) % N_ARCS]
    };
    // Of several that are equally empty the one farthest from the values.
    let near = |arc: usize| -> f64 {
        let of = |(other, &count): (usize, &usize)| {
            let angle = TAU * (other as f64 - arc as f64) / N_ARCS as f64;
            count as f64 * angle.cos()
        };
        counts.iter().enumerate().map(of).sum()
    };
    let arc = (0..N_ARCS)
        .min_by(|&a, &b| around(a).cmp(&around(b)).then_with(|| near(a).total_cmp(&near(b))))
        .unwrap_or_default();
    (arc as f64 + 0.5) / N_ARCS as f64
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
            let map = ColumnMap::fit(support, 0.0, &values, &mut ChaCha8Rng::seed_from_u64(1));
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

    /// More rows than the tails are fitted to, whichever of them the far one is.
    #[test]
    fn a_far_value_among_many_does_not_press_the_others_together() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let normal = Normal::new(0.0, 1.0).expect("valid");
        let mut values: Vec<f64> = (0..60_000).map(|_| normal.sample(&mut rng)).collect();
        values[30_001] = 1e9;
        let map = ColumnMap::fit(Support::Real, 0.0, &values, &mut rng);
        let step = map.standardised(1.0).value - map.standardised(-1.0).value;
        assert!(step > 0.5, "{step}: {map:?}");
    }

    #[test]
    fn zeros_have_no_sign() {
        let counts = [0.0, 1.0, 2.0, 0.0, 5.0];
        for support in [
            Support::Integer { min: Some(0), max: None },
            Support::Integer { min: None, max: None },
            Support::PeriodicInteger { min: 0, max: 6 },
        ] {
            let map = ColumnMap::fit(support, 0.0, &counts, &mut ChaCha8Rng::seed_from_u64(0));
            let zeros =
                (-300..300).map(|i| map.original(f64::from(i) * 0.01)).filter(|x| *x == 0.0);
            assert!(zeros.clone().count() > 0 && zeros.clone().all(f64::is_sign_positive));
        }
    }

    /// Zeros beside numbers over six orders of magnitude: both come back, and the probability of a
    /// zero is that of all that becomes one.
    #[test]
    fn a_bound_has_the_probability_of_what_becomes_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let income = LogNormal::new(8.0, 2.0).expect("valid");
        let values: Vec<f64> =
            (0..3000).map(|i| if i % 4 == 0 { 0.0 } else { income.sample(&mut rng) }).collect();
        let map = ColumnMap::fit(Support::AtLeast(0.0), 0.0, &values, &mut rng);
        let mut z: Vec<f64> =
            values.iter().map(|&x| map.standardised(map.drawn(x, &mut rng)).value).collect();
        let zeros = z.iter().zip(&values).filter(|(_, x)| **x == 0.0).map(|(&z, _)| z);
        let zeros: Vec<f64> = zeros.collect();
        let greatest = zeros.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        z.sort_by(f64::total_cmp);
        assert!(z[749] <= greatest && greatest < z[750], "zeros are the least numbers");
        // Neither pressed together nor far off.
        let middle = zeros.iter().sum::<f64>() / 750.0;
        assert!((-3.0..-0.8).contains(&middle), "{middle}: {map:?}");
        for &x in &values {
            let Mapped { value, log_slope } = map.standardised(map.midpoint(x));
            assert!((map.original(value) - x).abs() <= 1e-9 * x, "{x}");
            if x == 0.0 {
                // The slope of the logarithm, times the width of what becomes a zero.
                let (a, b) = (value - 1e-6, value + 1e-6);
                assert_eq!([map.original(a), map.original(b)], [0.0; 2]);
                assert!(log_slope.abs() < 3.0, "{log_slope}");
            }
        }
        // Half of the margin's numbers are below its midpoint.
        let below = zeros.iter().filter(|&&z| z < map.standardised(map.midpoint(0.0)).value);
        let share = below.count() as f64 / 750.0;
        assert!((share - 0.5).abs() < 0.1, "{share}");
    }

    #[test]
    fn circles_become_angles_that_jump_where_no_value_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let night = Normal::new(0.0, 2.0).expect("valid");
        for support in [
            Support::Periodic { low: 0.0, high: 24.0 },
            Support::PeriodicInteger { min: 0, max: 23 },
        ] {
            let hours: Vec<f64> = (0..2000)
                .map(|_| f64::rem_euclid(night.sample(&mut rng), 24.0))
                .map(|hour| if support.is_integer() { hour.floor() } else { hour })
                .collect();
            let map = ColumnMap::fit(support, 0.0, &hours, &mut rng);
            for &hour in &hours {
                let Mapped { value, log_slope } = map.standardised(hour);
                // Around midnight, far from the jump.
                assert!(value.abs() < 2.5, "{hour}: {value}");
                assert!((log_slope - (TAU / 24.0).ln()).abs() < 1e-12);
                assert!((map.original(value) - hour).abs() < 1e-9, "{hour}");
            }
            // The ends are one point, and samples are inside.
            for z in [-PI, -1.0, 0.3, 3.0, PI, 7.0, -1e6] {
                assert!(support.contains(map.original(z)), "{support}: {}", map.original(z));
            }
        }
    }
}
