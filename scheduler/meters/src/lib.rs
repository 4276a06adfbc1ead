//! How much energy a job has used so far.
//!
//! [`Meter`] adds up what the machine itself counts: RAPL for processors and memory, NVML for GPUs. Where there is no
//! counter, or it goes away while a job runs, a stated model stands in for that part, and every reading says which of
//! the two it rests on. No fault of a counter is an error here: the job it measures must not notice.
//!
//! What is counted and what is not:
//! - A processor package is counted whole. If several jobs share it, each of them is charged all of it: sharing
//!   between jobs is not split yet.
//! - A GPU is counted whole, also where a job was given only a slice of it (MIG).
//! - Memory is counted where RAPL counts it (`dram`). Where RAPL counts packages only, memory is left out rather than
//!   mixing a guess into a measurement; it is modelled where nothing of the processor is counted.
//! - Disks, fans, network, power supplies: not counted. The site's PUE covers its building, not these.
//!
//! This crate never reads a clock: the time of a reading is an argument.

mod config;
mod counter;
mod gpu;
pub mod import;
mod meter;
mod modelled;
mod nvml;
mod part;
mod processor;
mod rapl;
mod survey;

pub use config::{DEFAULT_POWERCAP_ROOT, DeviceId, Devices, MeterConfig};
pub use meter::{Activity, Meter, Reading};
pub use survey::{Condition, Finding, survey};
