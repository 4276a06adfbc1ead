//! How much energy a job has used so far.
//!
//! [`Meter`] adds up what the machine itself counts: RAPL for processors and memory, NVML for GPUs. Where there is no
//! counter, or it goes away while a job runs, a stated model stands in for that part, and every reading says which of
//! the two it rests on. No fault of a counter is an error here: the job it measures must not notice.
//!
//! What is counted and what is not:
//! - Processors and memory are counted whole ([`Attribution::Whole`]), or the job's part of them
//!   ([`Attribution::Shared`]): see `attribution.rs`.
//! - A GPU is counted whole, and by its share where a job was given only a slice of it (MIG).
//! - Where there is no RAPL but ACPI power meters (NVIDIA Grace), these are counted: see `hwmon.rs`.
//! - Memory is counted where RAPL counts it (`dram`). Where RAPL counts packages only, memory is left out rather than
//!   mixing a guess into a measurement; it is modelled where nothing of the processor is counted.
//! - Disks, fans, network, power supplies: not counted. The site's PUE covers its building, not these.
//!
//! Beside that it can hold GPUs to a power, as the driver that counts is the one that limits: [`power_limit`].
//!
//! This crate never reads a clock: the time of a reading is an argument.

mod attribution;
mod cgroup;
mod config;
mod counter;
mod export;
mod gpu;
mod host;
mod hwmon;
pub mod import;
mod memory;
mod meter;
mod modelled;
mod nvml;
mod part;
pub mod power_limit;
mod process;
mod processor;
mod rapl;
mod survey;

pub use attribution::{Attribution, Interval, attribute};
pub use cgroup::{DEFAULT_CGROUP_ROOT, JobGroup};
pub use config::{ATTRIBUTION, DEFAULT_POWERCAP_ROOT, DeviceId, Devices, HELPER_POWERCAP_ROOT, MeterConfig};
pub use export::{Export, ExportError};
pub use hwmon::DEFAULT_HWMON_ROOT;
pub use meter::{Activity, Labels, Meter, Reading};
pub use process::{ProcessStat, ProcessTree, descendants_of};
pub use survey::{Condition, Finding, survey};
