//! [`Pullback`]: a target as the latent space of a flow sees it.

use burn::tensor::Tensor;

use super::interface::Target;
use crate::error::or_panic;
use crate::flow::{Flow, common_d_features};
use crate::parameters::Place;

/// A target as the latent space of a flow sees it: with `x = f(z)`,
///
/// ```text
/// log p̃_z(z) = log p̃(x) + log |det ∂x/∂z|
/// ```
///
/// Its normalising constant is that of the target, and a sample of it becomes one of the target by `f`. A flow that
/// fits makes it the base distribution of the flow, which is easier to sample: the samplers go in latent space when
/// they are given the base and the pull-back, in data space when they are given the model and the target.
///
/// # Panics
///
/// If the flow takes a context, at the first call.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::target::{HamiltonianConfig, Pullback, SmcConfig, target_fn};
/// use normalizing_flows::{Flow, RealNvpConfig};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let model = RealNvpConfig::new(2).init(&Device::default(), &mut rng);
/// let target = target_fn(2, |x: Tensor<2>| (x - 1.0).square().sum_dim(1).squeeze_dim(1) * -0.5);
/// let latent = SmcConfig::new(500).run(&model.base, &Pullback::new(&model.flow, &target), &mut rng)?;
/// let (x, _) = model.flow.forward(latent.x().clone(), None);
/// # assert_eq!(x.dims(), [500, 2]);
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
///
/// # References
///
/// Hoffman, Sountsov, Dillon, Langmore, Tran, Vasudevan: *NeuTra-lizing Bad Geometry in Hamiltonian Monte Carlo Using
/// Neural Transport*, 2019, arXiv:1903.03704.
#[derive(Debug, Clone)]
pub struct Pullback<F, T> {
    flow: F,
    target: T,
}

impl<F: Flow, T: Target> Pullback<F, T> {
    /// The target seen through a flow, whose parameters are constants here.
    ///
    /// # Panics
    ///
    /// If flow and target differ in their features.
    pub fn new(flow: &F, target: T) -> Self {
        or_panic(common_d_features([flow.d_features(), Some(target.d_features())]));
        Self { flow: flow.valid(), target }
    }
}

impl<F: Flow, T: Target> Target for Pullback<F, T> {
    fn d_features(&self) -> usize {
        self.target.d_features()
    }

    fn log_density(&self, z: Tensor<2>) -> Tensor<1> {
        let (x, log_det) = self.flow.forward(z, None);
        self.target.log_density(x) + log_det
    }

    fn place(&self) -> Option<Place> {
        self.flow.place()
    }
}
