//! Probability densities: base distributions, the density that a flow makes of one, and several
//! models as one.
//!
//! - `interface`: the traits; `given`: a view with a context; `checked`: a view that returns errors
//! - `standard_normal`, `diagonal_normal`, `partly_periodic`; `base`: every base of the crate in one
//!   enum
//! - `normalizing_flow`: base and flow; `flow_config`: any base and layers as a configuration
//! - `mixture`, `ensemble`: several models as one
//! - `noise`: random numbers from the host; `logsumexp`

mod base;
mod checked;
mod diagonal_normal;
mod ensemble;
mod flow_config;
mod given;
mod interface;
mod logsumexp;
mod mixture;
mod noise;
mod normalizing_flow;
mod partly_periodic;
mod several;
mod standard_normal;

pub use base::{Base, BaseConfig};
pub use checked::Checked;
pub use diagonal_normal::{DiagonalNormal, DiagonalNormalConfig};
pub use ensemble::{Ensemble, Score};
pub use flow_config::FlowConfig;
pub use given::Given;
pub use interface::{Distribution, Reparameterized};
pub use logsumexp::logsumexp;
pub use mixture::Mixture;
pub use noise::Noise;
pub use normalizing_flow::NormalizingFlow;
pub use partly_periodic::{PartlyPeriodic, PartlyPeriodicConfig};
pub use standard_normal::{StandardNormal, StandardNormalConfig};
