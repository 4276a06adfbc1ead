//! Durable state: the only crate with SQL. One SQLite database, one connection, one process.
//!
//! A caller gathers all that one or many requests changed into a [`Batch`] and commits it in one transaction, which is
//! on disk when [`Store::commit`] returns: however many clients wait, they share one fsync. The store keeps events and
//! effects as a name and a text; what they mean is the engine's affair. Confirmed effects are deleted, and forecasts once they
//! are older than their retention.

mod batch;
mod compact;
mod connection;
mod decisions;
mod effects;
mod error;
mod forecasts;
mod imports;
mod jobs;
mod journal;
mod migrate;
mod records;
mod recurring;
mod row;

pub use batch::{Batch, EffectRow, Issued, JournalEntry};
pub use connection::Store;
pub use decisions::Decision;
pub use error::StoreError;
pub use migrate::SCHEMA_VERSION;
