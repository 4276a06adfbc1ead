//! The model that stands in for counters of processors and memory.
//!
//! Processors: `E = p x (i x r x t + (1 - i) x c)`, with `p` the rated power per hardware thread (`processor.rs`), `i`
//! the idle share, `r` the threads reserved for the job, `t` the time, and `c` the job's processor time, at most that
//! of the whole machine. While the job stays within what it reserved this is
//! `TDP share x (i + (1 - i) x utilisation) x t`: linear between idle and rated power (Fan, Weber and Barroso, "Power
//! Provisioning for a Warehouse-sized Computer", ISCA 2007).
//!
//! Memory: the power of its modules (`memory.rs`) times the job's share of the machine, which is its share of the
//! threads.
//!
//! GPUs are not modelled here: utilisation says little about their power (`gpu.rs`).

use std::fs;
use std::path::Path;

use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::config::MeterConfig;
use crate::memory::memory_power;
use crate::processor::{Rating, arm_name, rating};

/// What an idle processor draws of its rated power: the constant of CodeCarbon's load model
/// (`TDP x (0.1 + 0.9 load^3)`).
const IDLE_SHARE: f64 = 0.1;

/// Memory of a machine that does not say how much it has, by thread: the 2 GB of the smallest common cloud shapes.
const DEFAULT_GB_PER_THREAD: f64 = 2.0;

/// The machine as `/proc` shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    /// Hardware threads, 0 if unknown.
    pub(crate) threads: u32,
    /// Memory in GB (10^9 bytes), if known.
    pub(crate) memory_gb: Option<f64>,
    pub(crate) rating: Rating,
    /// Whether its processors are ARM's.
    pub(crate) is_arm: bool,
}

impl Machine {
    /// Reads `cpuinfo` and `meminfo` under `proc_root`; what is not there is unknown.
    pub(crate) fn read(proc_root: &Path) -> Self {
        let cpuinfo = fs::read_to_string(proc_root.join("cpuinfo")).unwrap_or_default();
        let meminfo = fs::read_to_string(proc_root.join("meminfo")).unwrap_or_default();
        let values = |key: &'static str| {
            cpuinfo.lines().filter_map(|line| line.split_once(':')).filter(move |(name, _)| name.trim() == key)
        };
        let memory_kib = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .filter(|kib| kib.is_finite() && *kib > 0.0);
        Self {
            threads: u32::try_from(values("processor").count()).unwrap_or(u32::MAX),
            memory_gb: memory_kib.map(|kib| kib * 1024.0 / 1e9),
            rating: rating(values("model name").map(|(_, name)| name.trim()).next().or_else(|| {
                let first = |key| values(key).map(|(_, value)| value.trim()).next();
                arm_name(first("CPU implementer")?, first("CPU part")?)
            })),
            is_arm: values("CPU implementer").next().is_some(),
        }
    }
}

/// The model of one job on one machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Modelled {
    per_thread: Watts,
    reserved: f64,
    threads: f64,
    memory: Watts,
}

impl Modelled {
    /// The model of a job with these processors on this machine.
    pub(crate) fn new(config: &MeterConfig, machine: &Machine) -> Self {
        let reserved = f64::from(config.cpus.max(1));
        // A machine that shows no threads has at least those of the job.
        let threads = if machine.threads == 0 { reserved } else { f64::from(machine.threads) };
        let reserved = reserved.min(threads);
        let memory_gb = machine.memory_gb.unwrap_or(DEFAULT_GB_PER_THREAD * threads);
        Self {
            per_thread: machine.rating.per_thread,
            reserved,
            threads,
            memory: memory_power(memory_gb, machine.is_arm),
        }
    }

    /// Of a job that is accounted for elsewhere: nothing.
    pub(crate) const fn nothing() -> Self {
        Self { per_thread: Watts::ZERO, reserved: 1.0, threads: 1.0, memory: Watts::ZERO }
    }

    /// Energy of the processors for `elapsed` in which the job used `cpu_time`.
    pub(crate) fn cpu(&self, elapsed: Seconds, cpu_time: Seconds) -> Joules {
        let busy = cpu_time.min(elapsed.times(self.threads));
        let idle = elapsed.times(self.reserved);
        self.per_thread * (idle.times(IDLE_SHARE) + busy.times(1.0 - IDLE_SHARE))
    }

    /// Energy of the memory for `elapsed`.
    pub(crate) fn memory(&self, elapsed: Seconds) -> Joules {
        self.memory.times(self.reserved / self.threads) * elapsed
    }

    /// The job's threads, and the host's.
    pub(crate) fn threads(&self) -> (f64, f64) {
        (self.reserved, self.threads)
    }

    /// Power of all of the host's processors when idle.
    pub(crate) fn host_idle(&self) -> Watts {
        self.per_thread.times(self.threads * IDLE_SHARE)
    }

    /// Power of all of the host's memory.
    pub(crate) fn host_memory(&self) -> Watts {
        self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(threads: u32, memory_gb: f64) -> Machine {
        let rating = rating(Some("AMD EPYC 7742 64-Core Processor"));
        Machine { threads, memory_gb: Some(memory_gb), rating, is_arm: false }
    }

    fn model(cpus: u32) -> Modelled {
        Modelled::new(&MeterConfig { cpus, ..MeterConfig::default() }, &machine(128, 256.0))
    }

    fn check(energy: Joules, joules: f64) {
        assert!((energy.get() - joules).abs() < 1e-6, "{energy:?}, not {joules} J");
    }

    #[test]
    fn a_busy_machine_draws_its_rated_power_and_an_idle_one_a_tenth() {
        let hour = Seconds::from_hours(1.0);
        check(model(128).cpu(hour, hour.times(128.0)), 225.0 * 3600.0);
        check(model(128).cpu(hour, Seconds::ZERO), 22.5 * 3600.0);
        check(model(64).cpu(hour, hour.times(64.0)), 112.5 * 3600.0);
    }

    #[test]
    fn processor_time_beyond_the_reserved_counts_but_never_more_than_the_machine_has() {
        let second = Seconds::saturating(1.0);
        assert!(model(1).cpu(second, Seconds::saturating(8.0)) > model(1).cpu(second, second));
        assert_eq!(model(1).cpu(second, Seconds::saturating(128.0)), model(1).cpu(second, Seconds::saturating(1e9)));
    }

    #[test]
    fn memory_is_shared_by_reserved_threads() {
        // 256 GB are taken for eight modules of 32 GB: 4 x 5 W + 4 x 4.5 W.
        check(model(128).memory(Seconds::saturating(10.0)), 380.0);
        check(model(32).memory(Seconds::saturating(10.0)), 95.0);
    }

    #[test]
    fn a_job_that_reserves_nothing_or_too_much_is_still_a_job_on_this_machine() {
        let second = Seconds::saturating(1.0);
        assert!(model(0).cpu(second, Seconds::ZERO) > Joules::ZERO);
        check(model(1000).cpu(second, Seconds::ZERO), 22.5);
    }

    #[test]
    fn a_proc_that_says_nothing_leaves_a_model_above_zero() {
        let machine = Machine::read(Path::new("/nonexistent"));
        assert_eq!((machine.threads, machine.memory_gb), (0, None));
        let model = Modelled::new(&MeterConfig { cpus: 4, ..MeterConfig::default() }, &machine);
        let second = Seconds::saturating(1.0);
        assert!(model.cpu(second, Seconds::ZERO) > Joules::ZERO && model.memory(second) > Joules::ZERO);
    }
}
