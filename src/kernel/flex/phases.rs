//! The gradients of a flow in two phases, for threads that shards would leave idle.
//!
//! 1. Tiles go forward and back in parallel, in pieces if there are fewer tiles than threads. What the gradients
//!    of weights are sums of is kept: the inputs of all linear layers, and the gradients of their outputs.
//! 2. Those sums are made in parallel over layers and some inputs of each, each over all rows, in the order in
//!    which shards would be summed: tile after tile of a shard, shard after shard.
//!
//! So the bits are those of shards. Memory is bounded: both phases go on with further tiles once so many are
//! kept.

use std::ops::Range;

use super::super::row::Real;
use super::super::threads::share;
use super::super::tile::{Keeper, KeptRows, Steps, Summand, Terms, Weights, pieces};
use super::buffers::{give_back, take_buffer, take_front};
use super::shard::{OwnRows, Pass};
use super::tape::tiles;
use super::{BatchRows, Stored, best_height};

/// The bytes that are kept at most, or those of one tile.
const MAX_KEPT_BYTES: usize = 1 << 27;
/// How much longer two phases take on one thread than shards do: what is kept is written to memory, and read.
const KEEPING: f64 = 1.15;

/// How the rows go through the first phase.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The rows of a piece of a tile.
    piece: usize,
    /// The tiles after which the second phase sums up what is kept of them.
    tiles_at_once: usize,
}

impl Plan {
    /// That of the shortest time for so many threads, where so many numbers are kept of each row, and that time as
    /// a share of what one thread takes. `may_divide` says whether tiles may be divided.
    fn new<R>(rows: BatchRows, per_row: usize, threads: usize, may_divide: bool) -> (Self, f64) {
        let BatchRows { batch, tile } = rows;
        let tile_bytes = (tile * per_row * size_of::<R>()).max(1);
        let tiles_at_once = (MAX_KEPT_BYTES / tile_bytes).clamp(1, batch.div_ceil(tile));
        let rows_at_once = batch.min(tiles_at_once * tile);
        let least = if may_divide { 32 } else { tile };
        let heights = (0..).map(|halvings| tile >> halvings).take_while(|&height| height >= least);
        let (piece, time) = best_height(rows_at_once, threads, heights);
        // Of the products a third are in the second phase, which any number of threads can share.
        let share = 2.0 / 3.0 * time / rows_at_once as f64 + 1.0 / 3.0 / threads as f64;
        (Self { piece, tiles_at_once }, KEEPING * share)
    }

    /// If it takes less time than so many shards do.
    pub fn if_it_pays<R: Stored>(
        steps: &Steps<'_, R>,
        rows: BatchRows,
        n_shards: usize,
        may_divide: bool,
    ) -> Option<Self> {
        let threads = rayon::current_num_threads();
        let (plan, share) = Self::new::<R>(rows, kept_per_row(steps), threads, may_divide);
        (share < n_shards.div_ceil(threads) as f64 / n_shards as f64).then_some(plan)
    }
}

/// The sums of the gradients of all weights, as shards of so many rows give them.
pub(super) fn sums<R: Stored>(
    pass: &Pass<'_, R>,
    own: OwnRows<'_, R>,
    n_weights: usize,
    shard_rows: usize,
    plan: Plan,
) -> Vec<R> {
    let mut own = own;
    let tiles = tiles(pass.rows.batch, shard_rows, pass.rows.tile);
    let per_row = kept_per_row(pass.steps);
    let mut kept = take_buffer::<R>(plan.tiles_at_once * pass.rows.tile * per_row);
    let [mut of_shard, mut of_all] = std::array::from_fn(|_| take_buffer::<R>(n_weights));
    for tiles in tiles.chunks(plan.tiles_at_once) {
        let terms = keep(pass, &mut own, tiles, &mut kept, per_row, plan.piece);
        let tiles = kept_tiles(tiles, &kept, per_row, shard_rows, pass.rows.batch);
        add_up(&terms, &tiles, &mut of_shard, &mut of_all);
    }
    give_back(vec![kept, of_shard]);
    of_all
}

/// The most numbers that are kept of a row.
fn kept_per_row<R: Real>(steps: &Steps<'_, R>) -> usize {
    steps.steps.iter().map(|step| step.gradient_terms()).sum()
}

/// The first phase: takes tiles forward and back, and keeps the terms of the gradients of the weights.
fn keep<R: Stored>(
    pass: &Pass<'_, R>,
    own: &mut OwnRows<'_, R>,
    tiles: &[Range<usize>],
    kept: &mut [R],
    per_row: usize,
    piece_rows: usize,
) -> Vec<Terms> {
    let mut rest = kept;
    let mut places = Vec::new();
    for tile in tiles {
        let ranges = pieces(0..tile.len(), piece_rows);
        let to = KeptRows::split(
            take_front(&mut rest, tile.len() * per_row),
            tile.len(),
            ranges.clone().into_iter(),
        );
        let places_of_tile = ranges.into_iter().zip(to).map(|(rows, to)| {
            let first = tile.start + rows.start;
            (first, own.take_front(rows.len()), to)
        });
        places.extend(places_of_tile);
    }
    let terms = share(places, |_, (first, own, to)| {
        let mut weights = Weights::Kept(Keeper::new(to));
        pass.tile(first, own, &mut weights);
        match weights {
            Weights::Kept(keeper) => keeper.into_terms(),
            Weights::Summed(_) => unreachable!("the terms were kept"),
        }
    });
    // They are in the same places for all tiles.
    terms.into_iter().next().expect("at least one tile")
}

