//! [`LowRankNormal`]: a normal distribution whose covariance is a diagonal and a few directions.

use std::f64::consts::TAU;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::interface::Distribution;
use super::noise::Noise;
use crate::error::{Error, ensure, or_panic};

/// Configuration of a [`LowRankNormal`].
#[derive(Config, Debug)]
pub struct LowRankNormalConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of directions, at least 1 and at most `d_features`.
    pub rank: usize,
}

impl LowRankNormalConfig {
    /// Builds the distribution on a device: mean 0, scale 1, and directions that are drawn from `rng`, of length
    /// 0.1 on average (at 0 they would have no gradient).
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> LowRankNormal {
        or_panic(self.validate());
        let (d, rank) = (self.d_features, self.rank);
        let scale = 0.1 / (d as f64).sqrt();
        let factor: Vec<f64> = (0..d * rank)
            .map(|_| {
                let noise: f64 = StandardNormal.sample(rng);
                scale * noise
            })
            .collect();
        let zeros = || Param::from_data(TensorData::zeros::<f32, _>([d]), device);
        LowRankNormal {
            mean: zeros(),
            log_scale: zeros(),
            factor: Param::from_data(TensorData::new(factor, [d, rank]), device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` or `rank` is 0, or there are more directions than features.
    pub fn validate(&self) -> Result<(), Error> {
        let (d, rank) = (self.d_features, self.rank);
        ensure!(d > 0, "`d_features` must be at least 1, got 0");
        ensure!((1..=d).contains(&rank), "`rank` must be from 1 to `d_features` {d}, got {rank}");
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> usize {
        self.d_features
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// A normal distribution whose covariance is a diagonal and a few directions, all learnable: the cost of a row
/// grows with `d_features · rank` and not with the square of `d_features`.
///
/// ```text
/// covariance = W Wᵀ + diag(scale²)        W: [d_features, rank]
/// ```
///
/// By the identities of Woodbury and of the determinant of a sum only a matrix of `rank × rank` is inverted. Where
/// directions are longer than the scales by a factor of 1000, the log-density is right to some 1e-3 in `f32`.
///
/// # Shapes
///
/// As for [`Distribution`].
///
/// # Example
///
/// ```
/// use normalizing_flows::distribution::{Distribution, LowRankNormalConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let normal = LowRankNormalConfig::new(100, 3).init(&device, &mut rng);
/// assert_eq!(normal.log_prob(Tensor::zeros([5, 100], &device)).dims(), [5]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LowRankNormal {
    /// `[d_features]`
    pub mean: Param<Tensor<1>>,
    /// The logarithms of the scales, `[d_features]`.
    pub log_scale: Param<Tensor<1>>,
    /// `W`, `[d_features, rank]`.
    pub factor: Param<Tensor<2>>,
}

impl Distribution for LowRankNormal {
    fn d_features(&self) -> usize {
        self.mean.dims()[0]
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        if x.dims()[0] == 0 {
            // Some backends cannot multiply matrices of no row.
            return x.sum_dim(1).squeeze_dim(1);
        }
        let reciprocal = self.log_scale.val().neg().exp();
        // In units of the scales.
        let u = (x - self.mean.val().unsqueeze()) * reciprocal.clone().unsqueeze();
        let factor = self.factor.val() * reciprocal.unsqueeze_dim(1);
        let products = factor.clone().transpose().matmul(factor.clone());
        let (inverse, log_det) = inverse_of_one_plus(products);
        // `|u|² - bᵀ (I + VᵀV)⁻¹ b` as a sum of squares: the difference would lose the digits of `u` along `V`.
        let along = u.clone().matmul(factor.clone()).matmul(inverse);
        let left = u - along.clone().matmul(factor.transpose());
        let squares = left.square().sum_dim(1) + along.square().sum_dim(1);
        let squares: Tensor<1> = squares.squeeze_dim(1);
        let log_volume = self.log_scale.val().sum() + log_det * 0.5;
        squares * -0.5 - log_volume - 0.5 * d_features as f64 * TAU.ln()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        let [d, rank] = self.factor.dims();
        let noise = noise.standard_normal([n, d + rank]);
        let (own, along) = (noise.clone().narrow(1, 0, d), noise.narrow(1, d, rank));
        let own = own * self.log_scale.val().exp().unsqueeze();
        // Some backends cannot multiply matrices of no row.
        let common = if n == 0 { own.clone() } else { along.matmul(self.factor.val().transpose()) };
        own + common + self.mean.val().unsqueeze()
    }
}

/// `(I + A)⁻¹` and `log det (I + A)`, `[1]`, of a matrix without negative eigenvalues, by the elimination of
/// Gauss and Jordan: its pivots are at least 1, so none is searched for.
fn inverse_of_one_plus(matrix: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
    let [n, _] = matrix.dims();
    let one = Tensor::<2>::eye(n, &matrix.device()).cast(matrix.dtype());
    let (mut left, mut inverse) = (matrix + one.clone(), one.clone());
    let mut log_det = left.clone().narrow(0, 0, 1).narrow(1, 0, 1).log();
    for k in 0..n {
        // Roundings may take it below.
        let pivot = left.clone().narrow(0, k, 1).narrow(1, k, 1).clamp_min(1.0);
        if k > 0 {
            log_det = log_det + pivot.clone().log();
        }
        let here = one.clone().narrow(1, k, 1);
        let others = -here.clone() + 1.0;
        let factors = left.clone().narrow(1, k, 1) * others.clone();
        let eliminated = |matrix: Tensor<2>| {
            let row = matrix.clone().narrow(0, k, 1) / pivot.clone();
            (matrix * others.clone() - factors.clone() * row.clone()) + here.clone() * row
        };
        left = eliminated(left);
        inverse = eliminated(inverse);
    }
    (inverse, log_det.squeeze_dim(1))
}

impl ModuleDisplay for LowRankNormal {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [_, rank] = self.factor.dims();
        content.add_formatted(&format!("normal of rank {rank} and a diagonal")).optional()
    }
}
