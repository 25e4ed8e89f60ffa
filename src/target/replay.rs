//! [`ReplayBuffer`]: weighted samples that are trained on again.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, RngExt};

use super::weights::{WeightedSample, normalized};
use crate::distribution::Distribution;

/// A prioritised buffer of weighted samples: the newest `capacity` of them, drawn in proportion to their weights. It
/// is the memory of flow annealed importance sampling bootstrap (FAB), which minimises the alpha-divergence of 2, the
/// variance of the importance weights, by samples of [`Ais`](super::Ais) with a `power` of 2: they lie where the
/// weights are large, so modes that the model has not found yet are not missed.
///
/// # Example
///
/// A loop of one's own; [`fit_target`](crate::train::fit_target) has the same with all that belongs to it:
///
/// ```
/// use normalizing_flows::{Distribution, RealNvpConfig};
/// use normalizing_flows::burn::module::Module;
/// use normalizing_flows::burn::optim::GradientsParams;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::optim::AdamConfig;
/// use normalizing_flows::target::{AisConfig, ReplayBuffer, target_fn};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let target = target_fn(2, |x: Tensor<2>| (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let mut model = RealNvpConfig::new(2).init(&Device::default().autodiff(), &mut rng);
/// let mut adam = AdamConfig::new().init();
/// let mut ais = AisConfig::new(128).with_n_intermediate(1).with_power(2.0).init();
/// let mut buffer = ReplayBuffer::new(10_000);
/// for _ in 0..2 {
///     let sample = ais.run(&model, &target, &mut rng)?;
///     buffer.add(&sample, &model.valid());
///     for _ in 0..4 {
///         let loss = buffer.loss(&model, 128, &mut rng);
///         let gradients = GradientsParams::from_grads(loss.backward(), &model);
///         model = adam.step(1e-3, model, gradients);
///     }
/// }
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato: *Flow Annealed Importance Sampling Bootstrap*, 2023,
/// arXiv:2208.01893.
#[derive(Debug, Clone)]
pub struct ReplayBuffer {
    capacity: usize,
    d_features: usize,
    rows: Vec<f64>,
    log_weights: Vec<f64>,
    /// The log-density of each row under the model for which its weight is.
    log_model: Vec<f64>,
    /// The oldest row, which is the next to be replaced.
    next: usize,
}

impl ReplayBuffer {
    /// An empty buffer.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "`capacity` must be at least 1, got 0");
        Self {
            capacity,
            d_features: 0,
            rows: Vec::new(),
            log_weights: Vec::new(),
            log_model: Vec::new(),
            next: 0,
        }
    }

    /// The number of rows in the buffer.
    pub fn len(&self) -> usize {
        self.log_weights.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.log_weights.is_empty()
    }

    /// Adds the rows that have a weight, in the place of the oldest where the buffer is full. Their weights are for
    /// `p̃² / q` with this model `q`: give it without autodiff.
    ///
    /// # Panics
    ///
    /// If the rows have other features than those before, or as [`log_prob`](Distribution::log_prob).
    pub fn add<D: Distribution>(&mut self, sample: &WeightedSample, model: &D) {
        let d = sample.x().dims()[1];
        assert!(
            self.is_empty() || d == self.d_features,
            "the buffer holds rows of {} features, got {d}",
            self.d_features
        );
        self.d_features = d;
        let log_model = model.log_prob(sample.x().clone()).into_data();
        let rows: Vec<f64> = sample.x().clone().into_data().iter::<f64>().collect();
        let weights = sample.log_weights().iter().zip(log_model.iter::<f64>());
        for (row, (log_weight, log_model)) in rows.chunks_exact(d).zip(weights) {
            if !log_weight.is_finite() || !log_model.is_finite() {
                continue;
            }
            if self.len() < self.capacity {
                self.rows.extend(row);
                self.log_weights.push(*log_weight);
                self.log_model.push(log_model);
            } else {
                let next = self.next;
                self.rows[next * d..(next + 1) * d].copy_from_slice(row);
                self.log_weights[next] = *log_weight;
                self.log_model[next] = log_model;
                self.next = (next + 1) % self.capacity;
            }
        }
    }

    /// The loss of a step on `n` rows that are drawn by their weights, `[1]`:
    ///
    /// ```text
    /// -1/n Σ_i c_i log q(x_i),   c_i = min(q_then(x_i) / q(x_i), 10)
    /// ```
    ///
    /// with `q_then` the model for which the weight of the row was. Their weights are brought up to date.
    ///
    /// # Panics
    ///
    /// If the buffer is empty, and as [`log_prob`](Distribution::log_prob).
    pub fn loss<D: Distribution, R: Rng + ?Sized>(
        &mut self,
        model: &D,
        n: usize,
        rng: &mut R,
    ) -> Tensor<1> {
        assert!(!self.is_empty(), "the buffer is empty: add samples before");
        let indices = self.draw(n, rng);
        let (log_prob, now) = self.log_prob(model, &indices);
        let is_finite = |place: &usize| now[*place].is_finite();
        let (finite, lost): (Vec<usize>, Vec<usize>) = (0..n).partition(is_finite);
        if lost.is_empty() || finite.is_empty() {
            return self.corrected(&indices, log_prob, &now);
        }
        // Rows that the model cannot have any more are forgotten. A graph that is never run backward stays in memory.
        if log_prob.is_tracked() {
            let _ = log_prob.sum().backward();
        }
        for place in lost {
            self.log_weights[indices[place]] = f64::NEG_INFINITY;
        }
        let indices: Vec<usize> = finite.into_iter().map(|place| indices[place]).collect();
        let (log_prob, now) = self.log_prob(model, &indices);
        self.corrected(&indices, log_prob, &now)
    }

    /// The log-densities of rows of the buffer, and the same on the host.
    fn log_prob<D: Distribution>(&self, model: &D, indices: &[usize]) -> (Tensor<1>, Vec<f64>) {
        let place = model.place().unwrap_or_default();
        let log_prob = model.log_prob(self.rows_of(indices, &place.device, place.float_type()));
        let now = log_prob.clone().into_data().iter::<f64>().collect();
        (log_prob, now)
    }

    /// The loss of these rows, whose weights are brought up to date.
    fn corrected(&mut self, indices: &[usize], log_prob: Tensor<1>, now: &[f64]) -> Tensor<1> {
        let corrections: Vec<f64> = indices
            .iter()
            .zip(now)
            .map(|(index, now)| (self.log_model[*index] - now).exp().min(MOST_CORRECTION))
            .collect();
        for (index, now) in indices.iter().zip(now).filter(|(_, now)| now.is_finite()) {
            self.log_weights[*index] += self.log_model[*index] - now;
            self.log_model[*index] = *now;
        }
        let corrections = TensorData::new(corrections, [indices.len()]);
        let options = (&log_prob.device(), log_prob.dtype());
        -(log_prob * Tensor::from_data(corrections, options)).mean()
    }

    /// Rows with replacement, by their weights.
    fn draw<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Vec<usize> {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = normalized(&self.log_weights)
            .into_iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        let last = self.len() - 1;
        (0..n)
            .map(|_| {
                let place = rng.random::<f64>() * sum;
                cumulative.partition_point(|cumulative| *cumulative <= place).min(last)
            })
            .collect()
    }

    fn rows_of(&self, indices: &[usize], device: &Device, dtype: DType) -> Tensor<2> {
        let d = self.d_features;
        let rows = indices.iter().flat_map(|index| &self.rows[index * d..(index + 1) * d]);
        let rows: Vec<f64> = rows.copied().collect();
        Tensor::from_data(TensorData::new(rows, [indices.len(), d]), (device, dtype))
    }
}

