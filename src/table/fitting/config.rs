//! [`TableConfig`]: the flow of a table, and the numbers that follow from its size.

use std::f64::consts::PI;

use burn::config::Config;
use rand::Rng;

use crate::conditioner::{MlpConfig, PeriodicMlpConfig};
use crate::coupling::{Mask, MaskedCouplingConfig};
use crate::distribution::{FlowConfig, PartlyPeriodicConfig};
use crate::elementwise::{ConditionalElementwiseConfig, ElementwiseConfig};
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;
use crate::linear::LuLinearConfig;
use crate::preset::{MafConfig, Mixing, NsfConfig, RealNvpConfig};
use crate::train::FitConfig;
use crate::univariate::{
    AffineConfig, BoundarySlopes, RationalQuadraticSplineConfig, UnivariateConfig,
};

/// The flow of a table.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFlow {
    /// A neural spline flow.
    Nsf,
    /// RealNVP. Columns on a circle have splines all the same.
    RealNvp,
    /// A masked autoregressive flow of affine maps; not for columns on a circle.
    Maf,
    /// A neural spline flow that is autoregressive; not for columns on a circle.
    NsfAutoregressive,
}

/// Configuration of [`fit_table`](crate::table::fit_table). What is `None` follows from the size of the
/// table.
#[derive(Config, Debug)]
pub struct TableConfig {
    /// The flow. A single column has a spline of 16 bins, whatever this says.
    #[config(default = "TableFlow::Nsf")]
    pub flow: TableFlow,
    /// A flow of one's own in the place of all that `flow`, `n_layers` and `d_hidden` say. It sees the columns
    /// encoded and in the order of the schema, without those that are constant or determined by others; a
    /// periodic one is an angle from -π to π, and wants a base on the circle
    /// ([`PartlyPeriodicConfig`]).
    pub model: Option<FlowConfig>,
    /// The number of its layers; with columns on a circle twice as many, of those and of the
    /// others in turns. By default 6, and 8 from five columns on.
    pub n_layers: Option<usize>,
    /// The units of each of the two hidden layers of its networks. By default from 32 below 1,000
    /// rows to 256 from 100,000 on. Autoregressive flows have at least twice as many as there are features.
    pub d_hidden: Option<usize>,
    /// The rows of a source that are in memory at once, and those of an epoch, for
    /// [`TableFitter::fit_source`](crate::table::TableFitter::fit_source); at least 2.
    #[config(default = 65_536)]
    pub chunk_rows: usize,
    /// The training.
    #[config(default = "FitConfig::new()")]
    pub fit: FitConfig,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl TableConfig {
    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value) in [("n_layers", self.n_layers), ("d_hidden", self.d_hidden)] {
            ensure!(value != Some(0), "`{name}` must be at least 1, got 0");
        }
        let chunk_rows = self.chunk_rows;
        ensure!(chunk_rows >= 2, "`chunk_rows` must be at least 2, got {chunk_rows}");
        self.model.as_ref().map_or(Ok(()), FlowConfig::validate)?;
        self.fit.validate()
    }

    /// The flow of these features, of which some are angles, and so many contexts, for so many rows.
    pub(in crate::table) fn flow_config<R: Rng + ?Sized>(
        &self,
        periodic: &[bool],
        d_context: usize,
        n_rows: usize,
        rng: &mut R,
    ) -> Result<FlowConfig, Error> {
        let d_features = periodic.len();
        if let Some(model) = &self.model {
            let (found, found_context) = (model.d_features(), model.d_context());
            ensure!(
                (found, found_context) == (d_features, d_context),
                "`model` must have {d_features} features and {d_context} context features for this table, \
                 got {found} and {found_context}"
            );
            return Ok(model.clone());
        }
        let d_hidden = self.d_hidden.unwrap_or(match n_rows {
            0..1_000 => 32,
            1_000..10_000 => 64,
            10_000..100_000 => 128,
            _ => 256,
        });
        let n_layers = self.n_layers.unwrap_or(if d_features < 5 { 6 } else { 8 });
        let is_autoregressive = matches!(self.flow, TableFlow::Maf | TableFlow::NsfAutoregressive);
        // Masked layers need a unit for each feature that others are given.
        let d_hidden = if is_autoregressive { d_hidden.max(2 * d_features) } else { d_hidden };
        let network = MlpConfig::new().with_d_hidden(vec![d_hidden; 2]);
        let config = if d_features == 1 {
            of_one_feature(periodic[0], d_context, network)
        } else if periodic.contains(&true) {
            ensure!(
                !is_autoregressive,
                "`flow` must be `Nsf` or `RealNvp` for a table with periodic columns, got `{:?}`",
                self.flow
            );
            circular(periodic, d_context, n_layers, &network, self.flow)
        } else {
            let preset = match self.flow {
                TableFlow::Nsf => NsfConfig::new(d_features)
                    .with_d_context(d_context)
                    .with_n_layers(n_layers)
                    .with_conditioner(network.into())
                    .with_mixing(Mixing::Off)
                    .into(),
                TableFlow::RealNvp => RealNvpConfig::new(d_features)
                    .with_d_context(d_context)
                    .with_n_layers(n_layers)
                    .with_conditioner(network.into())
                    .with_mixing(Mixing::Off)
                    .into(),
                TableFlow::Maf => MafConfig::new(d_features)
                    .with_d_context(d_context)
                    .with_n_layers(n_layers)
                    .with_conditioner(network.into())
                    .into(),
                TableFlow::NsfAutoregressive => NsfConfig::new(d_features)
                    .with_d_context(d_context)
                    .with_autoregressive(true)
                    .with_n_layers(n_layers)
                    .with_conditioner(network.into())
                    .with_mixing(Mixing::Off)
                    .into(),
            };
            with_matrices(with_other_masks(preset, rng), None)
        };
        config.validate()?;
        Ok(config)
    }
}

