//! The meter: counters where there are any, the model for the rest, added up.
//!
//! It decides nothing about when it is read; see [`Meter::longest_gap`] for what it needs.

use std::time::Duration;

use lowtide_model::job::EnergySource;
use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::config::MeterConfig;
use crate::gpu::{GpuReading, Gpus, POWER_GAP};
use crate::modelled::{Machine, Modelled};
use crate::part::{Coverage, source_of};
use crate::rapl::{Rapl, RaplReading};

/// The longest gap where there are only counters: far below the 164 s after which the fastest RAPL counters known
/// (2^32 steps of 2^-16 J at 400 W) wrap, and cheap enough (a wake-up, not the reads, is what costs).
const COUNTER_GAP: Duration = Duration::from_secs(10);

/// What the job did, for the model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Activity {
    /// Processor time of the job's process tree since its start.
    pub cpu_time: Seconds,
}

/// What a job has used up to one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// In all since the opening: the sum of the three below.
    pub energy: Joules,
    /// Of the processors; also all of the declared power where that stands in for everything.
    pub cpu: Joules,
    /// Of the memory.
    pub memory: Joules,
    /// Of the GPUs.
    pub gpu: Joules,
    /// What the energy since the previous reading rests on.
    pub source: EnergySource,
    /// What went wrong since the previous reading, for people. Each fault is told once.
    pub warnings: Vec<String>,
}

/// The meter of one job.
#[derive(Debug)]
pub struct Meter {
    rapl: Rapl,
    gpus: Gpus,
    model: Modelled,
    declared: Option<Watts>,
    last: Option<(Duration, Seconds)>,
    cpu: Joules,
    memory: Joules,
    gpu: Joules,
}

impl Meter {
    /// Opens all counters of the configuration. Never fails and never waits for a driver; what is missing although it
    /// should be there is in the warnings of the first reading.
    #[must_use]
    pub fn open(config: &MeterConfig) -> Self {
        Self {
            rapl: Rapl::open(&config.powercap_root, config.expects_rapl()),
            gpus: Gpus::open(config),
            model: Modelled::new(config, &Machine::read(&config.proc_root)),
            declared: config.declared_power,
            last: None,
            cpu: Joules::ZERO,
            memory: Joules::ZERO,
            gpu: Joules::ZERO,
        }
    }

    /// Reads everything at once. `at` is the time since any fixed moment, and must not go back.
    ///
    /// The first reading is where time begins: take it as soon as the job starts. Power can only be integrated, and
    /// the model only be applied, from then on. It may wait up to 2 s for a GPU driver that is still waking; no later
    /// one waits longer than that either, whatever the driver does.
    pub fn read(&mut self, at: Duration, activity: &Activity) -> Reading {
        let since = self.last.map(|(last, _)| Seconds::from(at.saturating_sub(last)));
        let cpu_time = self.last.map_or(Seconds::ZERO, |(_, before)| activity.cpu_time.minus(before));
        self.last = Some((at, activity.cpu_time));
        let elapsed = since.unwrap_or(Seconds::ZERO);

        let RaplReading { cpu, cpu_coverage, cpu_missing, memory, memory_coverage, memory_missing, mut warnings } =
            self.rapl.read(since);
        let GpuReading { part: gpu, unknown, warnings: gpu_warnings } = self.gpus.read(at);
        warnings.extend(gpu_warnings);

        let coverage = [cpu_coverage, memory_coverage, gpu.coverage];
        let cpu = cpu + self.model.cpu(elapsed, cpu_time).times(cpu_missing);
        let memory = memory + self.model.memory(elapsed).times(memory_missing);
        match self.declared.map(|power| power * elapsed) {
            // No counter at all: what the user declared is the better model. How it divides is not known.
            Some(declared) if !coverage.iter().copied().any(Coverage::has_counter) => self.cpu += declared,
            declared => {
                self.cpu += cpu;
                self.memory += memory;
                self.gpu += match declared {
                    // GPUs nobody can count: what is left of the declared power is theirs.
                    Some(declared) if unknown => gpu.energy.max(declared.minus(cpu + memory)),
                    _ => gpu.energy,
                };
            }
        }
        for warning in &warnings {
            // The reader tells the user; this is for whoever looks into the log.
            tracing::debug!("{warning}");
        }
        Reading {
            energy: self.cpu + self.memory + self.gpu,
            cpu: self.cpu,
            memory: self.memory,
            gpu: self.gpu,
            source: source_of(&coverage),
            warnings,
        }
    }

    /// Read at least this often: 1 s while the power of a GPU without an energy counter is integrated (or it is not
    /// known yet whether it must be), else 10 s. It may change from reading to reading.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        if self.gpus.wants_short_gaps() { POWER_GAP } else { COUNTER_GAP }
    }
}
