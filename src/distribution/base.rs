//! [`Base`]: every base distribution of the crate in one type.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::diagonal_normal::{DiagonalNormal, DiagonalNormalConfig};
use super::interface::{Distribution, Reparameterized};
use super::noise::Noise;
use super::partly_periodic::{PartlyPeriodic, PartlyPeriodicConfig};
use super::standard_normal::{StandardNormal, StandardNormalConfig};
use crate::closed_enum::closed_enum;
use crate::kernel::KernelBase;
use crate::parameters::Place;

closed_enum! {
    /// Any base distribution of the crate, for models that are known only at run time and for
    /// files.
    pub enum Base as on_base($) {
        /// The standard normal.
        StandardNormal(StandardNormal) from StandardNormalConfig;
        /// Independent normals with a location and a scale each.
        DiagonalNormal(DiagonalNormal) from DiagonalNormalConfig;
        /// Angles that are uniform, and standard normals.
        PartlyPeriodic(PartlyPeriodic) from PartlyPeriodicConfig;
    }

    /// Configuration of a [`Base`].
    pub enum BaseConfig as on_config;
}

impl BaseConfig {
    /// Builds the distribution on a device; its weights, if it draws any, come from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Base {
        on_config!(self, config => config.init(device, rng).into())
    }

    /// The number of features.
    pub fn d_features(&self) -> usize {
        on_config!(self, config => config.d_features())
    }

    /// The number of context features; 0 for none.
    pub fn d_context(&self) -> usize {
        on_config!(self, config => config.d_context())
    }
}

impl Distribution for Base {
    fn d_features(&self) -> usize {
        on_base!(self, base => base.d_features())
    }

    fn d_context(&self) -> usize {
        on_base!(self, base => base.d_context())
    }

    fn log_density(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
        on_base!(self, base => base.log_density(x, context))
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        on_base!(self, base => base.draw(n, context, noise))
    }

    fn draw_with_log_density<R: Rng + ?Sized>(
        &self,
        n: usize,
        context: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> (Tensor<2>, Tensor<1>) {
        on_base!(self, base => base.draw_with_log_density(n, context, noise))
    }

    fn is_calibrated(&self) -> bool {
        on_base!(self, base => base.is_calibrated())
    }

    fn place(&self) -> Option<Place> {
        on_base!(self, base => base.place())
    }

    fn kernel(&self) -> Option<KernelBase> {
        on_base!(self, base => base.kernel())
    }
}

impl Reparameterized for Base {}

/// Compiles only while every base keeps the promise of the line above.
const _: fn(&Base) = |base| {
    fn promises<D: Reparameterized>(_: &D) {}
    on_base!(base, base => promises(base));
};
