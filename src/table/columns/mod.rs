//! What the columns of a table are, and their maps to the features of a flow.
//!
//! - `support`: the values that a column can take; `dequantiser`: the numbers that stand for a value that
//!   many rows may have; `tail`: heavy tails made light; `column_map`: these and the scale, a column as a
//!   standard normal
//! - `infer`: what values look like; `dependence`: columns that others determine; `schema`: [`Schema`], what
//!   each column is
//! - `categories`: the category of a value; `encoder`: rows of a table as rows of a flow, and back

mod categories;
mod column_map;
mod dependence;
mod dequantiser;
mod encoder;
mod infer;
mod schema;
mod support;
mod tail;

pub(in crate::table) use categories::{Categories, are_numbers};
pub(in crate::table) use column_map::ColumnMap;
pub use dependence::Formula;
pub use encoder::BeyondRange;
pub(in crate::table) use encoder::{EncodedRows, Encoder, Jitter};
pub(in crate::table) use schema::percent;
pub use schema::{ColumnSchema, Kind, Lump, Role, Schema};
pub use support::Support;
