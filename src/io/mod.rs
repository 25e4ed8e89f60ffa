//! Files: models in one file, and the container of whatever this crate writes.
//!
//! - `container`: a header, sections and a hash over all of it, written atomically
//! - `model`: models with their configuration, and the weights of modules
//! - `safetensors`: weights for other frameworks

pub(crate) mod container;
pub(crate) mod model;
mod safetensors;

pub use model::{load_model, load_module, save_model, save_module};
pub use safetensors::{export_safetensors, import_safetensors};
