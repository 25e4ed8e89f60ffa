//! [`Base`]: every base distribution of the crate in one type.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::diagonal_normal::{DiagonalNormal, DiagonalNormalConfig};
use super::ensemble::{Ensemble, EnsembleConfig};
use super::full_normal::{FullNormal, FullNormalConfig};
use super::interface::Distribution;
use super::location_scale::{LocationScale, LocationScaleConfig};
use super::low_rank_normal::{LowRankNormal, LowRankNormalConfig};
use super::mixture::{Mixture, MixtureConfig};
use super::noise::Noise;
use super::normal_mixture::{NormalMixture, NormalMixtureConfig};
use super::normalizing_flow::NormalizingFlow;
use super::partly_periodic::{PartlyPeriodic, PartlyPeriodicConfig};
use super::product::{Product, ProductConfig};
use super::resampled::{Resampled, ResampledConfig};
use super::standard_normal::{StandardNormal, StandardNormalConfig};
use super::truncated::{Truncated, TruncatedConfig};
use super::uniform::{Uniform, UniformConfig};
use super::von_mises::{VonMises, VonMisesConfig};
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
        /// A normal distribution of any covariance.
        FullNormal(FullNormal) from FullNormalConfig;
        /// A normal distribution whose covariance is a diagonal and a few directions.
        LowRankNormal(LowRankNormal) from LowRankNormalConfig;
        /// Independent features of one family, with a location and a scale each.
        LocationScale(LocationScale) from LocationScaleConfig;
        /// A bell between two ends for each feature.
        Truncated(Truncated) from TruncatedConfig;
        /// An interval for each feature.
        Uniform(Uniform) from UniformConfig;
        /// Angles around a direction each.
        VonMises(VonMises) from VonMisesConfig;
        /// A mixture of normals, perhaps of a context.
        NormalMixture(NormalMixture) from NormalMixtureConfig;
        /// Another base for each group of features.
        Product(Product) from ProductConfig;
        /// A normal whose samples a network accepts or rejects.
        Resampled(Resampled) from ResampledConfig;
        /// A mixture of models of the crate's parts.
        Mixture(Mixture<NormalizingFlow>) from MixtureConfig;
        /// An ensemble of models of the crate's parts.
        Ensemble(Ensemble<NormalizingFlow>) from EnsembleConfig;
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

    fn is_reparameterized(&self) -> bool {
        on_base!(self, base => base.is_reparameterized())
    }

    fn is_calibrated(&self) -> bool {
        on_base!(self, base => base.is_calibrated())
    }

    fn calibrated(self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Self {
        on_base!(self, base => base.calibrated(x, context).into())
    }

    fn place(&self) -> Option<Place> {
        on_base!(self, base => base.place())
    }

    fn kernel(&self) -> Option<KernelBase> {
        on_base!(self, base => base.kernel())
    }
}
