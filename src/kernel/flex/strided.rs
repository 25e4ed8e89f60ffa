//! Tensors of any strides read as tiles, and tiles written as rows: views need not be copied.

use burn::backend::TensorMetadata;

use super::super::row::{Real, feature};
use super::{FlexTensor, Stored};

/// A vector with any stride.
pub(super) struct Column<'t, R> {
    storage: &'t [R],
    start: usize,
    stride: isize,
}

impl<'t, R: Stored> Column<'t, R> {
    pub(super) fn new(tensor: &'t FlexTensor) -> Self {
        let layout = tensor.layout();
        let stride = layout.strides()[0];
        Self { storage: R::storage(tensor), start: layout.start_offset(), stride }
    }

    pub(super) fn at(&self, index: usize) -> R {
        self.storage[self.start.wrapping_add_signed(index as isize * self.stride)]
    }
}

/// A matrix with any strides: views need not be copied to be read.
pub(super) struct Rows<'t, R> {
    storage: &'t [R],
    start: usize,
    row: isize,
    column: isize,
}

impl<'t, R: Stored> Rows<'t, R> {
    pub(super) fn new(tensor: &'t FlexTensor) -> Self {
        let layout = tensor.layout();
        let (row, column) = (layout.strides()[0], layout.strides()[1]);
        Self { storage: R::storage(tensor), start: layout.start_offset(), row, column }
    }

    /// The rows from `first` on as a tile of as many features as it has room for.
    pub(super) fn read(&self, first: usize, rows: usize, tile: &mut [R]) {
        for (feature, values) in tile.chunks_exact_mut(rows).enumerate() {
            self.read_column(first, feature, values);
        }
    }

    pub(super) fn read_column(&self, first: usize, column: usize, values: &mut [R]) {
        let start = self.start as isize + first as isize * self.row + column as isize * self.column;
        for (i, value) in values.iter_mut().enumerate() {
            *value = self.storage[(start + i as isize * self.row) as usize];
        }
    }
}

/// Writes a tile as rows.
pub(super) fn write_rows<R: Real>(tile: &[R], rows: usize, to: &mut [R]) {
    let d = tile.len() / rows;
    for index in 0..d {
        let values = to[index..].iter_mut().step_by(d);
        values.zip(feature(tile, index, rows)).for_each(|(to, &value)| *to = value);
    }
}

/// The one value of all elements of a vector, if they are equal.
pub(in super::super) fn uniform_value(vector: &FlexTensor) -> Option<f64> {
    fn of<R: Stored + Into<f64>>(vector: &FlexTensor) -> Option<f64> {
        let column = Column::<R>::new(vector);
        let first = column.at(0);
        let equal = column.stride == 0 || (1..vector.shape()[0]).all(|i| column.at(i) == first);
        equal.then(|| first.into())
    }
    super::with_float!(vector, R => of::<R>(vector))
}
