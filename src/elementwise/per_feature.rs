//! [`Elementwise`]: a learnt univariate map of every feature.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use rand::Rng;

use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, PulledBack, check_shapes, pulled_back, zero_log_det};
use crate::kernel::{Operation, Program, Reason};
use crate::univariate::{Univariate, UnivariateConfig, UnivariateMap};

/// Configuration of an [`Elementwise`] layer in its run-time form.
#[derive(Config, Debug)]
pub struct ElementwiseConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The map of each feature.
    #[config(default = "UnivariateConfig::default()")]
    pub univariate: UnivariateConfig,
}

impl ElementwiseConfig {
    /// Builds the layer on a device, its parameters at zero; the map's own weights, if it holds
    /// any, are drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Elementwise {
        or_panic(self.validate());
        Elementwise::new(self.d_features, self.univariate.init(device, rng), device)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `d_features` is 0, or the configuration of the map is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(self.d_features > 0, "`d_features` must be at least 1, got 0");
        self.univariate.validate()
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

/// Transforms each feature by a univariate map whose parameters are learnt and the same for all
/// rows.
///
/// ```text
/// x_i = f(z_i; θ_i)        log |det ∂x/∂z| = Σ_i log |f'(z_i; θ_i)|
/// ```
///
/// It mixes no features: it is the layer for one feature, and the scaling layer of NICE. Each
/// direction costs `O(d_features)`.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::{ElementwiseConfig, Flow};
/// use normalizing_flows::burn::module::Param;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let mut layer = ElementwiseConfig::new(1).init(&device, &mut rng);
/// layer.parameters = Param::from_data([[3.0], [0.0]], &device); // shift, raw log-scale
/// let (x, _) = layer.forward(Tensor::from_data([[1.0], [2.0]], &device), None);
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [4.0, 5.0]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Elementwise<U: Univariate = UnivariateMap> {
    /// The parameters, `[n_parameters, d_features]`.
    pub parameters: Param<Tensor<2>>,
    /// The map of each feature.
    pub univariate: U,
}

impl<U: Univariate> Elementwise<U> {
    /// A layer over any univariate map, its parameters at zero.
    ///
    /// # Panics
    ///
    /// If `d_features` is 0.
    pub fn new(d_features: usize, univariate: U, device: &Device) -> Self {
        assert!(d_features > 0, "`d_features` must be at least 1, got 0");
        let zeros = TensorData::zeros::<f32, _>([univariate.n_parameters(), d_features]);
        Self { parameters: Param::from_data(zeros, device), univariate }
    }

    /// The same for each of so many rows.
    fn parameters_of(&self, batch: usize) -> Tensor<3> {
        let parameters = self.parameters.val();
        let [n_parameters, d_features] = parameters.dims();
        parameters.unsqueeze_dim::<3>(0).expand([batch, n_parameters, d_features])
    }

    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let [_, d_features] = self.parameters.dims();
        assert_shape!(input, [_, d_features]);
        let [batch, _] = input.dims();
        if batch == 0 {
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        let parameters = self.parameters_of(batch);
        let (output, log_slope) = match direction {
            Direction::Forward => self.univariate.forward(input, parameters),
            Direction::Inverse => self.univariate.inverse(input, parameters),
        };
        (output, log_slope.sum_dim(1).squeeze_dim(1))
    }
}

impl<U: Univariate> Flow for Elementwise<U> {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.parameters.dims()[1])
    }

    fn pull_back(
        &self,
        x: Tensor<2>,
        gradient: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> Option<PulledBack> {
        check_shapes(&x, &gradient, self.parameters.dims()[1]);
        if x.dims()[0] == 0 {
            return Some(PulledBack::of_no_rows(x, gradient));
        }
        let parameters = self.parameters_of(x.dims()[0]);
        let (pulled, _) = pulled_back(&self.univariate, x, parameters, gradient)?;
        Some(pulled)
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let map = self.univariate.kernel().ok_or(Reason::Map);
        let parameters = self.parameters.val();
        program.add_layer(self, map.map(|map| Operation::Elementwise { parameters, map }));
    }
}

/// As "elementwise, 3 features, affine".
impl<U: Univariate> ModuleDisplay for Elementwise<U> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [_, d_features] = self.parameters.dims();
        let map = self.univariate.format(content.display_settings.clone());
        content.add_formatted(&format!("elementwise, {d_features} features, {map}")).optional()
    }
}
