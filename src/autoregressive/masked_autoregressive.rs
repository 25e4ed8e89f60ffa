//! [`MaskedAutoregressive`]: every feature given those before it.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Bool, Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use crate::adjacency::Adjacency;
use crate::conditioner::{AutoregressiveConditioner, Made, MadeConfig};
use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, required_context, zero_log_det};
use crate::kernel::{Operation, Program, Reason};
use crate::solver;
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap, conditioned};

/// Configuration of a [`MaskedAutoregressive`] in its run-time form.
#[derive(Config, Debug)]
pub struct MaskedAutoregressiveConfig {
    /// Which features the parameters of each feature depend on.
    pub adjacency: Adjacency,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The network that computes the parameters.
    #[config(default = "MadeConfig::default()")]
    pub conditioner: MadeConfig,
    /// The map of each feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
    /// Where latents are taken to data by iterations, these end once no value moves by more than this, at
    /// least 0; at 0 the result is exact.
    #[config(default = 0.0)]
    pub tolerance: f64,
}

impl MaskedAutoregressiveConfig {
    /// Builds the layer on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> MaskedAutoregressive {
        or_panic(self.validate());
        let univariate = self.univariate.init(device, rng);
        let n_parameters = univariate.n_parameters();
        let Self { adjacency, d_context, .. } = self;
        let conditioner = self.conditioner.init(adjacency, *d_context, n_parameters, device, rng);
        MaskedAutoregressive {
            tolerance: self.tolerance,
            ..MaskedAutoregressive::new(conditioner, univariate)
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the adjacency is of another number of context features, a hidden layer has
    /// too few units for it, or the configuration of the conditioner or the map is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        self.conditioner.validate_for(&self.adjacency, self.d_context)?;
        ensure!(
            self.tolerance >= 0.0 && self.tolerance.is_finite(),
            "`tolerance` must be at least 0 and finite, got {}",
            self.tolerance
        );
        self.univariate.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.adjacency.d_features())
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// An autoregressive layer: it transforms each feature by a univariate map, whose parameters a network
/// computes from the data features before it (and the context).
///
/// With data `x`, latents `z`, context `c`, conditioner `θ` and univariate map `f`:
///
/// ```text
/// x_i = f(z_i; θ_i(x_<i, c))        log |det ∂x/∂z| = Σ_i log |f'(z_i; θ_i(x_<i, c))|
/// ```
///
/// where `x_<i` are the features that the conditioner's [`Adjacency`] allows feature `i` to depend on. The
/// Jacobian is triangular in the order of the passes.
///
/// From data to latent, which likelihoods need, all features are transformed at once: one pass
/// through the conditioner. From latent to data, each pass of the adjacency needs the features of
/// the passes before it. On the CPU the kernels compute every unit of the network once, when what it
/// depends on is known: the same arithmetic as the other direction, in as many small steps as there
/// are passes. Elsewhere the whole network is run over all features until nothing changes, or by no more than
/// a [tolerance](MaskedAutoregressiveConfig::tolerance) (Jacobi's iteration), at most once per pass and most
/// often a few times; where gradients are wanted, once per pass. [`Inverse`](crate::Inverse) makes sampling the fast direction, as in inverse autoregressive
/// flows.
///
/// The default type parameters are the run-time form, which [`MaskedAutoregressiveConfig`] builds;
/// `MaskedAutoregressive<MyNetwork, MyMap>` is made with [`new`](MaskedAutoregressive::new).
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or if the layer was built with a context and
/// there is none, or one of another shape.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Adjacency, Flow, MaskedAutoregressiveConfig, Order};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let layer = MaskedAutoregressiveConfig::new(Adjacency::autoregressive(&Order::natural(3)))
///     .init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let x = Tensor::<2>::from_data([[0.1, -0.2, 1.5]], &device);
/// let (z, log_det) = layer.inverse(x.clone(), None);
/// // A new layer is the identity.
/// assert_eq!(z.into_data(), x.into_data());
/// assert_eq!(log_det.into_scalar::<f32>(), 0.0);
/// ```
///
/// # References
///
/// Papamakarios, Pavlakou, Murray: *Masked Autoregressive Flow for Density Estimation*, 2017,
/// arXiv:1705.07057. Kingma et al.: *Improving Variational Inference with Inverse Autoregressive
/// Flow*, 2016, arXiv:1606.04934. Jacobi's iteration: Song, Meng, Liao, Ermon: *Accelerating
/// Feedforward Computation via Parallel Nonlinear Equation Solving*, 2021, arXiv:2002.03629, and for
/// such layers Liu, Qin: *Accelerate TarFlow Sampling with GS-Jacobi Iteration*, 2025,
/// arXiv:2505.12849.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MaskedAutoregressive<C: AutoregressiveConditioner = Made, U: Univariate = UnivariateMap>
{
    /// The network that computes the parameters.
    pub conditioner: C,
    /// The map of each feature.
    pub univariate: U,
    /// The pass of each feature.
    #[module(skip)]
    passes: Vec<usize>,
    #[module(skip)]
    tolerance: f64,
}

impl<C: AutoregressiveConditioner, U: Univariate> MaskedAutoregressive<C, U> {
    /// Puts a layer together from its parts. The conditioner gives `univariate.n_parameters()` parameters
    /// for each feature of its order.
    pub fn new(conditioner: C, univariate: U) -> Self {
        let passes = conditioner.order();
        Self { conditioner, univariate, passes, tolerance: 0.0 }
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        // A conditioner that takes none is given none.
        let d_context = self.conditioner.d_context();
        let context =
            (d_context > 0).then(|| required_context("autoregressive", d_context, &input, context));
        let d_features = self.passes.len();
        assert_shape!(input, [_, d_features]);
        if input.dims()[0] == 0 {
            // Some backends divide by the number of rows in a matrix product.
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        match direction {
            Direction::Inverse => self.given(&input, direction, input.clone(), context),
            Direction::Forward => self.solve(&input, context),
        }
    }

    /// All features of `input` by the parameters that those of `data` give.
    fn given(
        &self,
        input: &Tensor<2>,
        direction: Direction,
        data: Tensor<2>,
        context: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.conditioner.forward(data, context);
        conditioned(&self.univariate, direction, input.clone(), parameters)
    }

    /// The data that `z` stands for: after each iteration the features of one more pass are exact.
    fn solve(&self, z: &Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let n_passes = self.passes.iter().max().map_or(0, |last| last + 1);
        let mut state = (z.clone(), zero_log_det(z));
        let mut last = Vec::new();
        for pass in 0..n_passes {
            let before = self.without_overflows(pass, state.0);
            // Numbers that are not known yet have no say in what was not found.
            let (now, unsolved) =
                solver::watched(|| self.given(z, Direction::Forward, before.clone(), context));
            (state, last) = (now, unsolved);
            // With a graph the iterations are what the gradients go through.
            if !z.is_autodiff() && self.is_still(before, &state.0) {
                break;
            }
        }
        solver::report(last);
        state
    }

    /// Features that are not known before a pass, with zeros where an iteration took them out of the range of
    /// the float type: a network multiplies what it does not see by zeros, and infinities would stay.
    fn without_overflows(&self, pass: usize, x: Tensor<2>) -> Tensor<2> {
        let is_unknown: Vec<bool> = self.passes.iter().map(|&of_one| of_one >= pass).collect();
        let shape = [1, is_unknown.len()];
        let is_unknown =
            Tensor::<2, Bool>::from_data(TensorData::new(is_unknown, shape), &x.device());
        let overflows = x.clone().is_finite().bool_not().bool_and(is_unknown.expand(x.shape()));
        x.mask_fill(overflows, 0.0)
    }

    /// Whether no value moved by more than the tolerance.
    fn is_still(&self, before: Tensor<2>, after: &Tensor<2>) -> bool {
        let is_still = match self.tolerance {
            0.0 => before.equal(after.clone()),
            tolerance => (before - after.clone()).abs().lower_equal_elem(tolerance),
        };
        is_still.all().into_scalar::<bool>()
    }
}

impl<C: AutoregressiveConditioner, U: Univariate> Flow for MaskedAutoregressive<C, U> {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.passes.len())
    }

