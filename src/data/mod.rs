//! Data to try flows on.

pub mod toy;
