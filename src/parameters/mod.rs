//! What belongs to the parameters of a module: their float type, device and identity, and the
//! settings that a record of them must fit.

mod cast;
mod fresh_ids;
mod place;
mod running;
mod settings;
mod values;
mod vector;

pub use cast::cast;
pub(crate) use fresh_ids::assert_distinct;
pub use fresh_ids::with_fresh_ids;
pub use place::Place;
pub(crate) use running::Running;
pub use settings::Settings;
pub(crate) use settings::int_parameter;
pub(crate) use values::{full, with_values};
pub(crate) use vector::Vector;
