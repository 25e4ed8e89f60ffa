//! A density on the line between two ends, on the host, in f64.
//!
//! Method outline, for an even density `f` with the distribution function `F`, between `a` and `b`:
//!
//! 1. If most of the interval is above 0 it is turned round, so that `F` is taken where it is small, and nothing is
//!    lost in far tails.
//! 2. `Z = F(b) - F(a)` as `F(b) (1 - F(a) / F(b))`, in logarithms.
//! 3. A quantile of `p` is that of `F(a) + p Z`, and moves with the ends as `dF` at each: by the implicit function
//!    theorem `dt/da = (1 - p) f(a) / f(t)` and `dt/db = p f(b) / f(t)`.

use burn::config::Config;
use statrs::function::erf::{erfc, erfc_inv};

/// The density that a [`Truncated`](super::Truncated) distribution cuts off, at location 0 and scale 1.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bell {
    /// The standard normal.
    Normal,
    /// Laplace's: `½ exp(-|t|)`.
    Laplace,
    /// The logistic distribution: `¼ cosh⁻²(t / 2)`.
    Logistic,
}

impl Bell {
    /// `ln f(t)`
    pub(super) fn log_density(self, t: f64) -> f64 {
        match self {
            Self::Normal => -0.5 * (t * t + std::f64::consts::TAU.ln()),
            Self::Laplace => -t.abs() - std::f64::consts::LN_2,
            Self::Logistic => -t.abs() - 2.0 * (-t.abs()).exp().ln_1p(),
        }
    }

    /// `ln F(t)`
    fn log_below(self, t: f64) -> f64 {
        match self {
            Self::Normal if t > -35.0 => (0.5 * erfc(-t / std::f64::consts::SQRT_2)).ln(),
            Self::Normal => {
                // The asymptotic series of Mills' ratio.
                let square = (t * t).recip();
                let series = [-945.0, 105.0, -15.0, 3.0, -1.0];
                let series = series.iter().fold(0.0, |sum, term| (sum + term) * square);
                self.log_density(t) - (-t).ln() + series.ln_1p()
            }
            Self::Laplace if t < 0.0 => t - std::f64::consts::LN_2,
            Self::Laplace => (-0.5 * (-t).exp()).ln_1p(),
            Self::Logistic if t < 0.0 => t - t.exp().ln_1p(),
            Self::Logistic => -(-t).exp().ln_1p(),
        }
    }

    /// `t` with `ln F(t)` at most `ln ½`.
    fn below(self, log_p: f64) -> f64 {
        match self {
            Self::Normal if log_p > -700.0 => {
                let start = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * log_p.exp());
                self.refined(start, log_p)
            }
            Self::Normal => self.refined(-(-2.0 * log_p).sqrt(), log_p),
            Self::Laplace => log_p + std::f64::consts::LN_2,
            Self::Logistic => log_p - (-log_p.exp()).ln_1p(),
        }
    }

    /// Newton's steps on `ln F`, which is concave.
    fn refined(self, start: f64, log_p: f64) -> f64 {
        let mut t = start;
        for _ in 0..8 {
            let log_below = self.log_below(t);
            let slope = (self.log_density(t) - log_below).exp();
            let step = (log_below - log_p) / slope;
            t -= step;
            if step.abs() <= 1e-15 * t.abs() {
                break;
            }
        }
        t
    }
}

/// A bell between two ends.
pub(super) struct Interval {
    bell: Bell,
    /// The ends, turned round if that brings the mass below 0.
    ends: [f64; 2],
    is_turned: bool,
    /// `ln F` at the ends, and `ln Z`.
    log_below: [f64; 2],
    log_mass: f64,
}

impl Interval {
    pub fn new(bell: Bell, [a, b]: [f64; 2]) -> Self {
        let is_turned = a + b > 0.0;
        let ends = if is_turned { [-b, -a] } else { [a, b] };
        let log_below = ends.map(|end| bell.log_below(end));
        let log_mass = log_below[1] + (-(log_below[0] - log_below[1]).exp()).ln_1p();
        Self { bell, ends, is_turned, log_below, log_mass }
    }

