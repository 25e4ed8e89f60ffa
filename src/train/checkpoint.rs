//! A training in a file, to go on from.

use std::path::Path;

use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::FitConfig;
use super::rows::Rows;
use super::training::{Progress, Training, optimizer, snapshot};
use crate::distribution::Distribution;
use crate::error::Error;
use crate::io::container::{Container, Kind, problem};
use crate::io::model::{bytes_of, loaded};

/// What a checkpoint says beside the weights.
#[derive(Serialize, Deserialize)]
struct Content {
    config: serde_json::Value,
    /// A hash of the rows.
    data: String,
    progress: Progress,
}

const MODEL: &str = "model";
const BEST: &str = "best";
const OPTIMIZER: &str = "optimizer";

pub(super) fn save<D: Distribution>(
    path: &Path,
    training: &Training<D>,
    fingerprint: &str,
    config: &FitConfig,
) -> Result<(), Error> {
    let content = Content {
        config: json(path, config)?,
        data: fingerprint.to_owned(),
        progress: training.progress.clone(),
    };
    let optimizer = training.optimizer.into_bytes().map_err(|error| problem(path, error))?;
    let sections = vec![
        (MODEL, bytes_of(path, &training.model)?),
        (BEST, bytes_of(path, &training.best)?),
        (OPTIMIZER, optimizer.to_vec()),
    ];
    Container::new(content, sections).write(path, Kind::Checkpoint)
}

/// The training in a file; `None` if there is no file.
pub(super) fn load<D: Distribution>(
    path: &Path,
    model: &D,
    fingerprint: &str,
    config: &FitConfig,
) -> Result<Option<Training<D>>, Error> {
    if !path.try_exists().map_err(|error| problem(path, error))? {
        return Ok(None);
    }
    let mut container = Container::<Content>::read(path, Kind::Checkpoint)?;
    let anew = "remove the file to start anew";
    if container.content.config != json(path, config)? {
        let what = format!("is a checkpoint of a training with another configuration; {anew}");
        return Err(problem(path, what));
    }
    if container.content.data != fingerprint {
        return Err(problem(path, format!("is a checkpoint of a training on other data; {anew}")));
    }
    // Each into a module of its own: what a module holds beside parameters may be shared by clones.
    let best = loaded(path, snapshot(model), container.take(path, BEST)?)?;
    let model = loaded(path, snapshot(model), container.take(path, MODEL)?)?.train();
    let state = Bytes::from_bytes_vec(container.take(path, OPTIMIZER)?);
    let optimizer = optimizer(config).from_bytes(state).map_err(|error| problem(path, error))?;
    Ok(Some(Training { model, optimizer, best, progress: container.content.progress }))
}

fn json(path: &Path, config: &FitConfig) -> Result<serde_json::Value, Error> {
    serde_json::to_value(config).map_err(|error| problem(path, error))
}

/// A hash of all rows, contexts and weights.
pub(super) fn fingerprint(rows: &Rows) -> String {
    let mut hash = Sha256::new();
    for data in [&rows.train, &rows.validation] {
        for tensor in std::iter::once(data.x()).chain(data.context()) {
            let data = tensor.to_data();
            data.shape().iter().for_each(|&size| hash.update((size as u64).to_le_bytes()));
            hash.update(data.as_bytes());
        }
        for weight in data.weights().unwrap_or_default() {
            hash.update(weight.to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
