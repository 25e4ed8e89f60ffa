//! [`Settings`]: what a module is made of besides its parameters, in its record.

use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The settings of a module that its parameters do not show: an activation, a bound, an interval.
///
/// A record of parameters fits every module of the same shapes, and with other settings gives
/// another density without a word. A module that holds its settings in such a field writes each of
/// them into the path of an entry of its record, so that loading a record of other settings fails
/// with an error that names those that differ.
///
/// Only where a load is told to allow both missing and unused entries does it pass all the same.
///
/// An option that is added to a module later must not appear among the settings at its default:
/// old records then still fit.
///
/// # Example
///
/// ```
/// use normalizing_flows::Settings;
/// use normalizing_flows::burn;
/// use normalizing_flows::burn::module::Module;
/// use normalizing_flows::burn::tensor::Device;
///
/// #[derive(Module, Debug)]
/// struct Power {
///     #[module(skip)]
///     exponent: f64,
///     settings: Settings,
/// }
///
/// let power = |exponent: f64| Power {
///     exponent,
///     settings: Settings::new([format!("exponent = {exponent}")], &Device::default()),
/// };
/// assert!(power(2.0).try_load_record(power(2.0).into_record()).is_ok());
/// let error = power(3.0).try_load_record(power(2.0).into_record()).unwrap_err();
/// assert!(error.to_string().contains("exponent = 3"));
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    settings: Vec<Setting>,
}

#[derive(Clone, Debug)]
struct Setting {
    text: Arc<str>,
    /// What stands in the record at the path that is the text. Being no float, it is neither
    /// trained nor quantised, perturbed or counted; and it knows the device of a module that has no
    /// other parameter.
    entry: Param<Tensor<1, Int>>,
}

impl Settings {
    /// What visitors are told that they enter.
    pub(crate) const CONTAINER: &str = "Struct:Settings";

    /// Settings in words, each a `name = value` pair or a name.
    pub fn new<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>, device: &Device) -> Self {
        let setting = |text: T| Setting { text: text.into(), entry: int_parameter(&[0], device) };
        Self { settings: texts.into_iter().map(setting).collect() }
    }

    /// The settings in words, separated by commas.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.settings.iter().map(|setting| &*setting.text).collect();
        texts.join(", ")
    }

    fn map_entries(
        self,
        mut map: impl FnMut(&str, Param<Tensor<1, Int>>) -> Param<Tensor<1, Int>>,
    ) -> Self {
        let settings = self.settings.into_iter().map(|Setting { text, entry }| {
            let entry = map(&text, entry);
            Setting { text, entry }
        });
        Self { settings: settings.collect() }
    }
}

/// Integers that move and save with a module. Backends differ in their integer type and a record
/// keeps the one that it was saved with, so loading casts to the device's own.
pub(crate) fn int_parameter(values: &[usize], device: &Device) -> Param<Tensor<1, Int>> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    let n = values.len();
    let tensor = Tensor::from_data(TensorData::new(values, [n]), device);
    Param::initialized(ParamId::new(), tensor).load_mapper(|loaded: Tensor<1, Int>| {
        let dtype = loaded.device().settings().int_dtype;
        loaded.cast(dtype)
    })
}

/// By hand, for the paths of the entries; else as the derive would do it.
impl Module for Settings {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for Setting { text, entry } in &self.settings {
            visitor.enter_module(text, Self::CONTAINER);
            entry.visit(visitor);
            visitor.exit_module(text, Self::CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.map_entries(|text, entry| {
            mapper.enter_module(text, Self::CONTAINER);
            let entry = Module::map(entry, mapper);
            mapper.exit_module(text, Self::CONTAINER);
            entry
        })
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.settings
            .iter()
            .fold(devices, |devices, setting| setting.entry.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_entries(|_, entry| entry.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_entries(|_, entry| entry.to_device(device))
    }

    fn train(self) -> Self {
        self.map_entries(|_, entry| entry.train())
    }

    fn valid(&self) -> Self {
        // Most often there is nothing to strip, and a clone is cheaper.
        let stripped = |_: &str, entry: Param<Tensor<1, Int>>| {
            if entry.val().is_autodiff() { entry.valid() } else { entry }
        };
        self.clone().map_entries(stripped)
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Settings {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.text()).optional()
    }
}

impl ModuleDisplay for Settings {}
