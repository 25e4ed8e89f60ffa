//! Numbers that no formula gives: roots of monotone functions, and integrals.
//!
//! - `root`: the root of an increasing function, of every number of a tensor by itself
//! - `implicit`: the same with gradients
//! - `quadrature`: the nodes and weights of Gauss and Legendre
//! - `unsolved`: what a solver did not find, told to whoever asked

mod implicit;
mod quadrature;
mod root;
mod unsolved;

pub(crate) use implicit::implicit_root;
pub(crate) use quadrature::gauss_legendre;
pub(crate) use root::of_rows;
pub(crate) use unsolved::{Unsolved, report, watched};
