//! What a model and a target must have in common, and what a target may say of a sample.

use burn::tensor::Tensor;

use crate::distribution::Distribution;
use crate::error::{Error, ensure};
use crate::parameters::Place;
use crate::target::interface::Target;

/// Whether a model without a context and a target have the same features.
pub(crate) fn check_pair<D: Distribution, T: Target + ?Sized>(
    model: &D,
    target: &T,
) -> Result<(), Error> {
    let d_context = model.d_context();
    if d_context > 0 {
        return Err(Error::MissingContext { d_context });
    }
    if !model.is_calibrated() {
        return Err(Error::Uncalibrated);
    }
    let (d, d_target) = (model.d_features(), target.d_features());
    ensure!(
        d == d_target,
        "model and target must have the same features, got `d_features` {d} and {d_target}"
    );
    Ok(())
}

/// Where samples are drawn: a base without parameters goes by the flow through which the target is seen.
pub(super) fn place_of<D: Distribution, T: Target + ?Sized>(model: &D, target: &T) -> Place {
    Place::first([target.place(), model.place()]).unwrap_or_default()
}

/// Whether no log-density of samples is NaN or infinity; minus infinity is outside of the support.
pub(super) fn check_log_densities(x: &Tensor<2>, log_target: &[f64]) -> Result<(), Error> {
    let wrong = log_target.iter().position(|log| log.is_nan() || *log == f64::INFINITY);
    let Some(row) = wrong else { return Ok(()) };
    let point: Vec<f64> = x.clone().narrow(0, row, 1).into_data().iter().collect();
    Err(Error::Data(format!(
        "the log-density of the target is {} at {point:?}: it must be finite, or -inf outside of the support",
        log_target[row]
    )))
}

/// The numbers of a tensor on the host.
pub(super) fn host<const N: usize>(tensor: Tensor<N>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
