//! Densities known up to a constant: the targets themselves, objectives, samplers, training.

#![cfg(any(feature = "flex", feature = "ndarray"))]

#[path = "../common/mod.rs"]
mod common;

mod fit;
mod objectives;
mod samplers;
mod targets;
