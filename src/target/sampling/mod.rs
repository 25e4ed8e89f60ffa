//! Sampling of a target with the help of a model that is near it.
//!
//! - `importance`: importance sampling, and `check`: what may come of a target
//! - `path`: the densities between base and target; `hamiltonian`: moves that leave one of them as it is
//! - `ais`: annealed importance sampling; `smc`: sequential Monte Carlo
//! - `independence`: independent Metropolis-Hastings

mod ais;
mod check;
mod hamiltonian;
mod importance;
mod independence;
mod path;
mod smc;

pub use ais::{Ais, AisConfig};
pub(crate) use check::check_pair;
pub use hamiltonian::HamiltonianConfig;
pub use importance::importance_sample;
pub use independence::{Chain, independence_metropolis};
pub use smc::{Smc, SmcConfig};
