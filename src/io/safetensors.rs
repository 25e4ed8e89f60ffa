//! The weights of modules in the format that other frameworks read.

use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Int, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::container::{problem, write_atomically};
use crate::error::Error;
use crate::parameters::Settings;

/// Writes the parameters of a module as [safetensors](https://github.com/huggingface/safetensors),
/// atomically, for other frameworks: weights as F32 or F64, orders and masks as I64.
///
/// The names are the paths of the fields, with the variants of enums, joined by dots, such as
/// `flow.layers.0.MaskedCoupling.conditioner.Mlp.hidden.0.weight`; they are stable. A linear layer
/// holds its weight as `[d_input, d_output]`, the transpose of PyTorch's. Settings (an activation, a
/// bound) are not part of the format; [`save_model`](super::save_model) keeps them.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be written, or a parameter is of another float type than f32
/// and f64.
pub fn export_safetensors<M: Module>(path: impl AsRef<Path>, module: &M) -> Result<(), Error> {
    let path = path.as_ref();
    let mut collector = Collector::default();
    module.valid().visit(&mut collector);
    let views: Result<Vec<_>, Error> = collector
        .found
        .iter()
        .map(|(name, data)| {
            let dtype = match data.dtype() {
                DType::F32 => Dtype::F32,
                DType::F64 => Dtype::F64,
                DType::I64 => Dtype::I64,
                other => {
                    return Err(problem(path, format!("`{name}` is {other:?}: cast the model")));
                }
            };
            let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
            Ok((name.as_str(), view.map_err(|error| problem(path, error))?))
        })
        .collect();
    let bytes = safetensors::serialize(views?, None).map_err(|error| problem(path, error))?;
    write_atomically(path, &bytes)
}

/// Reads what [`export_safetensors`] wrote into a module that was built alike, in the float type of
/// the module.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be read or is no safetensors file, a parameter of the module
/// is missing in it or of another shape, or it has others.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::io::{export_safetensors, import_safetensors};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::testing::perturb;
/// use normalizing_flows::{Distribution, NsfConfig};
///
/// # let folder = std::env::temp_dir().join(format!("nflow-safetensors-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("model.safetensors");
/// # /*
/// let path = "model.safetensors";
/// # */
/// let (device, mut rng) = (Device::default(), ChaCha8Rng::seed_from_u64(0));
/// let model = perturb(NsfConfig::new(2).init(&device, &mut rng), 0.1, &mut rng);
/// export_safetensors(&path, &model)?;
/// let read = import_safetensors(&path, NsfConfig::new(2).init(&device, &mut rng))?;
/// let x = Tensor::ones([3, 2], &device);
/// assert_eq!(read.log_prob(x.clone()).into_data(), model.log_prob(x).into_data());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), normalizing_flows::Error>(())
/// ```
pub fn import_safetensors<M: Module>(path: impl AsRef<Path>, module: M) -> Result<M, Error> {
    let path = path.as_ref();
    let bytes =
        fs::read(path).map_err(|error| problem(path, format!("cannot be read: {error}")))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| problem(path, format!("is no whole safetensors file: {error}")))?;
    let mut loader = Loader { tensors, names: Names::default(), n_found: 0, problem: None };
    let module = module.map(&mut loader);
    if let Some(what) = loader.problem {
        return Err(problem(path, what));
    }
    let n = loader.tensors.len();
    if n != loader.n_found {
        let found = loader.n_found;
        return Err(problem(
            path,
            format!("has {n} tensors, and the module takes {found} of them"),
        ));
    }
    Ok(module)
}

/// The path of a parameter; `None` inside of settings, whose entries hold no weights.
#[derive(Default)]
struct Names {
    path: Vec<String>,
    settings: usize,
}

impl Names {
    fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.settings += usize::from(container == Settings::CONTAINER);
    }

    fn exit(&mut self, container: &str) {
        self.path.pop();
        self.settings -= usize::from(container == Settings::CONTAINER);
    }

    fn here(&self) -> Option<String> {
        (self.settings == 0).then(|| self.path.join("."))
    }
}

/// The parameters with their names.
#[derive(Default)]
struct Collector {
    names: Names,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.names.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.names.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.here();
        self.found.extend(name.map(|name| (name, param.val().into_data())));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let name = self.names.here();
        self.found.extend(name.map(|name| (name, param.val().into_data().convert::<i64>())));
    }
}

/// Replaces the parameters by those of a file.
struct Loader<'a> {
    tensors: SafeTensors<'a>,
    names: Names,
    n_found: usize,
    /// The first that went wrong.
    problem: Option<String>,
}

impl Loader<'_> {
    /// The data for the parameter at the current path, if it has any.
    fn take(&mut self, shape: &[usize]) -> Option<TensorData> {
        let name = self.names.here()?;
        let found = self.tensors.tensor(&name).map_err(|_| format!("has no `{name}`"));
        let data = found.and_then(|view| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                Dtype::I64 => DType::I64,
                other => return Err(format!("has `{name}` in {other:?}, not in F32, F64 or I64")),
            };
            if view.shape() != shape {
                let found = view.shape();
                return Err(format!("has `{name}` of shape {found:?}, the module of {shape:?}"));
            }
            Ok(TensorData::from_bytes_vec(view.data().to_vec(), shape.to_vec(), dtype))
        });
        match data {
            Ok(data) => {
                self.n_found += 1;
                Some(data)
            }
            Err(what) => {
                self.problem.get_or_insert(what);
                None
            }
        }
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.names.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.names.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| match self.take(&value.dims()) {
            Some(data) => Tensor::from_data(data, (&value.device(), value.dtype()))
                .set_require_grad(value.is_require_grad()),
            None => value,
        })
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        param.map(|value| match self.take(&value.dims()) {
            Some(data) => Tensor::from_data(data, (&value.device(), value.dtype())),
            None => value,
        })
    }
}
