//! The meter: counters where there are any, the model for the rest, added up.
//!
//! It decides nothing about when it is read; see [`Meter::longest_gap`] for what it needs.

use std::time::Duration;

use lowtide_model::job::EnergySource;
use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::attribution::{Attribution, Splitter};
use crate::config::{Devices, MeterConfig};
use crate::gpu::{GpuReading, Gpus, POWER_GAP};
use crate::host::HostTime;
use crate::hwmon::{Hwmon, HwmonReading};
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
    /// How long the machine has been suspended since any fixed moment, as far as the time of readings goes on meanwhile: then nothing is
    /// drawn, and counters stand still.
    pub asleep: Seconds,
}

/// What the energy of each part rests on; absent where there is no such part, or where it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Of the processors.
    pub cpu: Option<EnergySource>,
    /// Of the memory.
    pub memory: Option<EnergySource>,
    /// Of the GPUs.
    pub gpu: Option<EnergySource>,
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
    /// The same for each part.
    pub labels: Labels,
    /// What went wrong since the previous reading, for people. Each fault is told once.
    pub warnings: Vec<String>,
}

/// The meter of one job.
#[derive(Debug)]
pub struct Meter {
    rapl: Rapl,
    hwmon: Hwmon,
    gpus: Gpus,
    host_time: HostTime,
    model: Modelled,
    declared: Option<Watts>,
    last: Option<(Duration, Seconds)>,
    /// How long the machine had been suspended before the first reading.
    asleep_before: Option<Seconds>,
    cpu: Divided,
    memory: Divided,
    gpu: Joules,
    /// To be told with the first reading.
    pending: Vec<String>,
}

/// The energy of one part: the job's part of what was counted, and what was modelled for it.
#[derive(Debug)]
struct Divided {
    splitter: Splitter,
    counted: Joules,
    modelled: Joules,
}

impl Divided {
    fn new(splitter: Splitter) -> Self {
        Self { splitter, counted: Joules::ZERO, modelled: Joules::ZERO }
    }

    fn total(&self) -> Joules {
        self.counted + self.modelled
    }
}

impl Meter {
    /// Opens all counters of the configuration. Never fails and never waits for a driver; what is missing although it
    /// should be there is in the warnings of the first reading.
    #[must_use]
    pub fn open(config: &MeterConfig) -> Self {
        let model = Modelled::new(config, &Machine::read(&config.proc_root));
        let (reserved, threads) = match config.attribution {
            Attribution::Whole => (1.0, 1.0),
            Attribution::Shared => model.threads(),
        };
        let splitter = |idle| Divided::new(Splitter::new(reserved, threads, idle));
        let (cpu, memory) = (splitter(model.host_idle()), splitter(model.host_memory()));
        if config.counted_elsewhere {
            return Self {
                rapl: Rapl::none(),
                hwmon: Hwmon::none(),
                gpus: Gpus::open(&MeterConfig { devices: Devices::None, ..config.clone() }),
                host_time: HostTime::none(),
                model: Modelled::nothing(),
                declared: None,
                last: None,
                asleep_before: None,
                cpu,
                memory,
                gpu: Joules::ZERO,
                pending: vec![
                    "this is not the first process of its job on this machine: the first one counts the energy for all \
                     of them, this one counts none"
                        .to_owned(),
                ],
            };
        }
        let rapl = Rapl::open(config);
        Self {
            hwmon: if rapl.is_empty() { Hwmon::open(&config.hwmon_root) } else { Hwmon::none() },
            rapl,
            gpus: Gpus::open(config),
            host_time: if cpu.splitter.divides() { HostTime::open(&config.proc_root) } else { HostTime::none() },
            model,
            declared: config.declared_power,
            last: None,
            asleep_before: None,
            cpu,
            memory,
            gpu: Joules::ZERO,
            pending: Vec::new(),
        }
    }

