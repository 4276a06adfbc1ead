//! Pure decisions: predict a footprint, read a policy, choose window and site, explain, review.
//!
//! Everything here is a function of its arguments: no clock (`now` is an argument), no file, no network, no task. The
//! daemon, the simulator and the tests call the very same functions.

pub mod baseline;
pub mod budget;
pub mod calibrate;
pub mod capacity;
mod cells;
pub mod curve;
pub mod equivalents;
pub mod explain;
pub mod horizon;
pub mod joint;
pub mod limit;
pub mod oracle;
pub mod plan;
pub mod policy;
pub mod predict;
pub mod price;
pub mod report;
pub mod review;
pub mod sensitivity;
pub mod tariff;
pub mod wording;

#[cfg(test)]
mod testing;