/// Every two layers with another mask and its complement: with the same two halves in all layers,
/// columns of one half would never be given each other. The first masks are the bits of the columns'
/// numbers, which part any two columns where there are enough layers; the others are random.
fn with_other_masks<R: Rng + ?Sized>(mut config: FlowConfig, rng: &mut R) -> FlowConfig {
    let d = config.d_features();
    let mut masks = (0..n_bits(d)).map(|bit| halves(d, bit));
    let mut mask = Mask::alternating(d);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        if let LayerConfig::MaskedCoupling(coupling) = layer {
            mask = if index % 2 == 0 {
                masks.next().unwrap_or_else(|| Mask::random(d, rng))
            } else {
                mask.complement()
            };
            coupling.mask = mask.clone();
        }
    }
    config
}

/// A matrix before, between and after the layers: columns that are correlated come apart in it, and
/// the layers meet other mixtures each time. Features that a mask keeps are in no mixture.
fn with_matrices(mut config: FlowConfig, mask: Option<Mask>) -> FlowConfig {
    let matrix = LayerConfig::from(LuLinearConfig::new(config.d_features()).with_mask(mask));
    let layers = config.layers.into_iter().flat_map(|layer| [layer, matrix.clone()]);
    config.layers = std::iter::once(matrix.clone()).chain(layers).collect();
    config
}

/// The number of bits of the numbers below `n`.
fn n_bits(n: usize) -> u32 {
    usize::BITS - (n - 1).leading_zeros()
}

/// Kept are the features with a zero at a bit of their number.
fn halves(d: usize, bit: u32) -> Mask {
    Mask::custom((0..d).map(|feature| feature >> bit & 1 == 0).collect())
}

/// With no other column to couple it with: one map, of more bins, given the context if there is one.
fn of_one_feature(periodic: bool, d_context: usize, network: MlpConfig) -> FlowConfig {
    let spline = if periodic { circular_spline() } else { RationalQuadraticSplineConfig::new() };
    let univariate = spline.with_n_bins(16).into();
    let layer: LayerConfig = if d_context == 0 {
        ElementwiseConfig::new(1).with_univariate(univariate).into()
    } else {
        ConditionalElementwiseConfig::new(1, d_context)
            .with_conditioner(network.into())
            .with_univariate(univariate)
            .into()
    };
    if periodic {
        FlowConfig::new(PartlyPeriodicConfig::new(vec![true]).into(), vec![layer])
    } else {
        FlowConfig::standard(1, vec![layer])
    }
}

/// Coupling layers in turns: of the angles, by splines on the circle, and of the others. Networks take
/// angles as sine and cosine, and no layer mixes an angle with anything.
fn circular(
    periodic: &[bool],
    d_context: usize,
    n_layers: usize,
    network: &MlpConfig,
    flow: TableFlow,
) -> FlowConfig {
    let of_line: UnivariateConfig = match flow {
        TableFlow::RealNvp => AffineConfig::new().into(),
        TableFlow::Nsf | TableFlow::Maf | TableFlow::NsfAutoregressive => {
            RationalQuadraticSplineConfig::new().into()
        }
    };
    let of_kind = |kind: bool| -> Vec<usize> {
        (0..periodic.len()).filter(|&feature| periodic[feature] == kind).collect()
    };
    let kinds = [(of_kind(true), circular_spline().into()), (of_kind(false), of_line)];
    let mut layers: Vec<LayerConfig> = Vec::new();
    for layer in 0..n_layers {
        for (features, univariate) in kinds.iter().filter(|(features, _)| !features.is_empty()) {
            // One feature of a kind is given those of the other kind.
            let mut kept = vec![true; periodic.len()];
            // Every two layers by another bit of the index, so that any two features come to be on
            // different sides.
            let bit = (layer as u32 / 2) % n_bits(features.len()).max(1);
            for (index, &feature) in features.iter().enumerate() {
                kept[feature] = features.len() > 1 && ((index >> bit) + layer).is_multiple_of(2);
            }
            let of_kept = periodic.iter().zip(&kept).filter(|(_, kept)| **kept);
            let conditioner =
                PeriodicMlpConfig::new(of_kept.map(|(&periodic, _)| periodic).collect())
                    .with_mlp(network.clone());
            let layer = MaskedCouplingConfig::new(Mask::custom(kept))
                .with_d_context(d_context)
                .with_conditioner(conditioner.into())
                .with_univariate(univariate.clone());
            layers.push(layer.into());
        }
    }
    let config = FlowConfig::new(PartlyPeriodicConfig::new(periodic.to_vec()).into(), layers);
    match periodic.iter().filter(|periodic| !**periodic).count() {
        0 | 1 => config,
        _ => with_matrices(config, Some(Mask::custom(periodic.to_vec()))),
    }
}

fn circular_spline() -> RationalQuadraticSplineConfig {
    RationalQuadraticSplineConfig::new()
        .with_interval([-PI, PI])
        .with_boundary_slopes(BoundarySlopes::Periodic)
}
