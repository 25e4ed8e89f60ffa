//! Probability densities: base distributions, the density that a flow makes of one, and several
//! models as one.
//!
//! - `interface`: the trait; `given`: a view with a context; `checked`: a view that returns errors
//! - `standard_normal`, `diagonal_normal`, `full_normal`, `low_rank_normal`, `location_scale` (Laplace, Student's t
//!   and others), `truncated`, `uniform`, `von_mises`, `normal_mixture`, `partly_periodic`, `product`, `resampled`;
//!   `base`: every base of the crate in one enum
//! - `normalizing_flow`: base and flow; `flow_config`: any base and layers as a configuration
//! - `mixture`, `ensemble`: several models as one
//! - `noise`: random numbers from the host; `without_value`: gradients of what is computed there;
//!   `logsumexp`

mod base;
mod checked;
mod diagonal_normal;
mod ensemble;
mod flow_config;
mod full_normal;
mod given;
mod interface;
mod location_scale;
mod logsumexp;
mod low_rank_normal;
mod mixture;
mod noise;
mod normal_mixture;
mod normalizing_flow;
mod partly_periodic;
mod product;
mod ranges;
mod resampled;
mod several;
mod standard_normal;
mod truncated;
mod uniform;
mod von_mises;
mod without_value;

pub use base::{Base, BaseConfig};
pub use checked::Checked;
pub use diagonal_normal::{DiagonalNormal, DiagonalNormalConfig};
pub use ensemble::{Ensemble, EnsembleConfig, Score};
pub use flow_config::FlowConfig;
pub use full_normal::{FullNormal, FullNormalConfig};
pub use given::Given;
pub use interface::Distribution;
pub use location_scale::{Family, LocationScale, LocationScaleConfig};
pub use logsumexp::logsumexp;
pub use low_rank_normal::{LowRankNormal, LowRankNormalConfig};
pub use mixture::{Mixture, MixtureConfig};
pub use noise::Noise;
pub use normal_mixture::{NormalMixture, NormalMixtureConfig};
pub use normalizing_flow::NormalizingFlow;
pub use partly_periodic::{PartlyPeriodic, PartlyPeriodicConfig};
pub use product::{Product, ProductConfig};
pub use resampled::{Resampled, ResampledConfig};
pub use standard_normal::{StandardNormal, StandardNormalConfig};
pub use truncated::{Bell, Truncated, TruncatedConfig};
pub use uniform::{Uniform, UniformConfig};
pub use von_mises::{VonMises, VonMisesConfig};
use without_value::without_value;
