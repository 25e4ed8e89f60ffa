//! The weights of a flow as the steps read them: contiguous, and put in another order where that is asked for or pays.

use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;

use super::super::arrangement::Arrangement;
use super::super::ops::FlowTensors;
use super::super::row::linear::{prefers_columns, transpose};
use super::super::threads::share;
use super::buffers::{give_back, take_buffer, take_front};
use super::{BatchRows, FlexTensor, Stored};

/// From so many rows on it pays to put a weight of so many numbers column after column first, since
/// it is read faster then.
const COLUMNS_FROM_ROWS: usize = 1024;
const COLUMNS_FROM_LEN: usize = 1 << 17;
/// From so many numbers on it pays to have other threads help with that.
const SHARE_FROM_LEN: usize = 1 << 17;

/// Runs `f` on the weights of a flow, for a batch of so many rows in tiles of so many.
pub(super) fn with_weights<R: Stored, T>(
    flow: &FlowTensors<Flex>,
    rows: BatchRows,
    f: impl FnOnce(Vec<Weight<'_, R>>) -> T,
) -> T {
    let contiguous = contiguous(flow);
    let weights = contiguous.iter().map(Weight::of).collect();
    with_arranged(weights, &flow.arrangements, |weights| with_columns(weights, rows, f))
}

/// Weights are contiguous unless somebody made them otherwise.
fn contiguous(flow: &FlowTensors<Flex>) -> Vec<FlexTensor> {
    let weights = flow.floats.iter();
    weights.map(|x| if x.is_contiguous() { x.clone() } else { x.to_contiguous() }).collect()
}

/// A weight, a bias or shared parameters.
pub(super) struct Weight<'a, R> {
    pub data: &'a [R],
    pub shape: Shape,
    /// The same numbers column after column.
    pub columns: Option<&'a [R]>,
}

impl<'a, R: Stored> Weight<'a, R> {
    /// As a contiguous tensor has it.
    fn of(tensor: &'a FlexTensor) -> Self {
        let start = tensor.layout().start_offset();
        let data = &R::storage(tensor)[start..start + tensor.shape().num_elements()];
        Self { data, shape: tensor.shape(), columns: None }
    }

    /// Whether it is put column after column first.
    fn wants_columns(&self, BatchRows { batch, tile }: BatchRows) -> bool {
        // Of rank 2 are also shared parameters, which no product reads; they are too few to matter.
        let &[d_input, d_output] = self.shape.as_slice() else { return false };
        let large = batch >= COLUMNS_FROM_ROWS && self.data.len() >= COLUMNS_FROM_LEN;
        large || (batch > tile && prefers_columns::<R>([d_input, d_output], tile))
    }

    fn put_columns(&mut self, place: &'a mut [R]) {
        transpose(self.data, self.shape[0], place);
        self.columns = Some(place);
    }
}

/// Runs `f` on the weights, those of masked networks as their arrangements put them.
fn with_arranged<R: Stored, T>(
    weights: Vec<Weight<'_, R>>,
    arrangements: &[Option<Arrangement>],
    f: impl FnOnce(Vec<Weight<'_, R>>) -> T,
) -> T {
    let pairs = || weights.iter().zip(arrangements);
    let arranged = pairs().filter(|(_, arrangement)| arrangement.is_some());
    let len = arranged.map(|(weight, _)| weight.data.len()).sum();
    if len == 0 {
        return f(weights);
    }
    let mut buffer = take_buffer::<R>(len);
    // Bound again, so that their lifetime may shrink to that of the buffer.
    let mut weights: Vec<Weight<'_, R>> = weights;
    let mut rest = &mut buffer[..];
    let mut places = Vec::new();
    for (weight, arrangement) in weights.iter_mut().zip(arrangements) {
        if let Some(arrangement) = arrangement {
            let place = take_front(&mut rest, weight.data.len());
            places.push((weight, arrangement, place));
        }
    }
    let put = |(weight, arrangement, place): (&mut Weight<'_, R>, &Arrangement, &mut [R])| {
        arrangement.arrange(weight.data, place);
    };
    if len < SHARE_FROM_LEN {
        places.into_iter().for_each(put);
    } else {
        share(places, |_, place| put(place));
    }
    let mut rest = &buffer[..];
    for (weight, _) in weights.iter_mut().zip(arrangements).filter(|(_, a)| a.is_some()) {
        let (place, others) = rest.split_at(weight.data.len());
        rest = others;
        weight.data = place;
    }
    let result = f(weights);
    give_back(vec![buffer]);
    result
}

/// Runs `f` on the weights, with some also column after column where it pays.
fn with_columns<R: Stored, T>(
    weights: Vec<Weight<'_, R>>,
    rows: BatchRows,
    f: impl FnOnce(Vec<Weight<'_, R>>) -> T,
) -> T {
    let wanting = weights.iter().filter(|weight| weight.wants_columns(rows));
    let len = wanting.map(|weight| weight.data.len()).sum();
    if len == 0 {
        return f(weights);
    }
    let mut buffer = take_buffer::<R>(len);
    // Bound again, so that their lifetime may shrink to that of the buffer.
    let mut weights: Vec<Weight<'_, R>> = weights;
    let mut rest = &mut buffer[..];
    let mut places = Vec::new();
    for weight in weights.iter_mut().filter(|weight| weight.wants_columns(rows)) {
        let place = take_front(&mut rest, weight.data.len());
        places.push((weight, place));
    }
    if len < SHARE_FROM_LEN {
        places.into_iter().for_each(|(weight, place)| weight.put_columns(place));
    } else {
        share(places, |_, (weight, place)| weight.put_columns(place));
    }
    let result = f(weights);
    give_back(vec![buffer]);
    result
}

/// Copies of the weights of a flow.
#[cfg(feature = "nuts")]
pub(super) struct OwnedWeights<R>(Vec<OwnedWeight<R>>);

#[cfg(feature = "nuts")]
struct OwnedWeight<R> {
    data: Vec<R>,
    columns: Option<Vec<R>>,
    shape: Shape,
}

#[cfg(feature = "nuts")]
impl<R: Stored> OwnedWeights<R> {
    /// With gradients all matrices column after column too: a single row goes back by these.
    pub fn new(flow: &FlowTensors<Flex>, with_gradients: bool) -> Self {
        let contiguous = contiguous(flow);
        let weights = contiguous.iter().map(Weight::of);
        let owned =
            weights.zip(&flow.arrangements).map(|(Weight { data, shape, .. }, arranged)| {
                let data = match arranged {
                    None => data.to_vec(),
                    Some(arrangement) => {
                        let mut place = vec![R::ZERO; data.len()];
                        arrangement.arrange(data, &mut place);
                        place
                    }
                };
                let is_matrix = shape.rank() == 2 && !data.is_empty();
                let columns = (with_gradients && is_matrix).then(|| {
                    let mut columns = vec![R::ZERO; data.len()];
                    transpose(&data, shape[0], &mut columns);
                    columns
                });
                OwnedWeight { data, columns, shape }
            });
        Self(owned.collect())
    }

    pub fn weights(&self) -> Vec<Weight<'_, R>> {
        let owned = self.0.iter();
        owned
            .map(|OwnedWeight { data, columns, shape }| Weight {
                data,
                shape: shape.clone(),
                columns: columns.as_deref(),
            })
            .collect()
    }
}
