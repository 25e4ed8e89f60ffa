//! [`Order`]: features in some order.

use burn::serde::{Deserialize, Serialize};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::error::{Error, ensure, or_panic};

/// All features in some order: a permutation of the numbers from 0.
///
/// # Example
///
/// ```
/// use normalizing_flows::Order;
///
/// assert_eq!(Order::reversed(3).features(), [2, 1, 0]);
/// assert_eq!(Order::rotated(4, 1).features(), [1, 2, 3, 0]);
/// assert_eq!(Order::rotated(4, 1).inverse(), Order::rotated(4, 3));
/// assert!(Order::try_from(vec![0, 0, 1]).is_err());
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(crate = "burn::serde", try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Order {
    features: Vec<usize>,
}

impl Order {
    /// The features as they come.
    pub fn natural(d_features: usize) -> Self {
        Self { features: (0..d_features).collect() }
    }

    /// The last feature first.
    pub fn reversed(d_features: usize) -> Self {
        Self { features: (0..d_features).rev().collect() }
    }

    /// The feature `by` first, after the last comes the first.
    pub fn rotated(d_features: usize, by: usize) -> Self {
        Self { features: (0..d_features).map(|place| (place + by) % d_features).collect() }
    }

    /// A random order, each as likely.
    pub fn random<R: Rng + ?Sized>(d_features: usize, rng: &mut R) -> Self {
        let mut order = Self::natural(d_features);
        order.features.shuffle(rng);
        order
    }

    /// These features in this order.
    ///
    /// # Panics
    ///
    /// If it is no permutation of the numbers from 0.
    pub fn custom(features: Vec<usize>) -> Self {
        or_panic(Self::try_from(features))
    }

    /// The feature at each place.
    pub fn features(&self) -> &[usize] {
        &self.features
    }

    /// The place of each feature.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut places = vec![0; self.features.len()];
        self.features.iter().enumerate().for_each(|(place, &feature)| places[feature] = place);
        Self { features: places }
    }
}

impl TryFrom<Vec<usize>> for Order {
    type Error = Error;

    fn try_from(features: Vec<usize>) -> Result<Self, Error> {
        let mut is_there = vec![false; features.len()];
        for &feature in &features {
            let first =
                is_there.get_mut(feature).map(|is_there| !std::mem::replace(is_there, true));
            ensure!(
                first == Some(true),
                "an order must hold each number below {} once, got {features:?}",
                features.len()
            );
        }
        Ok(Self { features })
    }
}

impl From<Order> for Vec<usize> {
    fn from(order: Order) -> Self {
        order.features
    }
}
