//! [`Dataset`]: rows to train on, with their contexts and weights.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, ensure};

/// Rows to train on or to evaluate, with a context and a weight for each if there are any.
///
/// # Shapes
///
/// - `x`: `[rows, d_features]`
/// - `context`: `[rows, d_context]`
/// - `weights`: one per row, at least 0; only their ratios matter
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::data::Dataset;
///
/// let x = Tensor::from_data([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], &Device::default());
/// let data = Dataset::new(x).with_weights(vec![1.0, 1.0, 0.5]);
/// assert_eq!(data.n_rows(), 3);
/// assert!(data.validate().is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    x: Tensor<2>,
    context: Option<Tensor<2>>,
    weights: Option<Vec<f64>>,
}

impl Dataset {
    /// Rows without contexts, all of the same weight.
    pub fn new(x: Tensor<2>) -> Self {
        Self { x: x.without_autodiff(), context: None, weights: None }
    }

    /// With the context of each row.
    #[must_use]
    pub fn with_context(self, context: Tensor<2>) -> Self {
        Self { context: Some(context.without_autodiff()), ..self }
    }

    /// With the weight of each row in the likelihood: a row of weight 2 counts as two rows.
    #[must_use]
    pub fn with_weights(self, weights: Vec<f64>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.x.dims()[0]
    }

    /// The number of features.
    pub fn d_features(&self) -> usize {
        self.x.dims()[1]
    }

    /// The rows.
    pub fn x(&self) -> &Tensor<2> {
        &self.x
    }

    /// The contexts, if there are any.
    pub fn context(&self) -> Option<&Tensor<2>> {
        self.context.as_ref()
    }

    /// The weights, if there are any.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Whether there are as many contexts and weights as rows, and every weight is finite, at least
    /// 0, and one of them above 0.
    ///
    /// # Errors
    ///
    /// [`Error::ContextRows`] and [`Error::Data`].
    pub fn validate(&self) -> Result<(), Error> {
        let expected = self.n_rows();
        if let Some(found) = self.context.as_ref().map(|context| context.dims()[0])
            && found != expected
        {
            return Err(Error::ContextRows { expected, found });
        }
        let Some(weights) = &self.weights else { return Ok(()) };
        ensure!(
            as Data,
            weights.len() == expected,
            "there must be one weight for each of the {expected} rows, got {}",
            weights.len()
        );
        let bad = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0));
        if let Some(row) = bad {
            let weight = weights[row];
            return Err(Error::Data(format!(
                "weights must be finite and at least 0, got {weight} in row {row}"
            )));
        }
        ensure!(
            as Data,
            weights.iter().any(|&weight| weight > 0.0),
            "at least one weight must be above 0"
        );
        Ok(())
    }

    /// The rows of these numbers, in their order.
    ///
    /// # Panics
    ///
    /// If a number is not below [`n_rows`](Self::n_rows).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let take = |tensor: &Tensor<2>| tensor.clone().select(0, indices(rows, &tensor.device()));
        Self {
            x: take(&self.x),
            context: self.context.as_ref().map(take),
            weights: self
                .weights
                .as_ref()
                .map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        }
    }

    /// The same rows on another device.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Self {
        Self {
            x: self.x.clone().to_device(device),
            context: self.context.as_ref().map(|context| context.clone().to_device(device)),
            weights: self.weights.clone(),
        }
    }

    /// Every value that is not finite: what it belongs to, its row and its column, by rows.
    pub(crate) fn non_finite(&self) -> Vec<NonFinite> {
        let in_tensor = |what: &'static str, tensor: &Tensor<2>| {
            let columns = tensor.dims()[1].max(1);
            let data = tensor.to_data();
            let values = data.iter::<f64>().enumerate().filter(|(_, value)| !value.is_finite());
            values
                .map(|(index, value)| NonFinite {
                    row: index / columns,
                    what,
                    column: index % columns,
                    value,
                })
                .collect::<Vec<_>>()
        };
        let mut found = in_tensor("input", &self.x);
        found.extend(self.context.iter().flat_map(|context| in_tensor("context", context)));
        found.sort_by_key(|value| value.row);
        found
    }
}

/// A value that is not finite.
#[derive(Debug)]
pub(crate) struct NonFinite {
    pub row: usize,
    pub what: &'static str,
    pub column: usize,
    pub value: f64,
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Dataset {
        let x = Tensor::from_data([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], &Device::default());
        Dataset::new(x)
    }

    #[test]
    fn weights_and_contexts_that_do_not_fit_are_refused_with_a_sentence() {
        let error = |data: Dataset| data.validate().unwrap_err().to_string();
        assert_eq!(
            error(data().with_weights(vec![1.0])),
            "there must be one weight for each of the 3 rows, got 1"
        );
        assert_eq!(
            error(data().with_weights(vec![1.0, f64::NAN, 1.0])),
            "weights must be finite and at least 0, got NaN in row 1"
        );
        assert_eq!(error(data().with_weights(vec![0.0; 3])), "at least one weight must be above 0");
        let context = Tensor::zeros([2, 1], &Device::default());
        assert!(error(data().with_context(context)).contains("expected 3, got 2"));
    }

    #[test]
    fn selected_rows_keep_their_contexts_and_weights() {
        let context = Tensor::from_data([[10.0], [11.0], [12.0]], &Device::default());
        let data = data().with_context(context).with_weights(vec![1.0, 2.0, 3.0]);
        let chosen = data.select(&[2, 0]);
        assert_eq!(chosen.x().to_data().iter::<f64>().collect::<Vec<_>>(), [4.0, 5.0, 0.0, 1.0]);
        let context = chosen.context().expect("there is one").to_data();
        assert_eq!(context.iter::<f64>().collect::<Vec<_>>(), [12.0, 10.0]);
        assert_eq!(chosen.weights(), Some(&[3.0, 1.0][..]));
    }
}
