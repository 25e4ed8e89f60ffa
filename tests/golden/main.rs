//! Numbers of independent implementations, reproduced in f64.

#![cfg(any(feature = "flex", feature = "ndarray"))]

#[path = "../common/mod.rs"]
mod common;
mod file;
mod nflows;
mod nflows_linear;
mod zuko;
