//! [`Mask`]: which features a coupling layer keeps.

use burn::serde::{Deserialize, Serialize};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::error::{Error, or_panic};

/// Which features a coupling layer keeps (`true`) and which it transforms (`false`).
///
/// At least one feature is kept and at least one is transformed. A stack alternates a mask with its
/// [`complement`](Mask::complement), so that every feature is transformed by every second layer.
///
/// # Example
///
/// ```
/// use normalizing_flows::coupling::Mask;
///
/// assert_eq!(Mask::alternating(4).kept(), [true, false, true, false]);
/// assert_eq!(Mask::half(5).kept(), [true, true, true, false, false]);
/// assert_eq!(Mask::half(2).complement(), Mask::custom(vec![false, true]));
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(crate = "burn::serde", try_from = "Vec<bool>", into = "Vec<bool>")]
pub struct Mask {
    kept: Vec<bool>,
}

impl Mask {
    /// Keeps the features 0, 2, 4 and so on: a checkerboard of one row.
    ///
    /// # Panics
    ///
    /// If `d_features` is below 2.
    pub fn alternating(d_features: usize) -> Self {
        Self::custom((0..d_features).map(|feature| feature % 2 == 0).collect())
    }

    /// Keeps the first half of the features, rounded up.
    ///
    /// # Panics
    ///
    /// If `d_features` is below 2.
    pub fn half(d_features: usize) -> Self {
        let n_kept = d_features.div_ceil(2);
        Self::custom((0..d_features).map(|feature| feature < n_kept).collect())
    }

    /// Keeps a random half of the features, rounded up.
    ///
    /// # Panics
    ///
    /// If `d_features` is below 2.
    pub fn random<R: Rng + ?Sized>(d_features: usize, rng: &mut R) -> Self {
        let mut mask = Self::half(d_features);
        mask.kept.shuffle(rng);
        mask
    }

    /// Keeps the features that are `true`.
    ///
    /// # Panics
    ///
    /// If there are fewer than 2 features, or all or none of them are kept.
    pub fn custom(kept: Vec<bool>) -> Self {
        or_panic(Self::try_from(kept))
    }

    /// The mask that keeps what this one transforms.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self { kept: self.kept.iter().map(|kept| !kept).collect() }
    }

    /// Whether each feature is kept.
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// Where each feature stands in the kept features followed by the transformed ones.
    pub(crate) fn places(&self) -> Vec<usize> {
        let (mut kept, mut transformed) = (0..self.n_kept(), self.n_kept()..self.d_features());
        let place = |&is_kept: &bool| if is_kept { kept.next() } else { transformed.next() };
        self.kept.iter().filter_map(place).collect()
    }

    /// The number of features.
    pub fn d_features(&self) -> usize {
        self.kept.len()
    }

    /// The number of kept features.
    pub fn n_kept(&self) -> usize {
        self.kept.iter().filter(|&&kept| kept).count()
    }

    /// The number of transformed features.
    pub fn n_transformed(&self) -> usize {
        self.d_features() - self.n_kept()
    }
}

/// A mask read from a file: what [`Mask::custom`] panics on is an error here.
impl TryFrom<Vec<bool>> for Mask {
    type Error = Error;

    fn try_from(kept: Vec<bool>) -> Result<Self, Error> {
        let d_features = kept.len();
        if d_features < 2 {
            return Err(Error::Config(format!(
                "a coupling layer needs at least 2 features, got {d_features}: it keeps some to \
                 decide how the others are transformed. For one feature use an `Elementwise` \
                 layer, or a learnable `DiagonalNormal` as the base distribution"
            )));
        }
        let mask = Self { kept };
        let n_kept = mask.n_kept();
        if n_kept == 0 || n_kept == d_features {
            return Err(Error::Config(format!(
                "a mask must keep at least 1 feature and transform at least 1, got {n_kept} kept \
                 of {d_features}"
            )));
        }
        Ok(mask)
    }
}

impl From<Mask> for Vec<bool> {
    fn from(mask: Mask) -> Self {
        mask.kept
    }
}