    fn d_context(&self) -> usize {
        self.conditioner.d_context()
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let network = self.conditioner.network_layers().ok_or(Reason::Conditioner);
        let operation = network.and_then(|network| {
            let map = self.univariate.kernel().ok_or(Reason::Map)?;
            Ok(Operation::Autoregressive { network, map })
        });
        program.add_layer(self, operation);
    }
}

/// As "autoregressive, 4 features, MADE of MLP 64-64, Relu, 4 passes, affine".
impl<C: AutoregressiveConditioner, U: Univariate> ModuleDisplay for MaskedAutoregressive<C, U> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let settings = content.display_settings.clone();
        let conditioner = self.conditioner.format(settings.clone());
        let map = self.univariate.format(settings);
        let d_features = self.passes.len();
        let text = format!("autoregressive, {d_features} features, {conditioner}, {map}");
        content.add_formatted(&text).optional()
    }
}

#[cfg(all(test, any(feature = "flex", feature = "ndarray")))]
mod tests {
    use super::*;
    use crate::univariate::{Affine, AffineConfig, ScaleBound};
    use burn::module::Param;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    /// Log-scales that grow steeply with the features before: 60 times their sum.
    #[derive(Module, Debug)]
    struct Steep {
        weight: Param<Tensor<2>>,
    }

