//! A stack of coupling layers of alternating masks.

use burn::tensor::Device;
use rand::Rng;

use crate::coupling::{MaskedCoupling, MaskedCouplingConfig};
use crate::sequential::Sequential;

/// A stack of coupling layers, of which every second one has the complement of the mask.
pub(super) fn alternate<R: Rng + ?Sized>(
    mut layer: MaskedCouplingConfig,
    n_layers: usize,
    device: &Device,
    rng: &mut R,
) -> Sequential<MaskedCoupling> {
    assert!(n_layers > 0, "`n_layers` must be at least 1, got 0");
    let mut layers = Vec::with_capacity(n_layers);
    for _ in 0..n_layers {
        layers.push(layer.init(device, rng));
        layer.mask = layer.mask.complement();
    }
    Sequential::new(layers)
}
