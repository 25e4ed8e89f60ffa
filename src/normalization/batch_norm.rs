//! [`BatchNorm`]: each batch standardised by itself.

use burn::config::Config;
use burn::module::{Content, Flag, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use super::affine::{apply, halves};
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::Flow;
use crate::flow::run::directions_by_transform;
use crate::kernel::{KernelMap, Operation, Program, Reason};
use crate::parameters::{Running, Settings, full};
use crate::univariate::ScaleBound;

/// Configuration of a [`BatchNorm`].
#[derive(Config, Debug)]
pub struct BatchNormConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// What is added to variances, above 0.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// The share that a new batch has in the running statistics, above 0 and at most 1.
    #[config(default = 0.1)]
    pub momentum: f64,
}

impl BatchNormConfig {
    /// Builds the layer on a device, with a running mean of 0 and a variance of 1.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> BatchNorm {
        or_panic(self.validate());
        let d = self.d_features;
        let statistics = [vec![0.0_f32; d], vec![1.0; d]].concat();
        let statistics = Tensor::from_data(TensorData::new(statistics, [2, d]), device);
        BatchNorm {
            parameters: Param::from_data(TensorData::zeros::<f32, _>([2, d]), device),
            running: Running::new(statistics),
            learns_statistics: Param::from_bool(true),
            epsilon: self.epsilon,
            momentum: self.momentum,
            settings: Settings::new([format!("epsilon = {:?}", self.epsilon)], device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, or `epsilon` or `momentum` are out of their ranges.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { d_features, epsilon, momentum } = *self;
        ensure!(d_features > 0, "`d_features` must be at least 1, got 0");
        ensure!(
            epsilon > 0.0 && epsilon.is_finite(),
            "`epsilon` must be above 0 and finite, got {epsilon}"
        );
        ensure!(
            momentum > 0.0 && momentum <= 1.0,
            "`momentum` must be above 0 and at most 1, got {momentum}"
        );
        Ok(())
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Batch normalisation: in training every batch of data is standardised by its own mean and variance, later
/// by the running ones.
///
/// ```text
/// z_i = exp(g_i) (x_i - m_i) / sqrt(v_i + epsilon) + b_i        log |det ∂z/∂x| = Σ_i g_i - log(v_i + epsilon) / 2
/// ```
///
/// In training, that is on a device with autodiff (as `fit` has it) and unless the layer is
/// [frozen](Module::freeze) or has [fixed statistics](Self::with_fixed_statistics), `inverse` (data to
/// latent) takes `m` and `v`, of which gradients go back too, from the batch, and moves the running
/// statistics to them by `momentum`, those of a clone apart; a statistic that is not finite moves nothing.
/// Everywhere else, and always in `forward` (latent to data), the running ones count: the map is fixed and
/// invertible, and the kernels compute it. So a log-density in training is that of a row among the others of its batch, and
/// is not a density; [`valid()`](Module::valid) gives the model that is. More than 16,384 rows are
/// standardised in parts. [`ActNorm`](super::ActNorm) has none of these surprises, and is what newer
/// flows have.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or one row in training: a single row has no variance.
///
/// # Example
///
/// ```
/// use normalizing_flows::Flow;
/// use normalizing_flows::normalization::BatchNormConfig;
/// use normalizing_flows::burn::module::Module;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let training = device.clone().autodiff();
/// let layer = BatchNormConfig::new(1).with_momentum(1.0).init(&training, &mut rng);
/// let (z, _) = layer.inverse(Tensor::from_data([[8.0], [12.0]], &training), None);
/// let z = z.into_data().try_into_vec::<f32>().unwrap();
/// assert!((z[0] + 1.0).abs() < 1e-5 && (z[1] - 1.0).abs() < 1e-5);
/// // The mean is 10 and the variance 4.
/// let (x, log_det) = layer.valid().forward(Tensor::from_data([[2.0]], &device), None);
/// assert!((x.into_scalar::<f32>() - 14.0).abs() < 1e-4);
/// assert!((log_det.into_scalar::<f32>() - 2_f32.ln()).abs() < 1e-5);
/// ```
///
/// # References
///
/// Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, 2016, arXiv:1605.08803, section 3.7;
/// with `g` and `b` as in Papamakarios, Pavlakou, Murray: *Masked Autoregressive Flow for Density
/// Estimation*, 2017, arXiv:1705.07057.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BatchNorm {
    /// `b` and `g`, `[2, d_features]`.
    pub parameters: Param<Tensor<2>>,
    /// `m` and `v`, `[2, d_features]`.
    running: Running<2>,
    /// Off in a frozen layer, and where they are fixed.
    learns_statistics: Param<Flag>,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    momentum: f64,
    settings: Settings,
}

impl BatchNorm {
    /// The running mean and variance, `[2, d_features]`.
    pub fn statistics(&self) -> Tensor<2> {
        self.running.value()
    }

    /// The layer with other running statistics, the mean and the variance, `[2, d_features]`.
    ///
    /// # Panics
    ///
    /// If they are of another number of features, a value is not finite, or a variance is below 0.
    #[track_caller]
    pub fn with_statistics(self, statistics: Tensor<2>) -> Self {
        assert_eq!(statistics.dims(), self.parameters.dims(), "a mean and a variance per feature");
        let values: Vec<f64> = statistics.to_data().iter::<f64>().collect();
        let (means, variances) = values.split_at(values.len() / 2);
        for (feature, (mean, variance)) in means.iter().zip(variances).enumerate() {
            assert!(
                mean.is_finite() && variance.is_finite() && *variance >= 0.0,
                "the statistics must be finite and variances at least 0, got a mean of {mean} and a variance of \
                 {variance} for feature {feature}"
            );
        }
        Self { running: Running::new(statistics), ..self }
    }

    /// The layer with its running statistics as they are, in training too; it learns `b` and `g` alone.
    /// As with all of burn's training flags, a record does not hold that: call it again on what was loaded.
    pub fn with_fixed_statistics(self) -> Self {
        Self { learns_statistics: Param::from_bool(false), ..self }
    }

    /// Whether data are standardised by their own statistics.
    fn is_by_batch(&self, direction: Direction) -> bool {
        direction == Direction::Inverse
            && self.learns_statistics.is_enabled()
            && self.parameters.val().device().is_autodiff()
    }

    /// The statistics of a batch, with their gradients; the running ones follow.
    fn of_batch(&self, batch: &Tensor<2>) -> Tensor<2> {
        let n_rows = batch.dims()[0];
        or_panic(at_least_two(n_rows));
        let mean = batch.clone().mean_dim(0);
        let centred = batch.clone() - mean.clone();
        let variance = (centred.clone() * centred).mean_dim(0);
        let statistics = Tensor::cat(vec![mean, variance], 0);
        self.running.update(|before| {
            let before = before.to_device(&batch.device()).cast(batch.dtype());
            let new = statistics.clone().detach() * self.momentum;
            let after = before.clone() * (1.0 - self.momentum) + new;
            // A batch with an infinite value has no statistics, and the next one has.
            let is_lost = after.clone().is_finite().bool_not();
            after.mask_where(is_lost, before).detach()
        });
        statistics
    }

    /// `z` to `x` as an affine map: the shifts and the log-scales, `[2, d_features]`.
    fn affine(&self, statistics: Tensor<2>) -> Tensor<2> {
        let parameters = full(&self.parameters);
        let [shift, gain] = halves(parameters);
        let [mean, variance] = halves(statistics.to_device(&shift.device()).cast(shift.dtype()));
        let log_scale = (variance + self.epsilon).log() * 0.5 - gain;
        Tensor::cat(vec![mean - shift * log_scale.clone().exp(), log_scale], 0)
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let ([_, d_features], [batch, _]) = (self.parameters.dims(), input.dims());
        assert_shape!(input, [_, d_features]);
        let statistics = match batch > 0 && self.is_by_batch(direction) {
            true => self.of_batch(&input),
            false => self.statistics(),
        };
        apply(self.affine(statistics), direction, input)
    }
}

fn at_least_two(n_rows: usize) -> Result<(), Error> {
    ensure!(
        as Data,
        n_rows > 1,
        "batch normalisation needs batches of at least 2 rows to train on, got {n_rows}: a single row has no \
         variance; evaluate by `valid()`, or drop the last batch of an epoch"
    );
    Ok(())
}

impl Flow for BatchNorm {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.parameters.dims()[1])
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let operation = if self.is_by_batch(program.direction()) {
            Err(Reason::Batch)
        } else {
            let map = KernelMap::Affine(ScaleBound::Exp);
            Ok(Operation::Elementwise { parameters: self.affine(self.statistics()), map })
        };
        program.add_layer(self, operation);
    }
}

/// As "batch normalisation, 3 features, epsilon = 1e-5".
impl ModuleDisplay for BatchNorm {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let ([_, d_features], settings) = (self.parameters.dims(), self.settings.text());
        let text = format!("batch normalisation, {d_features} features, {settings}");
        content.add_formatted(&text).optional()
    }
}
