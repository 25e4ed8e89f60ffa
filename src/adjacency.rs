//! [`Adjacency`]: which features the parameters of each feature may depend on.

use burn::serde::{Deserialize, Serialize};

use crate::error::{Error, ensure, or_panic};
use crate::order::Order;

/// Which other features, and which context features, the parameters of each feature of an
/// autoregressive layer may depend on: a graph without cycles.
///
/// A feature of pass 0 depends on no other, and one of pass `p` on some of pass `p - 1` and perhaps of
/// lower ones. The slow direction of the layer takes as many steps as there are passes.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Adjacency, Order};
///
/// // Each feature given all before it.
/// let full = Adjacency::autoregressive(&Order::natural(4));
/// assert_eq!(full.passes(), [0, 1, 2, 3]);
/// // The second half given the first, as in a coupling layer.
/// let halves = Adjacency::in_passes(&Order::natural(4), 2);
/// assert_eq!(halves.passes(), [0, 0, 1, 1]);
/// // Features 1 and 2 given feature 0, and not given each other.
/// let fork = Adjacency::custom(vec![
///     vec![false, false, false],
///     vec![true, false, false],
///     vec![true, false, false],
/// ]);
/// assert_eq!(fork.passes(), [0, 1, 1]);
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(crate = "burn::serde", try_from = "Form", into = "Form")]
pub struct Adjacency {
    form: Form,
    /// The pass of each feature.
    passes: Vec<usize>,
}

/// As it is written to files.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(crate = "burn::serde", rename_all = "snake_case")]
enum Form {
    /// The pass of each feature, which depends on all features of lower ones and on all contexts.
    Passes(Vec<usize>),
    /// A row for each feature and a column for each that it may depend on: the features, and
    /// perhaps the context features after them.
    Rows(Vec<Vec<bool>>),
}

impl Adjacency {
    /// Each feature given all those before it in an order.
    pub fn autoregressive(order: &Order) -> Self {
        Self::in_passes(order, order.features().len())
    }

    /// The features of an order cut into at most so many groups, all but the last of one size (the number of
    /// features by `n_passes`, rounded up); each group given all before it. Five features in four passes are
    /// groups of two, two and one, so three, as in zuko.
    ///
    /// # Panics
    ///
    /// If `n_passes` is 0 or above the number of features, or the order is of no feature.
    pub fn in_passes(order: &Order, n_passes: usize) -> Self {
        let d_features = order.features().len();
        assert!(
            (1..=d_features).contains(&n_passes),
            "`n_passes` must be from 1 to the number of features, {d_features}, got {n_passes}"
        );
        let group = d_features.div_ceil(n_passes);
        let places = order.inverse();
        Self::from_passes(places.features().iter().map(|place| place / group).collect())
    }

    /// A row for each feature, with a column for each feature that says whether it may depend on it.
    /// Columns after those are context features; without any, every feature may depend on all of them.
    ///
    /// # Panics
    ///
    /// If the rows are of other lengths, or some features depend on each other in a cycle.
    pub fn custom(rows: Vec<Vec<bool>>) -> Self {
        or_panic(Self::try_from(rows))
    }

    fn from_passes(passes: Vec<usize>) -> Self {
        Self { form: Form::Passes(passes.clone()), passes }
    }

    /// The number of features.
    pub fn d_features(&self) -> usize {
        self.passes.len()
    }

    /// The pass of each feature, from 0.
    pub fn passes(&self) -> &[usize] {
        &self.passes
    }

    /// How many passes there are: the steps of the slow direction, the fewest that the graph allows.
    pub fn n_passes(&self) -> usize {
        self.passes.iter().max().map_or(0, |last| last + 1)
    }

    /// Whether the parameters of a feature may depend on another feature.
    ///
    /// # Panics
    ///
    /// If one of them is not below the number of features.
    pub fn allows(&self, feature: usize, other: usize) -> bool {
        match &self.form {
            Form::Passes(passes) => passes[other] < passes[feature],
            Form::Rows(rows) => rows[feature][other],
        }
    }

    /// Whether the parameters of a feature may depend on a context feature.
    ///
    /// # Panics
    ///
    /// If the feature is not below the number of features and rows were given.
    pub fn allows_context(&self, feature: usize, context: usize) -> bool {
        match &self.form {
            Form::Passes(_) => true,
            Form::Rows(rows) => rows[feature][self.d_features()..].get(context).is_none_or(|x| *x),
        }
    }

    /// Whether it goes with so many context features.
    pub(crate) fn validate_context(&self, d_context: usize) -> Result<(), Error> {
        if let Form::Rows(rows) = &self.form {
            let columns = rows[0].len() - self.d_features();
            ensure!(
                columns == 0 || columns == d_context,
                "an adjacency must have a column for each of {d_context} context features or for none, \
                 got {columns} beside those of the {} features",
                self.d_features()
            );
        }
        Ok(())
    }