    /// Reads everything at once. `at` is the time since any fixed moment. It should not go back; if it does, time stands
    /// still until it is there again.
    ///
    /// The first reading is where time begins: take it as soon as the job starts. Power can only be integrated, and
    /// the model only be applied, from then on. It may wait up to 2 s for a GPU driver that is still waking; no later
    /// one waits longer than that either, whatever the driver does.
    pub fn read(&mut self, at: Duration, activity: &Activity) -> Reading {
        // Awake time. A wall clock set back must not make it go back either.
        let asleep = activity.asleep.minus(*self.asleep_before.get_or_insert(activity.asleep));
        let at = at.saturating_sub(asleep.to_std()).max(self.last.map_or(Duration::ZERO, |(last, _)| last));
        let since = self.last.map(|(last, _)| Seconds::from(at.saturating_sub(last)));
        let cpu_time = self.last.map_or(Seconds::ZERO, |(_, before)| activity.cpu_time.minus(before));
        self.last = Some((at, activity.cpu_time));
        let elapsed = since.unwrap_or(Seconds::ZERO);

        let host_time = self.host_time.since_last();
        let GpuReading { part: gpu, unknown, shared: gpu_shared, warnings: gpu_warnings } = self.gpus.read(at);
        let RaplReading { cpu, cpu_coverage, cpu_missing, memory, memory_coverage, memory_missing, warnings: of_cpu } =
            self.counted(since, gpu.energy);
        let mut warnings = std::mem::take(&mut self.pending);
        warnings.extend(of_cpu);
        warnings.extend(gpu_warnings);

        let coverage = [cpu_coverage, memory_coverage, gpu.coverage];
        let before = self.cpu.total() + self.memory.total();
        for (divided, energy, coverage) in
            [(&mut self.cpu, cpu, cpu_coverage), (&mut self.memory, memory, memory_coverage)]
        {
            if coverage.has_counter() {
                // A division that is not final yet may come out a little lower; what was told is not taken back.
                let counted = divided.splitter.add(energy, elapsed, cpu_time, host_time);
                divided.counted = divided.counted.max(counted);
            }
        }
        match self.declared.map(|power| power * elapsed) {
            // No counter at all: what the user declared is the better model. How it divides is not known.
            Some(declared) if !coverage.iter().copied().any(Coverage::has_counter) => self.cpu.modelled += declared,
            declared => {
                self.cpu.modelled += self.model.cpu(elapsed, cpu_time).times(cpu_missing);
                self.memory.modelled += self.model.memory(elapsed).times(memory_missing);
                let used = (self.cpu.total() + self.memory.total()).minus(before);
                self.gpu += match declared {
                    // GPUs nobody can count: what is left of the declared power is theirs.
                    Some(declared) if unknown => gpu.energy.max(declared.minus(used)),
                    _ => gpu.energy,
                };
            }
        }
        for warning in &warnings {
            // The reader tells the user; this is for whoever looks into the log.
            tracing::debug!("{warning}");
        }
        Reading {
            energy: self.cpu.total() + self.memory.total() + self.gpu,
            cpu: self.cpu.total(),
            memory: self.memory.total(),
            gpu: self.gpu,
            source: source_of(&coverage, (self.cpu.splitter.divides() && cpu_coverage.has_counter()) || gpu_shared),
            labels: Labels {
                cpu: label(cpu_coverage, self.cpu.splitter.divides()),
                memory: label(memory_coverage, self.memory.splitter.divides()),
                gpu: label(gpu.coverage, gpu_shared),
            },
            warnings,
        }
    }

    /// What the counters of processors and memory have counted, beside GPUs that used `gpus`.
    fn counted(&mut self, since: Option<Seconds>, gpus: Joules) -> RaplReading {
        let rapl = self.rapl.read(since);
        if self.hwmon.is_empty() {
            return rapl;
        }
        let holds_gpus = self.hwmon.holds_gpus();
        let HwmonReading { energy, coverage, missing, warnings } = self.hwmon.read(since.unwrap_or(Seconds::ZERO));
        RaplReading {
            cpu: if holds_gpus { energy.minus(gpus) } else { energy },
            cpu_coverage: coverage,
            cpu_missing: missing,
            // It is in what the sensors measure, or left out where they measure the processor alone.
            memory_coverage: if coverage.has_counter() { Coverage::Absent } else { Coverage::Modelled },
            memory_missing: if coverage.has_counter() { 0.0 } else { 1.0 },
            warnings: rapl.warnings.into_iter().chain(warnings).collect(),
            ..rapl
        }
    }

    /// Read at least this often: 1 s while the power of a GPU without an energy counter or of a power sensor is
    /// integrated (or it is not known yet whether it must be), else 10 s. It may change from reading to reading.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        if self.gpus.wants_short_gaps() || !self.hwmon.is_empty() { POWER_GAP } else { COUNTER_GAP }
    }
}

/// The label of one part.
fn label(coverage: Coverage, shared: bool) -> Option<EnergySource> {
    (coverage != Coverage::Absent).then(|| source_of(&[coverage], shared))
}
