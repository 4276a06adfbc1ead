//! Places where jobs run: start, ask to leave, probe and follow attempts.
//!
//! [`Executor`] is what lowtide asks of any engine; [`LocalExecutor`] is this machine. An executor knows attempts by
//! their key and nothing of jobs, plans or carbon: what an attempt's end means for its job is decided elsewhere.

mod executor;
mod local;

pub use executor::{BoxFuture, Executor, ExecutorError, Leave, Notice, StartError, Stream};
pub use local::LocalExecutor;
