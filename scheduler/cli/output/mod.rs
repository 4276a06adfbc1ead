//! From data to text. Everything here is pure: the present, the time zone and the width are arguments; `printer.rs`
//! prints.

pub(crate) mod budget;
pub(crate) mod explanation;
pub(crate) mod forecast;
pub(crate) mod indent;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod layout;
pub(crate) mod listing;
pub(crate) mod recurring;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod simulation;
pub(crate) mod submitted;
pub(crate) mod trial;
pub(crate) mod verification;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod testing;
