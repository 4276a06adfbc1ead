//! The real binary, verb by verb: what a user sees, and the exit code a script sees.

mod act;
mod author;
mod daemon;
mod doctor;
mod explain;
mod failures;
mod follow;
mod forecast;
mod help;
mod import;
mod jobs;
mod listings;
mod logs;
mod measure;
mod metering;
mod plugin;
mod policy;
mod provider;
mod python;
mod recovery;
mod report;
mod show;
mod simulate;
mod submit;
mod tutorial;
mod world;