/// A tile whose terms are kept.
struct KeptTile<'k, R> {
    terms: &'k [R],
    rows: usize,
    is_first_of_shard: bool,
    is_last_of_shard: bool,
    is_in_first_shard: bool,
}

fn kept_tiles<'k, R>(
    tiles: &[Range<usize>],
    kept: &'k [R],
    per_row: usize,
    shard_rows: usize,
    batch: usize,
) -> Vec<KeptTile<'k, R>> {
    let first = tiles[0].start;
    let tile = |tile: &Range<usize>| KeptTile {
        terms: &kept[(tile.start - first) * per_row..][..tile.len() * per_row],
        rows: tile.len(),
        is_first_of_shard: tile.start.is_multiple_of(shard_rows),
        is_last_of_shard: tile.end.is_multiple_of(shard_rows) || tile.end == batch,
        is_in_first_shard: tile.end <= shard_rows,
    };
    tiles.iter().map(tile).collect()
}

/// The second phase: adds the gradients of these tiles to those of their shard, and those of shards that are
/// over to those of all rows.
fn add_up<R: Real>(
    terms: &[Terms],
    tiles: &[KeptTile<'_, R>],
    of_shard: &mut [R],
    of_all: &mut [R],
) {
    let mut ranges: Vec<(Range<usize>, Summand<'_>)> =
        terms.iter().flat_map(Terms::ranges).collect();
    ranges.sort_by_key(|(range, _)| range.start);
    let (mut of_shard, mut of_all, mut end) = (of_shard, of_all, 0);
    let mut places = Vec::with_capacity(ranges.len());
    for (range, summand) in ranges {
        for rest in [&mut of_shard, &mut of_all] {
            take_front(rest, range.start - end);
        }
        end = range.end;
        let sums = [&mut of_shard, &mut of_all].map(|rest| take_front(rest, range.len()));
        places.push((sums, summand));
    }
    share(places, |_, ([of_shard, of_all], summand)| {
        for tile in tiles {
            summand.sum(tile.terms, of_shard, tile.rows, !tile.is_first_of_shard);
            if tile.is_last_of_shard && tile.is_in_first_shard {
                of_all.copy_from_slice(of_shard);
            } else if tile.is_last_of_shard {
                of_all.iter_mut().zip(&*of_shard).for_each(|(sum, &term)| *sum += term);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::backward::shard_rows;
    use super::*;

    /// The time of tasks that threads take in order, whenever one is free.
    fn makespan(tasks: impl Iterator<Item = usize>, threads: usize) -> usize {
        let mut busy_until = vec![0; threads];
        for task in tasks {
            let free = busy_until.iter_mut().min().expect("at least one thread");
            *free += task;
        }
        busy_until.into_iter().max().expect("at least one thread")
    }

    /// What more cores than shards gain, counted in multiply-adds: `docs/benchmarks.md` has what it prints.
    #[test]
    fn more_threads_than_shards_gain() {
        println!(
            "| flow | rows | threads | shards | two phases | MiB of shards | MiB of two phases |"
        );
        for (name, layers, batch) in [
            ("affine-64d", [[32, 256], [256, 256], [256, 64]], 1024),
            ("affine-64d-xl", [[32, 512], [512, 512], [512, 64]], 4096),
            ("spline-64d", [[32, 256], [256, 256], [256, 736]], 1024),
        ] {
            let layers: Vec<_> = (0..8).flat_map(|_| layers).collect();
            let n_weights: usize =
                layers.iter().map(|[d_input, d_output]| d_input * d_output).sum();
            let rows = BatchRows::in_training(batch);
            let shard_rows = shard_rows(batch, n_weights);
            let shards: Vec<_> = (0..batch).step_by(shard_rows).collect();
            let per_row: usize = layers.iter().flatten().sum();
            let mib = |numbers: usize| (numbers * size_of::<f32>()) >> 20;
            let one = 3 * n_weights * batch;
            let mut best = 0.0;
            for threads in [2, 3, 4, 5, 6, 8, 16, 32, 64] {
                let in_shard = |&start: &usize| 3 * n_weights * shard_rows.min(batch - start);
                let by_shards = makespan(shards.iter().map(in_shard), threads);
                let (plan, _) = Plan::new::<f32>(rows, per_row, threads, true);
                let tiles = tiles(batch, shard_rows, rows.tile);
                let of_terms = || layers.iter().map(|&sizes| Terms::of_sizes(0, sizes));
                let in_phases = |tiles: &[Range<usize>]| {
                    let pieces = tiles.iter().flat_map(|tile| pieces(tile.clone(), plan.piece));
                    let first = makespan(pieces.map(|rows| 2 * n_weights * rows.len()), threads);
                    let n_rows: usize = tiles.iter().map(Range::len).sum();
                    let terms: Vec<_> = of_terms().collect();
                    let ranges = terms.iter().flat_map(Terms::ranges);
                    first + makespan(ranges.map(|(range, _)| range.len() * n_rows), threads)
                };
                let in_phases: usize = tiles.chunks(plan.tiles_at_once).map(in_phases).sum();
                let [by_shards, in_phases] =
                    [by_shards, in_phases].map(|time| one as f64 / time as f64);
                println!(
                    "| {name} | {batch} | {threads} | {by_shards:.1} | {in_phases:.1} | {} | {} |",
                    mib(shards.len() * n_weights),
                    mib(2 * n_weights + (batch * per_row).min(MAX_KEPT_BYTES / size_of::<f32>())),
                );
                best = in_phases.max(best);
            }
            assert!(best > 3.0 * shards.len() as f64, "{name}: at most {best} times");
        }
    }
}
