//! What a mixture and an ensemble share: several distributions over the same features.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use super::flow_config::FlowConfig;
use super::interface::Distribution;
use super::noise::Noise;
use super::normalizing_flow::NormalizingFlow;
use crate::error::{Error, ensure};
use crate::flow::common_d_context;
use crate::solver;

/// Whether there are distributions, all of the same features and context.
pub(super) fn check_alike<D: Distribution>(distributions: &[D]) -> Result<(), Error> {
    alike(
        distributions.iter().map(Distribution::d_features),
        distributions.iter().map(Distribution::d_context),
    )
}

fn alike(
    mut d_features: impl Iterator<Item = usize>,
    d_context: impl Iterator<Item = usize>,
) -> Result<(), Error> {
    let Some(first) = d_features.next() else {
        return Err(Error::Config("there must be at least 1 model, got 0".to_string()));
    };
    for other in d_features {
        ensure!(
            other == first,
            "all models must have the same features, got models with `d_features` {first} and {other}"
        );
    }
    common_d_context(d_context).map(|_| ())
}

/// Whether there are configurations, all in range and of the same features and context.
pub(super) fn validate_alike(configs: &[FlowConfig]) -> Result<(), Error> {
    configs.iter().try_for_each(FlowConfig::validate)?;
    alike(configs.iter().map(FlowConfig::d_features), configs.iter().map(FlowConfig::d_context))
}

/// The number of features of configurations, 0 if there is none.
pub(super) fn d_features_of(configs: &[FlowConfig]) -> usize {
    configs.first().map_or(0, FlowConfig::d_features)
}

/// The number of context features of configurations.
pub(super) fn d_context_of(configs: &[FlowConfig]) -> usize {
    configs.iter().map(FlowConfig::d_context).max().unwrap_or(0)
}

/// Builds all, one after another.
pub(super) fn init_all<R: Rng + ?Sized>(
    configs: &[FlowConfig],
    device: &Device,
    rng: &mut R,
) -> Vec<NormalizingFlow> {
    configs.iter().map(|config| config.init(device, rng)).collect()
}

/// Calibrates each distribution, with the context if it takes one.
pub(super) fn calibrate_all<D: Distribution>(
    distributions: impl Iterator<Item = D>,
    x: &Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Vec<D> {
    distributions
        .map(|distribution| {
            let context = context.filter(|_| distribution.d_context() > 0);
            distribution.calibrated(x.clone(), context)
        })
        .collect()
}

/// Draws row `i` from the distribution at `assignment[i]`, given row `i` of the context. Each
/// distribution draws all of its rows at once, the first distribution first.
pub(super) fn draw_assigned<D: Distribution, R: Rng + ?Sized>(
    distributions: &[D],
    assignment: &[usize],
    context: Option<&Tensor<2>>,
    noise: &mut Noise<'_, R>,
) -> Tensor<2> {
    let (mut parts, mut drawn) = (Vec::new(), Vec::with_capacity(assignment.len()));
    for (index, distribution) in distributions.iter().enumerate() {
        let rows: Vec<i64> =
            (0..assignment.len()).filter(|&i| assignment[i] == index).map(|i| i as i64).collect();
        if rows.is_empty() {
            continue;
        }
        let n = rows.len();
        let context = context.filter(|_| distribution.d_context() > 0).map(|context| {
            let device = context.device();
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows.clone(), [n]), &device);
            context.clone().select(0, rows)
        });
        let (part, unsolved) = solver::watched(|| distribution.draw(n, context.as_ref(), noise));
        parts.push(part);
        solver::report(unsolved.into_iter().map(|of_part| of_part.at(rows[of_part.row] as usize)));
        drawn.extend(rows);
    }
    if parts.is_empty() {
        let d_features = distributions.first().map_or(0, Distribution::d_features);
        return noise.tensor(Vec::new(), [0, d_features]);
    }
    // Where each row of the result is among those that were drawn.
    let mut places = vec![0_i64; drawn.len()];
    for (place, row) in drawn.into_iter().enumerate() {
        places[row as usize] = place as i64;
    }
    let drawn = Tensor::cat(parts, 0);
    let n = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &drawn.device());
    drawn.select(0, places)
}

/// The log-density of each row by those under each distribution, `[batch, n]`.
pub(super) fn combined<D: Distribution>(
    distributions: &[D],
    x: Tensor<2>,
    context: Option<&Tensor<2>>,
    combine: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> Tensor<1> {
    if x.dims()[0] == 0 {
        // Some backends cannot differentiate a concatenation of empty tensors.
        return x.sum_dim(1).squeeze_dim(1);
    }
    let columns = distributions.iter().map(|distribution| {
        let context = context.filter(|_| distribution.d_context() > 0);
        distribution.log_density(x.clone(), context).unsqueeze_dim(1)
    });
    combine(Tensor::cat(columns.collect(), 1))
}
