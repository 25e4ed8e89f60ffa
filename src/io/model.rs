//! Models in one file.

use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::container::{Container, Kind, problem};
use crate::distribution::{FlowConfig, NormalizingFlow};
use crate::error::Error;

pub(crate) const WEIGHTS: &str = "weights";

/// Saves a model of the crate's own parts with the configuration that built it, so that
/// [`load_model`] needs no more than the file.
///
/// The file is written atomically: if that fails, or the process is killed, what was there before
/// is still there. It holds a hash, so that damage is found on loading.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be written, or the model is not one that the configuration
/// builds.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::io::{load_model, save_model};
/// use normalizing_flows::{Distribution, FlowConfig, NsfConfig};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// # let folder = std::env::temp_dir().join(format!("nflow-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("model.nflow");
/// # /*
/// let path = "model.nflow";
/// # */
/// let device = Device::default();
/// let config = FlowConfig::from(NsfConfig::new(2));
/// let model = config.init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// save_model(&path, &config, &model)?;
///
/// let (_, loaded) = load_model(&path, &device)?;
/// let x = Tensor::ones([3, 2], &device);
/// assert_eq!(loaded.log_prob(x.clone()).into_data(), model.log_prob(x).into_data());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
pub fn save_model(
    path: impl AsRef<Path>,
    config: &FlowConfig,
    model: &NormalizingFlow,
) -> Result<(), Error> {
    let path = path.as_ref();
    let weights = bytes_of(path, model)?;
    // What is written loads.
    let place = crate::distribution::Distribution::place(model).unwrap_or_default();
    built(path, config, weights.clone(), &place.device.without_autodiff())?;
    Container::new(config, vec![(WEIGHTS, weights)]).write(path, Kind::Model)
}

/// Loads what [`save_model`] saved, onto any device: the configuration and the model, without
/// autodiff and in the float type that it was saved with. [`Module::train`] makes it train on.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be read, is no model of this crate, is damaged, or was
/// written by a newer release.
pub fn load_model(
    path: impl AsRef<Path>,
    device: &Device,
) -> Result<(FlowConfig, NormalizingFlow), Error> {
    let path = path.as_ref();
    let mut container = Container::<FlowConfig>::read(path, Kind::Model)?;
    let weights = container.take(path, WEIGHTS)?;
    let model = built(path, &container.content, weights, device)?;
    Ok((container.content, model))
}

/// Saves the weights of any module, such as a model with layers of your own, atomically and with a
/// hash. [`load_module`] needs a module to load them into.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be written.
pub fn save_module<M: Module>(path: impl AsRef<Path>, module: &M) -> Result<(), Error> {
    let path = path.as_ref();
    let weights = bytes_of(path, module)?;
    Container::new((), vec![(WEIGHTS, weights)]).write(path, Kind::Module)
}

/// Loads what [`save_module`] saved into a module that was built alike.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be read, is damaged or no such file, or holds other
/// parameters or settings than the module has.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::Device;
/// use normalizing_flows::io::{load_module, save_module};
/// use normalizing_flows::NiceConfig;
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// # let folder = std::env::temp_dir().join(format!("nflow-module-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("module.nflow");
/// # /*
/// let path = "module.nflow";
/// # */
/// let build = |seed| NiceConfig::new(2).init(&Device::default(), &mut ChaCha8Rng::seed_from_u64(seed));
/// save_module(&path, &build(0))?;
/// let loaded = load_module(&path, build(1))?;
/// # let _ = loaded;
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
pub fn load_module<M: Module>(path: impl AsRef<Path>, module: M) -> Result<M, Error> {
    let path = path.as_ref();
    let mut container = Container::<()>::read(path, Kind::Module)?;
    let weights = container.take(path, WEIGHTS)?;
    loaded(path, module, weights)
}

/// The model of a configuration, with the parameters that [`bytes_of`] gave.
pub(crate) fn built(
    path: &Path,
    config: &FlowConfig,
    weights: Vec<u8>,
    device: &Device,
) -> Result<NormalizingFlow, Error> {
    config.validate().map_err(|error| problem(path, error))?;
    // The weights that are drawn are replaced.
    let model = config.init(device, &mut ChaCha8Rng::seed_from_u64(0));
    loaded(path, model, weights)
}

/// The parameters of a module as bytes.
pub(crate) fn bytes_of<M: Module>(path: &Path, module: &M) -> Result<Vec<u8>, Error> {
    let bytes = module.valid().into_record().into_bytes();
    bytes.map(|bytes| bytes.to_vec()).map_err(|error| problem(path, error))
}

/// A module with the parameters that [`bytes_of`] gave.
pub(crate) fn loaded<M: Module>(path: &Path, module: M, weights: Vec<u8>) -> Result<M, Error> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights));
    record
        .and_then(|record| module.try_load_record(record))
        .map_err(|error| problem(path, format!("does not fit the model: {error}")))
}
