//! Runs beside the job on its node: wraps the command, meters it, marks its epochs, records its exit.
//!
//! [`run`] is the agent of one attempt, a process of its own that outlives daemon and executor; it speaks to them
//! through the files of the run directory alone. [`measure`] does the same in the foreground, for a command that no
//! daemon knows.
//!
//! The job is sacred: no fault of a meter, a disk or this crate slows or ends the command. The command's output goes
//! to files, not through the agent, so that even an agent that is killed is not missed.
//!
//! What this crate does not do: talk to a network, decide when a job runs, or know what a kilowatt hour emits.

mod attempt;
mod child;
mod clock;
mod command;
mod cpu_time;
mod epochs;
mod leave;
mod lines;
mod log;
mod marks;
mod measure;
mod power_cap;
mod record;
mod rundir;
mod spool;
#[cfg(test)]
mod testing;
mod wait;

pub use attempt::run;
pub use measure::{Happening, MeasureError, Verdict, measure};
pub use power_cap::put_back;