    /// In words, for a record of parameters.
    pub(crate) fn text(&self) -> String {
        match &self.form {
            Form::Passes(passes) => format!("passes = {passes:?}"),
            Form::Rows(rows) => {
                let row = |row: &Vec<bool>| -> String {
                    row.iter().map(|&may| if may { '1' } else { '0' }).collect()
                };
                format!("adjacency = {}", rows.iter().map(row).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl TryFrom<Vec<Vec<bool>>> for Adjacency {
    type Error = Error;

    fn try_from(rows: Vec<Vec<bool>>) -> Result<Self, Error> {
        let d_features = rows.len();
        ensure!(d_features > 0, "an adjacency must be of at least 1 feature, got 0");
        let d_columns = rows[0].len();
        ensure!(
            d_columns >= d_features && rows.iter().all(|row| row.len() == d_columns),
            "each of the {d_features} rows of an adjacency must have a column for each feature and perhaps \
             for each context feature, the same number in all rows, got {:?}",
            rows.iter().map(Vec::len).collect::<Vec<_>>()
        );
        // Each feature comes once all that it depends on have come.
        let mut passes: Vec<Option<usize>> = vec![None; d_features];
        for pass in 0..d_features {
            let is_ready = |row: &Vec<bool>| {
                row[..d_features].iter().zip(&passes).all(|(&may, pass)| !may || pass.is_some())
            };
            let ready: Vec<usize> = (0..d_features)
                .filter(|&feature| passes[feature].is_none() && is_ready(&rows[feature]))
                .collect();
            ready.into_iter().for_each(|feature| passes[feature] = Some(pass));
        }
        match passes.iter().copied().collect::<Option<Vec<usize>>>() {
            Some(passes) => Ok(Self { form: Form::Rows(rows), passes }),
            None => Err(Error::Config(format!(
                "an adjacency must have no cycle: {}",
                cycle(&rows, &passes)
            ))),
        }
    }
}

/// A cycle among the features that never get ready, in words.
fn cycle(rows: &[Vec<bool>], passes: &[Option<usize>]) -> String {
    // Each of them depends on another of them, so that some path comes back.
    let next = |feature: usize| {
        (0..rows.len()).find(|&other| rows[feature][other] && passes[other].is_none())
    };
    let mut path: Vec<usize> = passes.iter().position(Option::is_none).into_iter().collect();
    while let Some(feature) = path.last().copied().and_then(next) {
        if let Some(first) = path.iter().position(|&seen| seen == feature) {
            path.drain(..first);
            path.push(feature);
            break;
        }
        path.push(feature);
    }
    let names: Vec<String> = path.iter().map(|feature| format!("feature {feature}")).collect();
    names.join(" depends on ")
}

impl TryFrom<Form> for Adjacency {
    type Error = Error;

    fn try_from(form: Form) -> Result<Self, Error> {
        match form {
            Form::Rows(rows) => Self::try_from(rows),
            Form::Passes(passes) => {
                let last = passes.iter().max().copied();
                let all_there =
                    last.is_some_and(|last| (0..=last).all(|pass| passes.contains(&pass)));
                ensure!(
                    all_there,
                    "the passes of an adjacency must be of at least 1 feature and leave none out, got {passes:?}"
                );
                Ok(Self::from_passes(passes))
            }
        }
    }
}

impl From<Adjacency> for Form {
    fn from(adjacency: Adjacency) -> Self {
        adjacency.form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_as_in_zuko() {
        // torch.div(order, ceil(features / passes)), where `order` is the rank of each feature.
        let of = |d, n| Adjacency::in_passes(&Order::natural(d), n).passes().to_vec();
        assert_eq!(of(5, 2), [0, 0, 0, 1, 1]);
        assert_eq!(of(5, 3), [0, 0, 1, 1, 2]);
        assert_eq!(of(5, 4), [0, 0, 1, 1, 2]);
        assert_eq!(of(5, 1), [0; 5]);
        let reversed = Adjacency::autoregressive(&Order::reversed(3));
        assert_eq!(reversed.passes(), [2, 1, 0]);
        // Feature 2 comes first, and then feature 0.
        let custom = Adjacency::autoregressive(&Order::custom(vec![2, 0, 1]));
        assert_eq!(custom.passes(), [1, 2, 0]);
        assert!(custom.allows(0, 2) && !custom.allows(0, 1));
    }

    #[test]
    fn cycles_and_sizes_are_named() {
        let error = |rows: &[&[u8]]| {
            let rows: Vec<Vec<bool>> =
                rows.iter().map(|row| row.iter().map(|&x| x == 1).collect()).collect();
            Adjacency::try_from(rows).unwrap_err().to_string()
        };
        let found = error(&[&[0, 1, 0], &[0, 0, 1], &[0, 1, 0]]);
        assert!(found.ends_with("feature 1 depends on feature 2 depends on feature 1"), "{found}");
        let found = error(&[&[1]]);
        assert!(found.ends_with("feature 0 depends on feature 0"), "{found}");
        let found = error(&[&[0, 0], &[0]]);
        assert!(found.contains("got [2, 1]"), "{found}");
        assert!(error(&[]).contains("at least 1 feature"));
    }

    #[test]
    fn files_hold_either_form_and_none_that_is_broken() {
        let json = |adjacency: &Adjacency| serde_json::to_string(adjacency).expect("plain data");
        let adjacency = Adjacency::in_passes(&Order::natural(3), 2);
        assert_eq!(json(&adjacency), r#"{"passes":[0,0,1]}"#);
        let custom = Adjacency::custom(vec![vec![false, false], vec![true, false]]);
        for adjacency in [adjacency, custom] {
            let back: Adjacency = serde_json::from_str(&json(&adjacency)).expect("it was written");
            assert_eq!(back, adjacency);
        }
        for broken in [r#"{"passes":[0,2]}"#, r#"{"passes":[]}"#, r#"{"rows":[[true]]}"#] {
            assert!(serde_json::from_str::<Adjacency>(broken).is_err(), "{broken}");
        }
    }
}
