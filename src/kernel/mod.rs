//! Fused kernels: a second way to the same numbers, taken where the device has one.
//!
//! The tensor operations of the layers are the reference: they run on every backend. On the Flex
//! backend (the CPU), what the kernels know of a flow is applied to the rows in one pass instead.
//! Nobody asks for it by name: `flow::run` asks for all. DESIGN.md tells how they work.
//!
//! - `program`: the layers of a flow, each with its operation for the kernels or the reason why
//!   there is none; `operation`: what layers, maps and bases hand over
//! - `lower`: from an operation to constants and tensors; `runs`: the runs of layers, each applied
//!   in one pass, and the layers between them; `unavailable`: both without a backend that has
//!   kernels
//! - `arrangement`: weights of masked networks in the order of their passes
//! - `optim`: the step of an optimiser, `rates`: its numbers; sums of squares
//! - `ops`, `flex`, `autodiff`: the operations as burn's backends see them
//! - `point`: one point after another, for samplers
//! - `threads`: work shared between threads
//! - `tile`: a tile of rows through all layers of a run, and gradients back
//! - `row`: the arithmetic, on slices

#[cfg(feature = "flex")]
mod arrangement;
#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod lower;
#[cfg_attr(
    not(feature = "flex"),
    expect(
        dead_code,
        reason = "flows say what they are made of, and no backend with kernels reads it"
    )
)]
mod operation;
#[cfg(feature = "flex")]
mod ops;
#[cfg(feature = "flex")]
mod optim;
#[cfg(feature = "nuts")]
mod point;
#[cfg_attr(
    not(feature = "flex"),
    expect(
        dead_code,
        reason = "flows say what they are made of, and no backend with kernels reads it"
    )
)]
mod program;
#[cfg_attr(
    not(feature = "flex"),
    expect(
        dead_code,
        reason = "optimisers say what a step is, and no backend with kernels reads it"
    )
)]
mod rates;
#[cfg(feature = "flex")]
mod row;
#[cfg(feature = "flex")]
mod runs;
#[cfg(feature = "flex")]
mod threads;
#[cfg(feature = "flex")]
mod tile;
#[cfg(not(feature = "flex"))]
mod unavailable;

/// Frees the memory that the kernels keep from call to call.
///
/// On the CPU's `flex` backend the fused kernels keep their buffers, since fresh memory costs about as much as
/// the arithmetic on it: the activations of a tile per thread, and the gradients of all weights up to eight
/// times. A service that has loaded a large model, used it and dropped it may call this once. Later calls
/// allocate what they need, and keep it again.
///
/// The buffers of other threads than the calling one are those of rayon's pool that the caller is in (the global
/// one by default); each is freed as soon as its thread is free. On other backends nothing is kept and nothing
/// happens.
///
/// # Example
///
/// ```
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::{Distribution, RealNvpConfig, release_buffers};
///
/// let device = Device::default();
/// let model = RealNvpConfig::new(4).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let log_prob = model.log_prob(Tensor::zeros([10_000, 4], &device));
/// drop(model);
/// release_buffers();
/// # assert_eq!(log_prob.dims(), [10_000]);
/// ```
pub fn release_buffers() {
    #[cfg(feature = "flex")]
    flex::release();
}

#[cfg(feature = "flex")]
pub(crate) use lower::{Lowered, lower};
pub use operation::{KernelBase, KernelMap, Operation, Reason};
#[cfg(feature = "flex")]
pub(crate) use optim::{adam, sum_of_squares, takes_adam};
#[cfg(feature = "nuts")]
pub(crate) use point::PointFlow;
pub use program::Program;
#[cfg(feature = "flex")]
pub(crate) use program::Step;
pub(crate) use program::{Layered, run_numbers};
pub(crate) use rates::AdamRates;
#[cfg(feature = "flex")]
pub(crate) use runs::Runs;
#[cfg(not(feature = "flex"))]
pub(crate) use unavailable::{Lowered, Runs, adam, lower, sum_of_squares, takes_adam};
