//! The words of lowtide: quantities with units, windows, forecasts, jobs, states, plans and reviews.
//!
//! This crate does no input or output, reads no clock and knows nothing of async, SQL or HTTP. Its types derive
//! `serde` for one purpose: the journal, the job table and the agent's spool persist these very words. What users see
//! as JSON is a separate, versioned set of types in the `api` crate, so that the words here may change under it.

pub mod budget;
pub mod capping;
pub mod course;
pub mod estimate;
pub mod event;
pub mod forecast;
pub mod history;
pub mod identity;
pub mod job;
pub mod operating_point;
pub mod plan;
pub mod price;
pub mod priority;
pub mod quantity;
pub mod recurring;
pub mod review;
pub mod rundir;
pub mod scaling;
pub mod site;
pub mod state;
pub mod timescale;
pub mod window;