/// What a row counts at most whose weight is out of date.
const MOST_CORRECTION: f64 = 10.0;

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use crate::StandardNormal;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    fn sample(values: &[f64]) -> WeightedSample {
        let x = TensorData::new(values.to_vec(), [values.len(), 1]);
        let log_weights = values.iter().map(|value| value.ln()).collect();
        WeightedSample::new(Tensor::from_data(x, &Device::default()), log_weights).unwrap()
    }

    #[test]
    fn the_newest_rows_stay_and_those_without_weight_never_come() {
        let model = StandardNormal::new(1, &Device::default());
        let mut buffer = ReplayBuffer::new(3);
        buffer.add(&sample(&[1.0, 0.0, 2.0]), &model);
        assert_eq!(buffer.rows, [1.0, 2.0]);
        buffer.add(&sample(&[3.0, 4.0]), &model);
        assert_eq!(buffer.rows, [4.0, 2.0, 3.0]);
        assert_eq!(buffer.len(), 3);
    }

    #[test]
    fn rows_are_drawn_by_their_weights() {
        let model = StandardNormal::new(1, &Device::default());
        let mut buffer = ReplayBuffer::new(10);
        buffer.add(&sample(&[1.0, 3.0]), &model);
        let indices = buffer.draw(10_000, &mut ChaCha8Rng::seed_from_u64(0));
        let second = indices.iter().filter(|index| **index == 1).count() as f64;
        // Five standard errors of a share of three quarters.
        assert!((second / 10_000.0 - 0.75).abs() < 5.0 * (0.75f64 * 0.25 / 10_000.0).sqrt());
    }

    /// Under the same model nothing is corrected, and the loss is the mean of the log-densities.
    #[test]
    fn a_row_whose_weight_is_up_to_date_counts_once() {
        let model = StandardNormal::new(1, &Device::default());
        let mut buffer = ReplayBuffer::new(10);
        buffer.add(&sample(&[2.0]), &model);
        let loss = buffer.loss(&model, 4, &mut ChaCha8Rng::seed_from_u64(0)).into_scalar::<f32>();
        assert!((loss - 2.0 - 0.5 * std::f32::consts::TAU.ln()).abs() < 1e-6);
        assert!((buffer.log_weights[0] - 2f64.ln()).abs() < 1e-9);
    }

    /// A model on an interval that has moved away from a row.
    #[test]
    fn a_row_that_the_model_cannot_have_any_more_is_forgotten() {
        let model = StandardNormal::new(1, &Device::default());
        let mut buffer = ReplayBuffer::new(10);
        buffer.add(&sample(&[1.0, 3.0]), &model);
        let uniform = crate::distribution::UniformConfig::new(vec![0.0], vec![2.0]);
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let uniform = uniform.init(&Device::default(), rng);
        let loss = buffer.loss(&uniform, 50, rng).into_scalar::<f32>();
        assert!(loss.is_finite(), "{loss}");
        assert_eq!(buffer.log_weights[1], f64::NEG_INFINITY);
        assert!(buffer.draw(50, rng).iter().all(|index| *index == 0));
    }
}
