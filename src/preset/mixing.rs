//! [`Mixing`]: what stands between the layers of a preset.

use burn::config::Config;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::flow::LayerConfig;
use crate::linear::{LuLinearConfig, PermutationConfig};
use crate::order::Order;

/// What stands between the layers of a preset, so that features meet others in each.
///
/// With alternating masks alone the features of one half are never given each other, only the other half;
/// `cargo bench --bench mixing` measures what that costs on a table. Permutations are drawn from a generator of
/// a fixed seed: a preset is the same architecture each time.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// [`Lu`](Self::Lu) from four features on, and nothing below.
    Auto,
    /// Nothing.
    Off,
    /// A random permutation, at no cost in the kernels.
    Permutations,
    /// A random permutation and a matrix by its triangular factors, as in the paper of neural spline
    /// flows: `O(d²)` per layer and row.
    Lu,
}

/// From so many features on alternating masks are not enough.
const AUTO_FROM: usize = 4;

impl Mixing {
    /// The layers with these between them.
    pub(super) fn between(self, layers: Vec<LayerConfig>, d_features: usize) -> Vec<LayerConfig> {
        let (permutes, multiplies) = match self {
            Self::Auto => (d_features >= AUTO_FROM, d_features >= AUTO_FROM),
            Self::Off => (false, false),
            Self::Permutations => (true, false),
            Self::Lu => (true, true),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut mixed = Vec::with_capacity(3 * layers.len());
        for layer in layers {
            if !mixed.is_empty() && permutes {
                mixed.push(PermutationConfig::new(Order::random(d_features, &mut rng)).into());
            }
            if !mixed.is_empty() && multiplies {
                mixed.push(LuLinearConfig::new(d_features).into());
            }
            mixed.push(layer);
        }
        mixed
    }
}
