//! [`AutoregressiveLaws`]: the checks of a conditioner for autoregressive layers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::compare::{assert_context_ignored_or_refused, host};
use super::list::list_of_laws;
use super::parameters::perturb;
use crate::conditioner::AutoregressiveConditioner;
use crate::parameters::cast;

/// Rows of a batch.
const BATCH: usize = 4;

/// Builds the network that is checked.
type Build<C> = Box<dyn Fn(&Device, &mut ChaCha8Rng) -> C>;

/// The invariants of an [`AutoregressiveConditioner`], each checked by a method that panics when
/// the network does not satisfy it.
pub struct AutoregressiveLaws<C: AutoregressiveConditioner> {
    build: Build<C>,
    n_parameters: usize,
    dtype: FloatDType,
}

list_of_laws! {
    $ AutoregressiveLaws<C: AutoregressiveConditioner>, autoregressive_laws;
    parameters_depend_on_all_earlier_features_and_on_no_others
    ignores_or_demands_its_context
}

impl<C: AutoregressiveConditioner> AutoregressiveLaws<C> {
    /// A case: the network that `build` makes, which gives `n_parameters` parameters for each
    /// feature.
    pub fn new(
        n_parameters: usize,
        build: impl Fn(&Device, &mut ChaCha8Rng) -> C + 'static,
    ) -> Self {
        Self { build: Box::new(build), n_parameters, dtype: FloatDType::F32 }
    }

    /// Checks in another float type; the default is `f32`.
    #[must_use]
    pub fn with_dtype(mut self, dtype: FloatDType) -> Self {
        self.dtype = dtype;
        self
    }

    /// A perturbed network, an input and, if it takes one, a context.
    fn tracked(&self, device: &Device) -> (C, Tensor<2>, Option<Tensor<2>>) {
        let device = device.clone().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let network = cast((self.build)(&device, &mut rng), self.dtype);
        let network = perturb(network, 0.5, &mut rng);
        let mut normal = |d: usize| {
            let values: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(BATCH * d).collect();
            let options = (&device, burn::tensor::DType::from(self.dtype));
            Tensor::<2>::from_data(TensorData::new(values, [BATCH, d]), options)
        };
        let x = normal(network.order().len());
        let context = (network.d_context() > 0).then(|| normal(network.d_context()));
        (network, x, context)
    }

    /// By autodiff: exactly zero where the order forbids a dependence, and nowhere zero in all rows
    /// and parameters where it allows one.
    pub fn parameters_depend_on_all_earlier_features_and_on_no_others(&self, device: &Device) {
        let (network, x, context) = self.tracked(device);
        let order = network.order();
        let d = order.len();
        for feature in 0..d {
            let mut largest = vec![0.0_f64; d];
            for parameter in 0..self.n_parameters {
                let x = x.clone().require_grad();
                let parameters = network.forward(x.clone(), context.as_ref());
                assert_eq!(
                    parameters.dims(),
                    [BATCH, self.n_parameters * d],
                    "the shape of the parameters"
                );
                // The graph must reach the input even where nothing depends on it.
                let column = parameters.narrow(1, parameter * d + feature, 1).sum();
                let gradients = (column + (x.clone() * 0.0).sum()).backward();
                let gradient = host(&x.grad(&gradients).expect("the input is on the graph"));
                for (i, value) in gradient.into_iter().enumerate() {
                    largest[i % d] = largest[i % d].max(value.abs());
                }
            }
            for (other, largest) in largest.into_iter().enumerate() {
                let allowed = order[other] < order[feature];
                assert!(
                    allowed == (largest > 0.0),
                    "the parameters of feature {feature} (rank {}) must {}depend on feature {other} \
                     (rank {}), found derivatives up to {largest}",
                    order[feature],
                    if allowed { "" } else { "not " },
                    order[other],
                );
            }
        }
    }

    /// A network with a context depends on it, and panics without; one without a context gives the
    /// same whatever context it is given, or panics.
    pub fn ignores_or_demands_its_context(&self, device: &Device) {
        let (network, x, context) = self.tracked(device);
        let (network, x) = (network.valid(), x.inner());
        let Some(context) = context.map(Tensor::inner) else {
            let context = x.clone();
            let plain = network.forward(x.clone(), None);
            return assert_context_ignored_or_refused(&plain, || {
                network.forward(x, Some(&context))
            });
        };
        let here = host(&network.forward(x.clone(), Some(&context)));
        let there = host(&network.forward(x.clone(), Some(&(context + 1.0))));
        assert!(here != there, "the context must make a difference");
        let without = AssertUnwindSafe(|| drop(network.forward(x, None)));
        assert!(catch_unwind(without).is_err(), "a network with a context must panic without one");
    }
}
