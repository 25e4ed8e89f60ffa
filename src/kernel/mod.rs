//! Fused kernels: a second way to the same numbers, taken where the device has one.
//!
//! The tensor operations of the layers are the reference: they run on every backend. On the Flex
//! backend (the CPU), the functions here carry the rows through all layers of a flow in one pass
//! instead, when the flow can describe itself to them; else they give `None`. Nobody asks for them
//! by name. DESIGN.md tells how they work.
//!
//! - `stack`: what a flow tells about itself; `spec`: that as the kernels take it
//! - `fused`: the functions that layers and densities call; `unavailable`: the same without a
//!   backend that has kernels
//! - `ops`, `flex`, `autodiff`: the operations as burn's backends see them
//! - `threads`: work shared between threads
//! - `tile`: some rows carried through all layers, and gradients carried back
//! - `row`: the arithmetic, on slices

#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod fused;
#[cfg(feature = "flex")]
mod ops;
#[cfg(feature = "flex")]
mod row;
#[cfg(feature = "flex")]
mod spec;
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "flows describe themselves, and no backend with kernels reads it")
)]
mod stack;
#[cfg(feature = "flex")]
mod threads;
#[cfg(feature = "flex")]
mod tile;
#[cfg(not(feature = "flex"))]
mod unavailable;

#[cfg(feature = "flex")]
pub(crate) use fused::{forward, inverse, standard_normal_log_prob};
pub use stack::Stack;
#[cfg(not(feature = "flex"))]
pub(crate) use unavailable::{forward, inverse, standard_normal_log_prob};
