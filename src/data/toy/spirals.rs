//! [`Spirals`].

use std::f64::consts::PI;

use rand::{Rng, RngExt};

use super::blurred::{Node, blur, entropy, log_prob, open_curve, validate_noise};
use super::density::ToyDensity;

/// Two arms of an Archimedean spiral with Gaussian noise.
///
/// With `u` uniform in `[0, 1]`, `t = 3π √u`, either sign with probability ½, and
/// `ε ~ N(0, noise² I)`:
///
/// ```text
/// x = ±(t / 3) (-cos t, sin t) + ε
/// ```
///
/// FFJORD draws the same arms with a further uniform jitter. The entropy is computed by quadrature.
///
/// # References
///
/// Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud: *FFJORD: Free-form Continuous Dynamics for
/// Scalable Reversible Generative Models*, 2019, arXiv:1810.01367; the noise there is 0.1.
#[derive(Debug, Clone, Copy)]
pub struct Spirals {
    noise: f64,
}

impl Spirals {
    /// Spirals blurred by noise of this standard deviation, at least 0.
    ///
    /// # Panics
    ///
    /// If `noise` is negative or not finite.
    pub fn new(noise: f64) -> Self {
        validate_noise(noise);
        Self { noise }
    }
}

/// A point of the first arm at the angle `t`.
fn arm(t: f64) -> [f64; 2] {
    let (sin, cos) = t.sin_cos();
    [-cos * t / 3.0, sin * t / 3.0]
}

impl ToyDensity for Spirals {
    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        let [x, y] = arm(3.0 * PI * rng.random::<f64>().sqrt());
        let centre = if rng.random() { [x, y] } else { [-x, -y] };
        blur(centre, self.noise, rng)
    }

    fn log_prob(&self, point: [f64; 2]) -> Option<f64> {
        log_prob(point, self.noise, || self.nodes())
    }

    fn entropy(&self) -> Option<f64> {
        entropy(self.noise, || self.nodes())
    }
}

impl Spirals {
    fn nodes(&self) -> Vec<Node> {
        // In `v = √u` the arm is smooth, with speed at most π √(1 + 9π²) < 31, and v has density
        // 2v.
        let mut nodes = open_curve(|v| arm(3.0 * PI * v), 31.0, self.noise, 0.5);
        for node in &mut nodes {
            let v = node.centre[0].hypot(node.centre[1]) / PI;
            node.weight *= 2.0 * v;
        }
        let opposite = nodes.clone().into_iter().map(|mut node| {
            node.centre = node.centre.map(|coordinate| -coordinate);
            node
        });
        nodes.extend(opposite);
        nodes
    }
}
