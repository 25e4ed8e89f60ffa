//! [`Inverse`]: a flow with its directions swapped.

use burn::config::Config;
use burn::module::{DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::interface::Flow;
use super::layer::{Layer, LayerConfig};
use super::sequential::{Sequential, SequentialConfig};
use super::table::table;
use crate::direction::Direction;
use crate::error::{Error, or_panic};
use crate::kernel::Program;
use crate::parameters::Place;

/// Configuration of an [`Inverse`] in its run-time form.
#[derive(Config, Debug)]
pub struct InverseConfig {
    /// The layers whose directions are swapped, in their own `forward` order.
    pub layers: Vec<LayerConfig>,
}

impl InverseConfig {
    /// Builds the stack on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(
        &self,
        device: &Device,
        rng: &mut R,
    ) -> Inverse<Sequential<Layer>> {
        or_panic(self.validate());
        Inverse::new(self.sequential().init(device, rng))
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// As for a [`SequentialConfig`].
    pub fn validate(&self) -> Result<(), Error> {
        self.sequential().validate()
    }

    /// The number of features; `None` if any will do.
    pub(crate) fn d_features(&self) -> Option<usize> {
        self.sequential().d_features()
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.sequential().d_context()
    }

    fn sequential(&self) -> SequentialConfig {
        SequentialConfig::new(self.layers.clone())
    }
}

/// A flow with its directions swapped: `forward` is the inner `inverse`, and the other way round.
///
/// No layer of this crate has a direction flag. Where a paper or another library writes a layer in
/// the data-to-latent direction, wrap it.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, Inverse, MaskedCouplingConfig, coupling::Mask};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let coupling = MaskedCouplingConfig::new(Mask::alternating(2)).init(&device, &mut rng);
/// let coupling = normalizing_flows::testing::perturb(coupling, 0.3, &mut rng);
/// let swapped = Inverse::new(coupling.clone());
///
/// let x = Tensor::<2>::from_data([[0.3, -1.2]], &device);
/// let (a, _) = coupling.inverse(x.clone(), None);
/// let (b, _) = swapped.forward(x, None);
/// assert_eq!(a.into_data(), b.into_data());
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Inverse<F: Flow> {
    /// The flow whose directions are swapped.
    pub flow: F,
}

impl<F: Flow> Inverse<F> {
    /// Swaps the directions of a flow.
    pub fn new(flow: F) -> Self {
        Self { flow }
    }
}

impl<F: Flow> Flow for Inverse<F> {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.flow.inverse(z, context)
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        self.flow.forward(x, context)
    }

    fn d_features(&self) -> Option<usize> {
        self.flow.d_features()
    }

    fn d_context(&self) -> usize {
        self.flow.d_context()
    }

    fn calibrate(
        self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        direction: Direction,
    ) -> Self {
        Self { flow: self.flow.calibrate(input, context, direction.reversed()) }
    }

    fn is_calibrated(&self) -> bool {
        self.flow.is_calibrated()
    }

    fn place(&self) -> Option<Place> {
        self.flow.place()
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        program.add_swapped(|program| self.flow.lower(program));
    }
}

/// As "inverse of coupling, ..."; of several layers a table.
impl<F: Flow> ModuleDisplay for Inverse<F> {
    fn format(&self, settings: DisplaySettings) -> String {
        let inner = self.flow.format(settings);
        match inner.contains('\n') {
            true => table(self, self.d_features().unwrap_or(0)),
            false => format!("inverse of {inner}"),
        }
    }
}
