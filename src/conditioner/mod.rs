//! Networks that turn the kept features (and a context) into the parameters of the transformed
//! ones.
//!
//! A conditioner knows nothing of masks, univariate maps or log-determinants. Any module that
//! implements [`Conditioner`] fits every coupling layer. Networks for autoregressive layers have a
//! trait of their own, [`AutoregressiveConditioner`], so that neither kind of layer takes the
//! other's network by mistake.

mod activation;
mod autoregressive;
mod interface;
mod linear;
mod made;
mod mlp;
mod network;
mod network_layers;
mod network_masks;
mod periodic_mlp;
mod residual;
mod residual_block;
mod separate;
mod slope;

pub use autoregressive::AutoregressiveConditioner;
pub use interface::{Conditioner, ConditionerShape};
pub use made::{Made, MadeConfig};
pub use mlp::{Mlp, MlpConfig};
pub use network::{Network, NetworkConfig};
#[doc(hidden)]
pub use network_layers::NetworkLayers;
#[cfg(feature = "flex")]
pub(crate) use network_masks::{NetworkMasks, WeightMask};
pub use periodic_mlp::{PeriodicMlp, PeriodicMlpConfig};
pub use residual::{ResidualMlp, ResidualMlpConfig};
pub use residual_block::ResidualBlock;
pub use separate::{SeparateMlps, SeparateMlpsConfig};
