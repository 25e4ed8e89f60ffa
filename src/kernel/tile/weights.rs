//! The gradients of the weights of a tile: added up at once, or what they are sums of kept for later.

use std::marker::PhantomData;
use std::ops::Range;

use super::super::row::linear::{sum_rows, weight_gradient};
use super::super::row::{Linear, Part, Real, feature};

/// What becomes of the gradients of the weights of a tile.
pub(in super::super) enum Weights<'t, R> {
    /// They are added up.
    Summed(Sums<'t, R>),
    /// What they are sums of is kept.
    Kept(Keeper<'t, R>),
}

/// The gradients of the weights of a flow, summed over rows.
pub(in super::super) struct Sums<'t, R> {
    pub sums: &'t mut [R],
    /// Whether to add to what `sums` holds.
    pub accumulate: bool,
}

impl<R: Real> Weights<'_, R> {
    /// The gradients of a linear layer's weight and bias, where they are wanted, from its inputs and the
    /// gradient of its outputs.
    pub(super) fn of_layer(
        &mut self,
        [weight, bias]: [Option<usize>; 2],
        layer: &Linear<'_, R>,
        input: &[R],
        gradient: &[R],
        rows: usize,
    ) {
        match self {
            Self::Summed(Sums { sums, accumulate }) => {
                if let Some(offset) = weight {
                    let sums = &mut sums[offset..][..layer.weight.len()];
                    layer.weight_gradient(input, gradient, sums, rows, *accumulate);
                }
                if let Some(offset) = bias {
                    let sums = &mut sums[offset..][..layer.d_output];
                    sum_rows(gradient, sums, rows, *accumulate);
                }
            }
            Self::Kept(keeper) => {
                let product = weight.map(|offset| Product {
                    offset,
                    d_input: layer.d_input,
                    parts: layer.parts.clone(),
                    input: keeper.keep(input),
                });
                if product.is_some() || bias.is_some() {
                    let gradient = keeper.keep(gradient);
                    let d_output = layer.d_output;
                    keeper.terms.push(Terms { product, row_sums: bias, gradient, d_output });
                }
            }
        }
    }

    /// The gradient of shared parameters, where it is wanted: the sum over the rows.
    pub(super) fn of_rows(&mut self, offset: Option<usize>, gradient: &[R], rows: usize) {
        let Some(offset) = offset else { return };
        let d_output = gradient.len() / rows;
        match self {
            Self::Summed(Sums { sums, accumulate }) => {
                sum_rows(gradient, &mut sums[offset..][..d_output], rows, *accumulate);
            }
            Self::Kept(keeper) => {
                let gradient = keeper.keep(gradient);
                keeper.terms.push(Terms {
                    product: None,
                    row_sums: Some(offset),
                    gradient,
                    d_output,
                });
            }
        }
    }
}

/// What the gradients of a layer's weights, or of shared parameters, are sums of.
#[derive(Clone, Debug)]
pub(in super::super) struct Terms {
    /// The gradient of a weight.
    product: Option<Product>,
    /// Where the sums of the gradient itself go.
    row_sums: Option<usize>,
    /// Where the gradient is among what is kept of each row.
    gradient: usize,
    d_output: usize,
}

#[derive(Clone, Debug)]
struct Product {
    /// Where the sums go.
    offset: usize,
    d_input: usize,
    parts: Vec<Part>,
    /// Where the inputs are among what is kept of each row.
    input: usize,
}

/// The inputs of a layer whose weights' gradients are summed by themselves.
const INPUTS_AT_ONCE: usize = 32;

impl Terms {
    /// Those of a layer of so many inputs and outputs, without a bias.
    #[cfg(test)]
    pub(in super::super) fn of_sizes(offset: usize, [d_input, d_output]: [usize; 2]) -> Self {
        let product = Product { offset, d_input, parts: Vec::new(), input: 0 };
        Self { product: Some(product), row_sums: None, gradient: 0, d_output }
    }

    /// Ranges of the sums that can be added up each by itself, and what each is.
    pub(in super::super) fn ranges(&self) -> Vec<(Range<usize>, Summand<'_>)> {
        let mut ranges = Vec::new();
        if let Some(product) = &self.product {
            // `gemm` has ways of its own for few numbers: layers of few outputs are not divided.
            let is_divided = product.parts.is_empty() && self.d_output > 16;
            let at_once = if is_divided { INPUTS_AT_ONCE } else { product.d_input.max(1) };
            ranges.extend(pieces(0..product.d_input, at_once).into_iter().map(|inputs| {
                let start = product.offset + inputs.start * self.d_output;
                let end = product.offset + inputs.end * self.d_output;
                (start..end, Summand { terms: self, inputs: Some((product, inputs)) })
            }));
        }
        if let Some(offset) = self.row_sums {
            ranges.push((offset..offset + self.d_output, Summand { terms: self, inputs: None }));
        }
        ranges
    }
}

/// What a range of the sums is the sum of: products of some of a layer's inputs, or the gradient.
pub(in super::super) struct Summand<'t> {
    terms: &'t Terms,
    inputs: Option<(&'t Product, Range<usize>)>,
}

