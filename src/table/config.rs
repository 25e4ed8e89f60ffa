//! [`TableConfig`]: the flow of a table, and the numbers that follow from its size.

use burn::config::Config;

use crate::conditioner::MlpConfig;
use crate::distribution::FlowConfig;
use crate::elementwise::{ConditionalElementwiseConfig, ElementwiseConfig};
use crate::error::{Error, ensure};
use crate::flow::LayerConfig;
use crate::preset::{NsfConfig, RealNvpConfig};
use crate::train::FitConfig;
use crate::univariate::RationalQuadraticSplineConfig;

/// The flow of a table.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFlow {
    /// A neural spline flow.
    Nsf,
    /// RealNVP.
    RealNvp,
}

/// Configuration of [`fit_table`](super::fit_table). What is `None` follows from the size of the
/// table.
#[derive(Config, Debug)]
pub struct TableConfig {
    /// The flow. A single column has a spline of 16 bins, whatever this says.
    #[config(default = "TableFlow::Nsf")]
    pub flow: TableFlow,
    /// The number of its coupling layers. By default 6.
    pub n_layers: Option<usize>,
    /// The units of each of the two hidden layers of its networks. By default from 32 below 1,000
    /// rows to 256 from 100,000 on.
    pub d_hidden: Option<usize>,
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
        self.fit.validate()
    }

    /// The flow of so many columns and contexts, for so many rows.
    pub(super) fn flow_config(
        &self,
        d_features: usize,
        d_context: usize,
        n_rows: usize,
    ) -> Result<FlowConfig, Error> {
        let d_hidden = self.d_hidden.unwrap_or(match n_rows {
            0..1_000 => 32,
            1_000..10_000 => 64,
            10_000..100_000 => 128,
            _ => 256,
        });
        let n_layers = self.n_layers.unwrap_or(6);
        let network = MlpConfig::new().with_d_hidden(vec![d_hidden; 2]);
        if d_features == 1 {
            // No other column to couple it with: one map, of more bins, given the context if there
            // is one.
            let spline = RationalQuadraticSplineConfig::new().with_n_bins(16);
            let layer: LayerConfig = if d_context == 0 {
                ElementwiseConfig::new(1).with_univariate(spline.into()).into()
            } else {
                ConditionalElementwiseConfig::new(1, d_context)
                    .with_conditioner(network.into())
                    .with_univariate(spline.into())
                    .into()
            };
            return Ok(FlowConfig::standard(1, vec![layer]));
        }
        let config: FlowConfig = match self.flow {
            TableFlow::Nsf => NsfConfig::new(d_features)
                .with_d_context(d_context)
                .with_n_layers(n_layers)
                .with_conditioner(network.into())
                .into(),
            TableFlow::RealNvp => RealNvpConfig::new(d_features)
                .with_d_context(d_context)
                .with_n_layers(n_layers)
                .with_conditioner(network.into())
                .into(),
        };
        config.validate()?;
        Ok(config)
    }
}
