//! Replays job traces on intensity traces, on a virtual clock: what a policy would have saved, and what it would have cost in
//! waiting.
//!
//! Pure: traces come as text, results go as values; whoever calls reads the files and the clock. lowtide's own policies are
//! decided by [`lowtide_planner::plan::plan`], the function the daemon calls; the field's baselines and the optimum are those
//! of [`lowtide_planner::baseline`] and [`lowtide_planner::oracle`].

pub mod capacity;
pub mod carbon;
mod chance;
pub mod chart;
pub mod forecast;
pub mod jobs;
pub mod length;
mod optimum;
pub mod outcome;
pub mod picture;
pub mod planned;
pub mod replay;
pub mod rule;
pub mod setting;
pub mod table;
pub mod time;

pub use outcome::{Done, Outcome};
