//! [`Partition`]: a mask on a device.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, assert_shape};

use super::mask::Mask;
use crate::parameters::int_parameter;

/// A [`Mask`] as column indices, which move between devices and save with the module.
///
/// Selecting columns and multiplying by a mask are the same map; selecting leaves no weight that
/// only ever meets a zero, and no coordinate that is computed to be thrown away.
#[derive(Module, Debug)]
pub(crate) struct Partition {
    /// The kept features, ascending.
    kept: Param<Tensor<1, Int>>,
    /// The transformed features, ascending.
    transformed: Param<Tensor<1, Int>>,
    /// Where each feature stands in the kept features followed by the transformed ones.
    merged: Param<Tensor<1, Int>>,
}

impl Partition {
    /// Puts a mask on a device.
    pub(super) fn new(mask: &Mask, device: &Device) -> Self {
        let features = |kept: bool| -> Vec<usize> {
            (0..mask.d_features()).filter(|&feature| mask.kept()[feature] == kept).collect()
        };
        Self {
            kept: int_parameter(&features(true), device),
            transformed: int_parameter(&features(false), device),
            merged: int_parameter(&mask.places(), device),
        }
    }

    /// The number of features.
    pub(super) fn d_features(&self) -> usize {
        self.merged.dims()[0]
    }

    /// The kept and the transformed features.
    pub(super) fn indices(&self) -> [Tensor<1, Int>; 2] {
        [self.kept.val(), self.transformed.val()]
    }

    /// The mask, read back from the device.
    pub(super) fn mask(&self) -> Mask {
        let mut kept = vec![false; self.d_features()];
        for feature in self.kept.val().into_data().iter::<i64>() {
            kept[feature as usize] = true;
        }
        Mask::custom(kept)
    }

    /// The numbers of kept and of transformed features.
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.kept.dims()[0], self.transformed.dims()[0]]
    }

    /// The kept and the transformed columns of `x`, `[batch, d_features]`.
    ///
    /// # Panics
    ///
    /// If `x` does not have [`d_features`](Self::d_features) columns.
    pub(super) fn split(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let d_features = self.d_features();
        assert_shape!(x, [_, d_features]);
        let kept = x.clone().select(1, self.kept.val());
        (kept, x.select(1, self.transformed.val()))
    }

    /// Undoes [`split`](Self::split): `[batch, n_kept]` and `[batch, n_transformed]` to
    /// `[batch, d_features]`.
    pub(super) fn merge(&self, kept: Tensor<2>, transformed: Tensor<2>) -> Tensor<2> {
        Tensor::cat(vec![kept, transformed], 1).select(1, self.merged.val())
    }
}
