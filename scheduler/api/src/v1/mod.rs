//! Version 1 of the wire types.

pub mod act;
pub mod budget;
pub mod explain;
pub mod forecast;
pub mod import;
pub mod job;
pub mod listing;
pub mod past;
pub mod problem;
pub mod recurring;
pub mod report;
pub mod submit;
pub mod summary;
pub mod verify;
