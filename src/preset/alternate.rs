//! A stack of coupling layers of alternating masks.

use crate::coupling::{Mask, MaskedCouplingConfig};
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;

/// The mask that keeps the features 0, 2, 4 and so on.
pub(super) fn alternating_mask(d_features: usize) -> Result<Mask, Error> {
    Mask::try_from((0..d_features).map(|feature| feature % 2 == 0).collect::<Vec<_>>())
}

/// Coupling layers, of which every second one has the complement of the mask.
pub(super) fn alternate(
    mut layer: MaskedCouplingConfig,
    n_layers: usize,
) -> Result<Vec<LayerConfig>, Error> {
    ensure!(n_layers > 0, "`n_layers` must be at least 1, got 0");
    let mut layers = Vec::with_capacity(n_layers);
    for _ in 0..n_layers {
        layers.push(layer.clone().into());
        layer.mask = layer.mask.complement();
    }
    Ok(layers)
}
