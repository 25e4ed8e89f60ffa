//! Numbers of independent implementations, reproduced in f64.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod arviz;
mod autoregressive;
#[path = "../common/mod.rs"]
mod common;
mod file;
mod monotone;
mod nflows;
mod nflows_linear;
mod scipy_bases;
mod scipy_bounded;
mod statrs_bases;
mod zuko;