impl Summand<'_> {
    /// The sum over a tile, of which all rows are kept.
    pub(in super::super) fn sum<R: Real>(
        &self,
        kept: &[R],
        sums: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        let Terms { gradient, d_output, .. } = *self.terms;
        let gradient = &kept[gradient * rows..][..d_output * rows];
        match &self.inputs {
            None => sum_rows(gradient, sums, rows, accumulate),
            Some((product, inputs)) => {
                let first = (product.input + inputs.start) * rows;
                let input = &kept[first..][..inputs.len() * rows];
                let sizes = [inputs.len(), d_output];
                weight_gradient(sizes, &product.parts, input, gradient, sums, rows, accumulate);
            }
        }
    }
}

/// The least length of a piece, as far as there is so much.
const LEAST: usize = 16;

/// How many pieces [`pieces`] gives of so many.
pub(in super::super) fn n_pieces(n: usize, len: usize) -> usize {
    (n / len + usize::from(n % len >= LEAST)).max(1)
}

/// A range in pieces of `len` each, at least 16; what is left over is a piece, or part of the last one if it is
/// less than 16.
pub(in super::super) fn pieces(range: Range<usize>, len: usize) -> Vec<Range<usize>> {
    let n_pieces = n_pieces(range.len(), len);
    let start = |piece: usize| range.start + piece * len;
    let end = |piece: usize| if piece + 1 == n_pieces { range.end } else { start(piece + 1) };
    (0..n_pieces).map(|piece| start(piece)..end(piece)).collect()
}

/// Takes what is kept of some rows of a tile to its place.
pub(in super::super) struct Keeper<'t, R> {
    rows: KeptRows<'t, R>,
    n_kept: usize,
    terms: Vec<Terms>,
}

impl<'t, R: Real> Keeper<'t, R> {
    pub(in super::super) fn new(rows: KeptRows<'t, R>) -> Self {
        Self { rows, n_kept: 0, terms: Vec::new() }
    }

    /// What was kept, in the order of its places.
    pub(in super::super) fn into_terms(self) -> Vec<Terms> {
        self.terms
    }

    /// Keeps some values of each row, and says where.
    fn keep(&mut self, values: &[R]) -> usize {
        let place = self.n_kept;
        self.n_kept += values.len() / self.rows.rows.len();
        self.rows.write(place, values);
        place
    }
}

/// Some rows of a tile, to be written while other threads write the others.
pub(in super::super) struct KeptRows<'t, R> {
    tile: *mut R,
    len: usize,
    tile_rows: usize,
    rows: Range<usize>,
    lifetime: PhantomData<&'t mut [R]>,
}

#[expect(unsafe_code, reason = "the rows of a tile lie side by side for each of its values")]
// SAFETY: it is as good as a mutable slice of each value of its rows, and no other has those.
unsafe impl<R: Send> Send for KeptRows<'_, R> {}

impl<'t, R: Real> KeptRows<'t, R> {
    /// A tile of so many rows in ranges of them, one after another.
    pub(in super::super) fn split(
        tile: &'t mut [R],
        tile_rows: usize,
        ranges: impl Iterator<Item = Range<usize>>,
    ) -> impl Iterator<Item = Self> {
        let (data, len) = (tile.as_mut_ptr(), tile.len());
        let mut before = 0;
        ranges.map(move |rows| {
            assert!(
                before <= rows.start && rows.start < rows.end && rows.end <= tile_rows,
                "ranges of rows in their order"
            );
            before = rows.end;
            Self { tile: data, len, tile_rows, rows, lifetime: PhantomData }
        })
    }

    /// Writes values of these rows, from a place on.
    #[expect(unsafe_code, reason = "the rows of a tile lie side by side for each of its values")]
    fn write(&mut self, place: usize, values: &[R]) {
        let rows = self.rows.len();
        let n = values.len() / rows;
        assert!((place + n) * self.tile_rows <= self.len, "the tile has room for what is kept");
        for i in 0..n {
            let first = (place + i) * self.tile_rows + self.rows.start;
            // SAFETY: the place is inside of the tile, which is borrowed mutably, and no other range has
            // these rows.
            let to = unsafe { std::slice::from_raw_parts_mut(self.tile.add(first), rows) };
            to.copy_from_slice(feature(values, i, rows));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_a_range_and_none_is_small() {
        for (n, len) in (0..200).flat_map(|n| [16, 32, 64].map(|len| (n, len))) {
            let pieces = pieces(7..7 + n, len);
            assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (7, 7 + n));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(pieces.iter().all(|piece| piece.len() >= LEAST.min(n)), "{n} by {len}");
            let (last, others) = pieces.split_last().expect("at least one");
            assert!(others.iter().all(|piece| piece.len() == len) && last.len() < len + LEAST);
        }
    }

    #[test]
    fn rows_that_are_kept_by_several_are_those_of_the_tile() {
        let (tile_rows, n_values) = (40, 3);
        let values = |rows: Range<usize>| -> Vec<f32> {
            (0..n_values)
                .flat_map(|i| rows.clone().map(move |row| (100 * i + row) as f32))
                .collect()
        };
        let mut tile = vec![f32::NAN; n_values * tile_rows];
        let ranges = pieces(0..tile_rows, 16);
        let parts = KeptRows::split(&mut tile, tile_rows, ranges.into_iter());
        for rows in parts.collect::<Vec<_>>().into_iter().rev() {
            let of_rows = values(rows.rows.clone());
            let n = rows.rows.len();
            let mut keeper = Keeper::new(rows);
            assert_eq!([keeper.keep(&of_rows[..n]), keeper.keep(&of_rows[n..])], [0, 1]);
        }
        assert_eq!(tile, values(0..tile_rows));
    }
}
