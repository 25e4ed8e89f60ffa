//! [`PeriodicMlp`]: a multilayer perceptron of which some inputs are angles.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor};
use rand::Rng;

use super::interface::{Conditioner, ConditionerShape};
use super::mlp::{Mlp, MlpConfig};
use super::network_layers::NetworkLayers;
use crate::error::{Error, ensure, or_panic};
use crate::parameters::int_parameter;

/// Configuration of a [`PeriodicMlp`].
#[derive(Config, Debug)]
pub struct PeriodicMlpConfig {
    /// Whether each input is an angle.
    pub periodic: Vec<bool>,
    /// The network that takes the sines and cosines.
    #[config(default = "MlpConfig::new()")]
    pub mlp: MlpConfig,
}

impl PeriodicMlpConfig {
    /// Builds the network on a device, its weights drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate), or if `periodic` is not of as many inputs
    /// as the shape has.
    pub fn init<R: Rng + ?Sized>(
        &self,
        shape: ConditionerShape,
        device: &Device,
        rng: &mut R,
    ) -> PeriodicMlp {
        or_panic(self.validate());
        or_panic(self.validate_inputs(shape.d_input));
        let of_kind = |kind: bool| -> Vec<usize> {
            (0..shape.d_input).filter(|&input| self.periodic[input] == kind).collect()
        };
        let (angles, others) = (of_kind(true), of_kind(false));
        let d_input = others.len() + 2 * angles.len();
        PeriodicMlp {
            angles: int_parameter(&angles, device),
            others: int_parameter(&others, device),
            mlp: self.mlp.init(ConditionerShape { d_input, ..shape }, device, rng),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// As [`MlpConfig::validate`].
    pub fn validate(&self) -> Result<(), Error> {
        self.mlp.validate()
    }

    pub(super) fn validate_inputs(&self, d_input: usize) -> Result<(), Error> {
        let n = self.periodic.len();
        ensure!(n == d_input, "`periodic` must have a value for each of {d_input} inputs, got {n}");
        Ok(())
    }
}

/// An [`Mlp`] of which some inputs are angles: they go in as their sine and cosine, so that an angle
/// and the same angle one turn further give the same parameters. Contexts go in as they are.
///
/// # Shapes
///
/// As for [`Conditioner`].
///
/// # References
///
/// Rezende et al.: *Normalizing Flows on Tori and Spheres*, 2020, arXiv:2002.02428.
///
/// # Example
///
/// ```
/// use normalizing_flows::conditioner::PeriodicMlpConfig;
/// use normalizing_flows::coupling::Mask;
/// use normalizing_flows::univariate::{BoundarySlopes, RationalQuadraticSplineConfig};
/// use normalizing_flows::{Flow, MaskedCouplingConfig};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// // One angle given another.
/// use std::f64::consts::PI;
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let spline = RationalQuadraticSplineConfig::new()
///     .with_interval([-PI, PI])
///     .with_boundary_slopes(BoundarySlopes::Periodic);
/// let layer = MaskedCouplingConfig::new(Mask::alternating(2))
///     .with_conditioner(PeriodicMlpConfig::new(vec![true]).into())
///     .with_univariate(spline.into())
///     .init(&device, &mut rng);
/// let (x, _) = layer.forward(Tensor::from_floats([[1.0, 2.0]], &device), None);
/// assert_eq!(x.dims(), [1, 2]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct PeriodicMlp {
    angles: Param<Tensor<1, Int>>,
    others: Param<Tensor<1, Int>>,
    /// The network that takes the other inputs, then the sines, then the cosines.
    pub mlp: Mlp,
}

impl Conditioner for PeriodicMlp {
    fn forward(&self, input: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let of = |indices: &Param<Tensor<1, Int>>| {
            (indices.dims()[0] > 0).then(|| input.clone().select(1, indices.val()))
        };
        let angles = of(&self.angles);
        let inputs = [of(&self.others), angles.clone().map(Tensor::sin), angles.map(Tensor::cos)];
        self.mlp.forward(Tensor::cat(inputs.into_iter().flatten().collect(), 1), context)
    }

    fn d_context(&self) -> usize {
        self.mlp.d_context()
    }

    fn network_layers(&self) -> Option<Vec<NetworkLayers<'_>>> {
        let networks = self.mlp.network_layers()?.into_iter();
        Some(networks.map(|mlp| NetworkLayers { angles: Some(&self.angles), ..mlp }).collect())
    }
}

/// As "MLP 64-64, Relu, of 2 angles".
impl ModuleDisplay for PeriodicMlp {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let mlp = self.mlp.format(content.display_settings.clone());
        let text = format!("{mlp}, of {} angles", self.angles.dims()[0]);
        content.add_formatted(&text).optional()
    }
}