    impl AutoregressiveConditioner for Steep {
        fn forward(&self, input: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<2> {
            let log_scales = input.clone().matmul(self.weight.val().triu(1));
            Tensor::cat(vec![input.zeros_like(), log_scales], 1)
        }

        fn order(&self) -> Vec<usize> {
            (0..self.weight.dims()[0]).collect()
        }
    }

    fn steep(tolerance: f64) -> MaskedAutoregressive<Steep, Affine> {
        let device = Device::default();
        let affine = AffineConfig::new().with_bound(ScaleBound::Exp);
        let affine = affine.init(&device, &mut ChaCha8Rng::seed_from_u64(0));
        let weight = Param::from_data([[60.0; 5]; 5], &device);
        MaskedAutoregressive { tolerance, ..MaskedAutoregressive::new(Steep { weight }, affine) }
    }

    fn solved(z: [f32; 5], tolerance: f64) -> (Vec<f32>, f32) {
        let z = Tensor::from_data([z], &Device::default());
        let (x, log_det) = steep(tolerance).forward(z, None);
        (x.into_data().try_into_vec().unwrap(), log_det.into_scalar::<f32>())
    }

    /// The first iteration, from the latents, has log-scales up to 180, whose exponentials are infinite in
    /// f32; the data are of log-scales of -60.
    #[test]
    fn an_iteration_that_overflows_is_overcome() {
        let (x, log_det) = solved([-1.0, 2.0, 1.0, 1.0, 3.0], 0.0);
        let small = (-60_f32).exp();
        let expected = [-1.0, 2.0 * small, small, small, 3.0 * small];
        for (found, expected) in x.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{x:?}");
        }
        assert!((log_det + 240.0).abs() < 1e-3, "{log_det}");
    }

    #[test]
    fn a_tolerance_ends_the_iteration_early() {
        let by = |tolerance| solved([-0.01, 0.02, 0.01, 0.01, -0.03], tolerance).0;
        let (exact, within, first) = (by(0.0), by(0.02), by(f64::MAX));
        let distance = |x: &[f32]| -> f32 {
            x.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // Of log-scales of about 1 the first iteration gets some wrong by much of their size.
        assert!(distance(&first) > 1e-3, "{first:?}");
        assert!(distance(&within) < distance(&first), "{within:?}, {exact:?}");
        let adjacency = Adjacency::autoregressive(&crate::Order::natural(2));
        let config = MaskedAutoregressiveConfig::new(adjacency).with_tolerance(-1.0);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("`tolerance` must be at least 0 and finite, got -1"), "{error}");
    }
}
