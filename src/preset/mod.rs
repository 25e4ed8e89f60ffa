//! Named architectures: from a few numbers to a [`FlowConfig`]. A preset stacks layers of the crate
//! and adds no maths.

mod alternate;
mod gaussianization;
mod glow;
mod maf;
mod mixing;
mod naf;
mod nice;
mod nsf;
mod polynomial;
mod real_nvp;
mod turning;

pub use gaussianization::GaussianizationConfig;
pub use glow::GlowConfig;
pub use maf::{IafConfig, MafConfig};
pub use mixing::Mixing;
pub use naf::{NafConfig, UnafConfig};
pub use nice::NiceConfig;
pub use nsf::NsfConfig;
pub use polynomial::{BernsteinConfig, SosConfig};
pub use real_nvp::RealNvpConfig;

use burn::tensor::Device;
use rand::Rng;

use crate::distribution::{FlowConfig, NormalizingFlow};
use crate::error::{Error, or_panic};

/// What all presets have beside their own `build`, from one line each.
macro_rules! presets {
    ($($preset:ident)+) => {
        $(
            impl $preset {
                /// Builds the model on a device, its weights drawn from `rng`. It starts as its
                /// base, up to roundings; one with layers that the first batch sets, once that has set
                /// them, as its base moved and scaled to the batch.
                ///
                /// # Panics
                ///
                /// With the sentence of [`validate`](Self::validate).
                pub fn init<R: Rng + ?Sized>(
                    &self,
                    device: &Device,
                    rng: &mut R,
                ) -> NormalizingFlow {
                    or_panic(self.build()).init(device, rng)
                }

                /// The model in parts.
                ///
                /// # Errors
                ///
                /// [`Error::Config`] with a sentence that names the value and the rule.
                pub fn flow_config(&self) -> Result<FlowConfig, Error> {
                    let config = self.build()?;
                    config.validate()?;
                    Ok(config)
                }

                /// Whether every value is in its range.
                ///
                /// # Errors
                ///
                /// [`Error::Config`] with a sentence that names the value and the rule.
                pub fn validate(&self) -> Result<(), Error> {
                    self.flow_config().map(|_| ())
                }
            }

            /// The model in parts; panics where `flow_config` gives an error.
            impl From<$preset> for FlowConfig {
                fn from(preset: $preset) -> Self {
                    or_panic(preset.build())
                }
            }
        )+

        /// The names of all presets.
        #[doc(hidden)]
        pub const NAMES: &[&str] = &[$(stringify!($preset)),+];
    };
}

presets! {
    BernsteinConfig GaussianizationConfig GlowConfig IafConfig MafConfig NafConfig NiceConfig NsfConfig RealNvpConfig
    SosConfig UnafConfig
}
