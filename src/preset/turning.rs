//! A stack of autoregressive layers whose order turns round.

use crate::adjacency::Adjacency;
use crate::autoregressive::MaskedAutoregressiveConfig;
use crate::conditioner::MadeConfig;
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;
use crate::order::Order;
use crate::univariate::UnivariateConfig;

/// Autoregressive layers of a univariate map, whose order turns round from layer to layer.
pub(super) fn turning(
    [d_features, d_context, n_layers]: [usize; 3],
    conditioner: &MadeConfig,
    univariate: &UnivariateConfig,
) -> Result<Vec<LayerConfig>, Error> {
    ensure!(d_features > 0, "`d_features` must be at least 1, got 0");
    ensure!(n_layers > 0, "`n_layers` must be at least 1, got 0");
    let orders = [Order::natural(d_features), Order::reversed(d_features)];
    let adjacencies = orders.iter().cycle().take(n_layers).map(Adjacency::autoregressive);
    let layer = |adjacency| {
        MaskedAutoregressiveConfig::new(adjacency)
            .with_d_context(d_context)
            .with_conditioner(conditioner.clone())
            .with_univariate(univariate.clone())
            .into()
    };
    Ok(adjacencies.map(layer).collect())
}
