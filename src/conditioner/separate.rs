//! [`SeparateMlps`]: one network a parameter.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::{Conditioner, Sizes};
use super::mlp::{Mlp, MlpConfig};
use super::parts::Parts;

/// One [`Mlp`] for each parameter of the univariate map, as in RealNVP's separate networks for
/// scale and shift.
///
/// # Shapes
///
/// As for [`Conditioner`].
#[derive(Module, Debug)]
pub struct SeparateMlps {
    /// The networks, one a parameter, in the order of the univariate map's parameters.
    pub networks: Vec<Mlp>,
}

impl SeparateMlps {
    pub(super) fn new<R: Rng + ?Sized>(
        config: &MlpConfig,
        sizes: Sizes,
        device: &Device,
        rng: &mut R,
    ) -> Self {
        let one = Sizes { n_parameters: 1, ..sizes };
        let networks = (0..sizes.n_parameters).map(|_| config.init(one, device, rng)).collect();
        Self { networks }
    }
}

impl Conditioner for SeparateMlps {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let outputs =
            self.networks.iter().map(|network| network.forward(input.clone(), context)).collect();
        Tensor::cat(outputs, 1)
    }

    fn d_context(&self) -> usize {
        self.networks.first().map_or(0, Mlp::d_context)
    }

    fn parts(&self) -> Option<Vec<Parts<'_>>> {
        let parts = self.networks.iter().map(Conditioner::parts);
        parts.collect::<Option<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
    }
}
