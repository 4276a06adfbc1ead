//! What crosses the socket: the versioned wire types of lowtide's HTTP interface, and the client the command line uses.
//!
//! Only the types in [`v1`] are ever shown to users as JSON. They are separate from the model's on purpose: the model
//! may change, these may only grow. Times are RFC 3339 in UTC, quantities carry their unit in the key, intervals are
//! `{"median", "low", "high"}` and hold 90 %.

pub mod client;
pub mod place;
pub mod v1;
