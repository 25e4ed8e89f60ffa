//! The kernels on the Flex backend: memory, types and threads.
//!
//! Any number of threads gives the same bits. Without gradients (`forward`), tiles are independent, and as high as
//! keeps all threads busy. With gradients (`backward`), a *shard* is a range of rows
//! whose tiles one thread takes one after another, adding up the gradients of the weights; the sums
//! of the shards are then added in order; they are split by numbers of rows that depend on the batch and the
//! weights alone. Where shards would leave threads idle, the same is done in two phases (`phases`).

mod backward;
mod buffers;
mod forward;
mod optim;
mod phases;
#[cfg(feature = "nuts")]
mod point;
mod shard;
mod steps;
mod strided;
mod tape;
mod weights;

use std::ops::Range;
use std::sync::Mutex;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::TensorData;

use super::ops::{FlowTensors, KernelOps};
use super::row::Real;
use super::tile::{n_pieces, pieces};
use crate::direction::Direction;

use buffers::Pool;

pub(super) use backward::{Gradients, WantedGradients, gradients, log_prob_with_gradients, scale};
pub(super) use buffers::release;
pub(super) use optim::{adam, sum_of_squares};
#[cfg(feature = "nuts")]
pub(super) use point::{PointInverse, PointTape};
pub(super) use shard::BackwardTarget;
pub(super) use strided::uniform_value;
pub(super) use tape::transform_with_tape;

/// The rows of a batch, and of each tile of it.
///
/// A tile has enough of them that reading the weights is nothing beside computing with them, few enough that
/// the activations stay in the cache, and that a small batch has a tile for every thread.
#[derive(Debug, Clone, Copy)]
struct BatchRows {
    batch: usize,
    tile: usize,
}

impl BatchRows {
    fn in_evaluation(batch: usize) -> Self {
        Self { batch, tile: if batch < 512 { 64 } else { 128 } }
    }

    /// The tiles, of another height if that keeps all threads busy and changes no bits.
    fn tiles(self, may_change: bool) -> Vec<Range<usize>> {
        let heights = if may_change { &[128, 64, 32, 16][..] } else { &[self.tile] };
        let threads = rayon::current_num_threads();
        pieces(0..self.batch, best_height(self.batch, threads, heights.iter().copied()).0)
    }

    /// Each tile reads and writes the gradients of all weights too.
    fn in_training(batch: usize) -> Self {
        if batch < 1024 { Self::in_evaluation(batch) } else { Self { batch, tile: 256 } }
    }
}

/// The height of tiles with which so many threads take the shortest time for a batch, and that time, in rows: the
/// longer of two that are equal. Heights descend.
fn best_height(batch: usize, threads: usize, heights: impl Iterator<Item = usize>) -> (usize, f64) {
    /// What a tile takes however few rows it has: reading the weights, and starting every loop.
    const TILE: f64 = 16.0;
    let times = heights.map(|height| {
        let rounds = n_pieces(batch, height).div_ceil(threads);
        (height, rounds as f64 * (height.min(batch) as f64 + TILE))
    });
    times.min_by(|a, b| a.1.total_cmp(&b.1)).expect("at least one height")
}

type FlexTensor = FloatTensor<Flex>;

/// The float types as Flex stores them.
pub(super) trait Stored: Real {
    /// All numbers of the storage, in whatever order the tensor's layout says.
    fn storage(tensor: &FlexTensor) -> &[Self];
    /// The same to be written to; shared storage is copied first.
    fn storage_mut(tensor: &mut FlexTensor) -> &mut [Self];
    /// A tensor of these numbers.
    fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor;
    /// The buffers that wait for a next call.
    fn pool() -> &'static Mutex<Pool<Self>>;
}

macro_rules! impl_stored {
    ($($float:ident)+) => {$(
        impl Stored for $float {
            fn storage(tensor: &FlexTensor) -> &[Self] {
                tensor.storage()
            }
            fn storage_mut(tensor: &mut FlexTensor) -> &mut [Self] {
                tensor.storage_mut()
            }
            fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor {
                FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
            }
            fn pool() -> &'static Mutex<Pool<Self>> {
                static POOL: Mutex<Pool<$float>> = Mutex::new(Pool::new());
                &POOL
            }
        }
    )+};
}
impl_stored!(f32 f64);

/// Runs an expression with `$R` as the float type of a tensor.
macro_rules! with_float {
    ($tensor:expr, $R:ident => $body:expr) => {
        match $tensor.dtype() {
            burn::tensor::DType::F32 => {
                type $R = f32;
                $body
            }
            burn::tensor::DType::F64 => {
                type $R = f64;
                $body
            }
            dtype => panic!("the kernels compute in f32 and f64, not in {dtype:?}"),
        }
    };
}

use with_float;

impl KernelOps for Flex {
    fn transform(
        input: FlexTensor,
        flow: FlowTensors<Self>,
        direction: Direction,
    ) -> (FlexTensor, FlexTensor) {
        with_float!(input, R => forward::transform::<R>(&input, &flow, direction))
    }

    fn log_prob(input: FlexTensor, flow: FlowTensors<Self>) -> FlexTensor {
        with_float!(input, R => forward::log_prob::<R>(&input, &flow))
    }
}
