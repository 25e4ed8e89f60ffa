//! Networks that turn the kept features (and a context) into the parameters of the transformed
//! ones.
//!
//! A conditioner knows nothing of masks, univariate maps or log-determinants. Any module that
//! implements [`Conditioner`] fits every layer that takes one.

mod activation;
mod interface;
mod linear;
mod mlp;
mod network;
mod parts;
mod residual;
mod residual_block;
mod separate;

pub use interface::{Conditioner, Sizes};
pub use mlp::{Mlp, MlpConfig};
pub use network::{Network, NetworkConfig};
#[doc(hidden)]
pub use parts::Parts;
pub use residual::{ResidualMlp, ResidualMlpConfig};
pub use residual_block::ResidualBlock;
pub use separate::SeparateMlps;