    /// `ln Z`, and its slopes by both ends.
    pub fn log_mass(&self) -> (f64, [f64; 2]) {
        let at = self.ends.map(|end| (self.bell.log_density(end) - self.log_mass).exp());
        let slopes = if self.is_turned { [-at[1], at[0]] } else { [-at[0], at[1]] };
        (self.log_mass, slopes)
    }

    /// The value below which is a share of `p` of the mass, and its slopes by both ends.
    pub fn quantile(&self, p: f64) -> (f64, [f64; 2]) {
        let p = if self.is_turned { 1.0 - p } else { p };
        let half = 0.5_f64.ln();
        let log_p = log_of_sum(self.log_below[0], self.log_mass + p.ln());
        let t = if log_p <= half {
            self.bell.below(log_p)
        } else {
            -self.bell.below((-log_p.exp_m1()).ln())
        };
        let t = t.clamp(self.ends[0], self.ends[1]);
        let here = self.bell.log_density(t);
        let at = self.ends.map(|end| (self.bell.log_density(end) - here).exp());
        let slopes = [(1.0 - p) * at[0], p * at[1]];
        if self.is_turned { (-t, [slopes[1], slopes[0]]) } else { (t, slopes) }
    }
}

/// `ln (e^a + e^b)`, of which `a` may be minus infinity.
fn log_of_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BELLS: [Bell; 3] = [Bell::Normal, Bell::Laplace, Bell::Logistic];
    const ENDS: [[f64; 2]; 6] =
        [[-1.0, 2.0], [0.5, 0.6], [-40.0, -38.0], [7.0, 9.0], [-300.0, 300.0], [-2.0, -1.9]];

    /// By Simpson's rule, in units of the largest density.
    fn log_integral(bell: Bell, [a, b]: [f64; 2]) -> f64 {
        const STEPS: u32 = 200_000;
        let nearest = 0.0_f64.clamp(a, b);
        let largest = bell.log_density(nearest);
        let h = (b - a) / f64::from(STEPS);
        let value = |i: u32| (bell.log_density(a + h * f64::from(i)) - largest).exp();
        let inner = (1..STEPS).map(|i| if i % 2 == 1 { 4.0 * value(i) } else { 2.0 * value(i) });
        largest + ((value(0) + value(STEPS) + inner.sum::<f64>()) * h / 3.0).ln()
    }

    #[test]
    fn masses_are_integrals_of_the_density() {
        for (bell, ends) in BELLS.into_iter().flat_map(|bell| ENDS.map(|ends| (bell, ends))) {
            let (log_mass, slopes) = Interval::new(bell, ends).log_mass();
            let expected = log_integral(bell, ends);
            assert!((log_mass - expected).abs() < 1e-5, "{bell:?} {ends:?}: {log_mass} {expected}");
            for side in 0..2 {
                let h = 1e-5;
                let at = |change: f64| {
                    let mut ends = ends;
                    ends[side] += change;
                    Interval::new(bell, ends).log_mass().0
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                let tolerance = 1e-4 * difference.abs() + 1e-8;
                assert!(
                    (slopes[side] - difference).abs() < tolerance,
                    "{bell:?} {ends:?}, end {side}: {} {difference}",
                    slopes[side]
                );
            }
        }
    }

    #[test]
    fn quantiles_have_their_share_of_the_mass_and_move_with_the_ends() {
        for (bell, ends) in BELLS.into_iter().flat_map(|bell| ENDS.map(|ends| (bell, ends))) {
            let interval = Interval::new(bell, ends);
            for p in [0.01, 0.4, 0.6, 0.99] {
                let (t, slopes) = interval.quantile(p);
                assert!(ends[0] <= t && t <= ends[1], "{bell:?} {ends:?} {p}: {t}");
                let share = (Interval::new(bell, [ends[0], t]).log_mass - interval.log_mass).exp();
                assert!((share - p).abs() < 1e-9, "{bell:?} {ends:?} {p}: {t} has {share}");
                for side in 0..2 {
                    let h = 1e-5;
                    let at = |change: f64| {
                        let mut ends = ends;
                        ends[side] += change;
                        Interval::new(bell, ends).quantile(p).0
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    let tolerance = 1e-3 * difference.abs() + 1e-8;
                    assert!(
                        (slopes[side] - difference).abs() < tolerance,
                        "{bell:?} {ends:?} {p}, end {side}: {} {difference}",
                        slopes[side]
                    );
                }
            }
        }
    }
}
