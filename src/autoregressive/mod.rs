//! Layers that transform each feature given those before it.

mod masked_autoregressive;

pub use masked_autoregressive::{MaskedAutoregressive, MaskedAutoregressiveConfig};
