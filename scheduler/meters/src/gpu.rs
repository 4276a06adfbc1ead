//! What the GPUs of a job used, from what NVML says about them.
//!
//! For each GPU, in this order:
//! 1. its total energy counter (Volta and newer), which misses nothing between two looks;
//! 2. its power, integrated by trapezoids between looks at most [`POWER_GAP`] apart;
//! 3. half its power limit, from the moment it answers neither: no reading is invented from the last one. Half is
//!    Carbontracker's assumption for a device without readings (rated power x 0.5).
//!
//! The first two count as measured. A GPU that comes back is counted again from then on. Of a GPU that the job has a
//! slice of (MIG) the slice's share counts, of its idle power as well: there is one counter for all slices.

use std::time::Duration;

use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::config::MeterConfig;
use crate::counter::Counter;
use crate::nvml::{Answer, Found, Link, NoAnswer, OpenError, Opened, Sample, millijoules};
use crate::part::{Coverage, Part};

/// The longest gap between looks where power is integrated: training draws power in waves of seconds.
pub(crate) const POWER_GAP: Duration = Duration::from_secs(1);

/// Share of its power limit that a GPU without readings is taken to draw.
const MODELLED_SHARE: f64 = 0.5;

/// Power limit of a GPU that does not tell: that of the smallest common training cards (V100 and A100 on PCIe).
const DEFAULT_LIMIT_WATTS: f64 = 250.0;

/// A counter that has not moved for this long although power flows is broken. Good ones move every 0.1 s or so.
const STALL_SECONDS: f64 = 5.0;

/// How long the first reading waits for the driver, and each later one.
const PATIENCE: Duration = Duration::from_secs(2);

/// A driver that has not answered for this long is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// One GPU and what is known of it.
#[derive(Debug)]
struct Gpu {
    label: String,
    /// The job's part of it, 0 to 1: less than 1 for a slice (MIG).
    share: f64,
    limit: Watts,
    counter: Counter,
    /// Whether power is integrated, because the counter is missing or broken.
    by_power: bool,
    last_power: Option<Watts>,
    /// Whether it answered the last time.
    answers: bool,
    /// Whether its loss has been told.
    told: bool,
}

/// What one GPU used, and whether that was measured.
struct Used {
    energy: Joules,
    measured: bool,
}

impl Gpu {
    fn new(found: Found, warnings: &mut Vec<String>) -> Self {
        let Found { label, share, limit, first } = found;
        let mut gpu = Self {
            label,
            share,
            limit: limit.filter(|limit| limit.get() > 0.0).unwrap_or(Watts::saturating(DEFAULT_LIMIT_WATTS)),
            counter: Counter::new(None),
            by_power: first.energy_mj.is_none(),
            last_power: first.power,
            answers: true,
            told: false,
        };
        if let Some(energy_mj) = first.energy_mj {
            gpu.counter.update(energy_mj);
        } else if first.power.is_none() {
            gpu.lose(first.fault.as_deref(), "cannot be read", warnings);
        }
        gpu
    }

    /// Half its power limit for `elapsed`.
    fn modelled(&self, elapsed: Seconds) -> Used {
        Used { energy: self.limit.times(MODELLED_SHARE) * elapsed, measured: false }
    }

    /// What it used from the opening to the first sample, `elapsed` later.
    fn before_first(&self, elapsed: Seconds) -> Used {
        match self.last_power {
            Some(power) if self.answers => Used { energy: power * elapsed, measured: true },
            _ if self.answers && elapsed == Seconds::ZERO => Used { energy: Joules::ZERO, measured: true },
            _ => self.modelled(elapsed),
        }
    }

    /// Takes a sample, `elapsed` after the one before.
    fn take(&mut self, sample: &Sample, elapsed: Seconds, warnings: &mut Vec<String>) -> Used {
        if sample.energy_mj.is_none() && sample.power.is_none() {
            self.lose(sample.fault.as_deref(), "can no longer be read", warnings);
            return self.modelled(elapsed);
        }
        let counted = sample.energy_mj.map(|energy_mj| millijoules(self.counter.update(energy_mj).amount()));
        if !self.answers {
            // It is back: of this interval nothing is known.
            self.answers = true;
            self.last_power = sample.power;
            self.by_power = sample.energy_mj.is_none();
            return self.modelled(elapsed);
        }
        let stalled = |counted: Joules, power: Watts| {
            counted == Joules::ZERO && power.get() > 0.0 && elapsed.get() >= STALL_SECONDS
        };
        if !self.by_power {
            match (counted, sample.power) {
                (Some(counted), Some(power)) if stalled(counted, power) => {
                    self.integrate_from_now(sample.power, "stands still while it draws power", warnings);
                }
                (Some(counted), _) => {
                    self.last_power = sample.power;
                    return Used { energy: counted, measured: true };
                }
                (None, power) => self.integrate_from_now(power, "can no longer be read", warnings),
            }
        }
        let Some(power) = sample.power else {
            // Only its counter answers, and that one is not to be trusted any more.
            self.lose(sample.fault.as_deref(), "can no longer be read", warnings);
            return self.modelled(elapsed);
        };
        let mean = (self.last_power.unwrap_or(power) + power).times(0.5);
        self.last_power = Some(power);
        Used { energy: mean * elapsed, measured: true }
    }

    fn integrate_from_now(&mut self, power: Option<Watts>, why: &str, warnings: &mut Vec<String>) {
        self.by_power = true;
        self.last_power = power;
        warnings.push(format!("the energy counter of {} {why}: its power is integrated instead", self.label));
    }

    /// It does not answer: the model stands in.
    fn lose(&mut self, fault: Option<&str>, what: &str, warnings: &mut Vec<String>) {
        self.answers = false;
        self.last_power = None;
        self.counter.forget();
        if !self.told {
            self.told = true;
            warnings.push(format!(
                "{} {what} ({}): it is modelled as half its power limit, {:.0} W",
                self.label,
                fault.unwrap_or("no energy, no power"),
                self.limit.times(MODELLED_SHARE).get()
            ));
        }
    }
}

/// How far things have come with the driver.
#[derive(Debug)]
enum Driver {
    /// Nobody is asked: there are no GPUs for the job, or no driver.
    None,
    /// It has not said yet what it has.
    Opening(Link),
    Open(Link),
    /// It does not answer any more.
    GivenUp,
}

/// What the GPUs used since the last reading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GpuReading {
    pub(crate) part: Part,
    /// Whether the job has GPUs of which nothing at all is known, not even a limit.
    pub(crate) unknown: bool,
    /// Whether a counter in it is shared with others.
    pub(crate) shared: bool,
    pub(crate) warnings: Vec<String>,
}

/// The GPUs of a job.
#[derive(Debug)]
pub(crate) struct Gpus {
    driver: Driver,
    devices: Vec<Gpu>,
    /// When they were last accounted for; at first, the time of the first reading.
    last: Option<Duration>,
    /// GPUs asked for that the driver does not have, or all of them without a driver.
    unknown: bool,
    /// Whether their absence is worth a word.
    expected: bool,
    patience: Duration,
}

impl Gpus {
    /// Starts to ask the driver about the job's GPUs. Does not wait for it.
    pub(crate) fn open(config: &MeterConfig) -> Self {
        let driver = if config.devices == crate::config::Devices::None {
            Driver::None
        } else {
            Driver::Opening(Link::open(config.nvml_library.clone(), config.devices.clone()))
        };
        Self::with(driver, config.expects_gpus(), PATIENCE)
    }

    fn with(driver: Driver, expected: bool, patience: Duration) -> Self {
        Self { driver, devices: Vec::new(), last: None, unknown: false, expected, patience }
    }

    /// Whether a reading is wanted every [`POWER_GAP`]: power is integrated, or it is not known yet whether it has to.
    pub(crate) fn wants_short_gaps(&self) -> bool {
        match self.driver {
            Driver::Opening(_) => true,
            Driver::Open(_) => self.devices.iter().any(|gpu| gpu.by_power && gpu.answers),
            Driver::None | Driver::GivenUp => false,
        }
    }

    /// What they used since the last reading. A driver that is late leaves its interval to the next reading.
    pub(crate) fn read(&mut self, at: Duration) -> GpuReading {
        let mut warnings = Vec::new();
        let first_reading = self.last.is_none();
        let last = *self.last.get_or_insert(at);
        let gap = at.saturating_sub(last);
        let elapsed = Seconds::from(gap);
        let patience = self.patience;
        let used = match std::mem::replace(&mut self.driver, Driver::None) {
            Driver::None => Vec::new(),
            Driver::GivenUp => {
                self.driver = Driver::GivenUp;
                self.all_modelled(elapsed)
            }
            Driver::Opening(mut link) => match link.answer(patience, first_reading) {
                Ok(Answer::Opened(Ok(opened))) => {
                    self.take_over(opened, &mut warnings);
                    self.driver = Driver::Open(link);
                    self.devices.iter().map(|gpu| gpu.before_first(elapsed)).collect()
                }
                Ok(Answer::Opened(Err(error))) => {
                    self.unknown = self.expected;
                    warnings.extend(self.no_driver(&error));
                    Vec::new()
                }
                Err(NoAnswer::Late) if gap < GIVEN_UP_AFTER => {
                    self.driver = Driver::Opening(link);
                    return self.late(warnings);
                }
                // A stranger's answer cannot be: the thread opens first. It is taken for none.
                Ok(Answer::Samples(_)) | Err(NoAnswer::Late | NoAnswer::Gone) => {
                    self.unknown = self.expected;
                    warnings.push(
                        "the NVIDIA driver does not answer: the energy of GPUs is not counted; `--power` declares it"
                            .to_owned(),
                    );
                    Vec::new()
                }
            },
            Driver::Open(mut link) => match link.answer(patience, false) {
                Ok(Answer::Samples(samples)) => {
                    self.driver = Driver::Open(link);
                    let none = Sample::default();
                    let samples = samples.iter().chain(std::iter::repeat(&none));
                    let gpus = self.devices.iter_mut().zip(samples);
                    gpus.map(|(gpu, sample)| gpu.take(sample, elapsed, &mut warnings)).collect()
                }
                Err(NoAnswer::Late) if gap < GIVEN_UP_AFTER => {
                    self.driver = Driver::Open(link);
                    return self.late(warnings);
                }
                Ok(Answer::Opened(_)) | Err(NoAnswer::Late | NoAnswer::Gone) => {
                    self.driver = Driver::GivenUp;
                    warnings.push(format!(
                        "the NVIDIA driver does not answer any more: the {} GPU(s) of the job are modelled as half \
                         their power limit",
                        self.devices.len()
                    ));
                    self.all_modelled(elapsed)
                }
            },
        };
        self.last = Some(at);
        let measured = used.iter().filter(|used| used.measured).count();
        let coverage = match Coverage::of(measured, used.len()) {
            Coverage::Counted if self.unknown => Coverage::Partly,
            Coverage::Absent if self.unknown => Coverage::Modelled,
            coverage => coverage,
        };
        let energy = used.iter().zip(&self.devices).map(|(used, gpu)| used.energy.times(gpu.share)).sum();
        let shared = self.shared();
        GpuReading { part: Part { energy, coverage }, unknown: self.unknown, shared, warnings }
    }

    /// The reading of a driver that is late: nothing yet, and that is no measurement.
    fn late(&self, warnings: Vec<String>) -> GpuReading {
        let coverage = if self.devices.is_empty() { Coverage::Absent } else { Coverage::Partly };
        let shared = self.shared();
        GpuReading { part: Part { energy: Joules::ZERO, coverage }, unknown: self.unknown, shared, warnings }
    }

    fn shared(&self) -> bool {
        self.devices.iter().any(|gpu| gpu.share < 1.0)
    }

    fn all_modelled(&self, elapsed: Seconds) -> Vec<Used> {
        self.devices.iter().map(|gpu| gpu.modelled(elapsed)).collect()
    }

    fn take_over(&mut self, opened: Opened, warnings: &mut Vec<String>) {
        let Opened { devices, absent } = opened;
        self.devices = devices.into_iter().map(|found| Gpu::new(found, warnings)).collect();
        self.unknown = !absent.is_empty();
        if let Some((_, cause)) = absent.first() {
            let names: Vec<String> = absent.iter().map(|(id, _)| id.to_string()).collect();
            warnings.push(format!(
                "the job was given {} but NVML does not know it ({cause}): its energy is not counted; check \
                 CUDA_VISIBLE_DEVICES",
                names.join(", ")
            ));
        }
        if self.devices.is_empty() && self.expected && absent.is_empty() {
            warnings.push("NVML knows no GPU on this machine: none is counted".to_owned());
        }
    }

    /// What to say without a driver: nothing on a machine that need not have one.
    fn no_driver(&self, error: &OpenError) -> Option<String> {
        self.expected.then(|| format!("{error}: the energy of GPUs is not counted; `--power` declares it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvml::Respondent;

    fn watts(watts: f64) -> Watts {
        Watts::saturating(watts)
    }

    fn found(first: Sample) -> Found {
        Found { label: "GPU 0 (test)".into(), share: 1.0, limit: Some(watts(400.0)), first }
    }

    fn energy(energy_mj: u64) -> Sample {
        Sample { energy_mj: Some(energy_mj), ..Sample::default() }
    }

    fn power(power: f64) -> Sample {
        Sample { power: Some(watts(power)), ..Sample::default() }
    }

    fn lost() -> Sample {
        Sample { fault: Some("it fell off the bus".into()), ..Sample::default() }
    }

    /// Takes samples a second apart (or as given) and returns each one's energy in J and whether it was measured.
    fn follow(first: Sample, samples: &[(Sample, f64)]) -> (Vec<(f64, bool)>, Vec<String>) {
        let mut warnings = Vec::new();
        let mut gpu = Gpu::new(found(first), &mut warnings);
        let used = samples
            .iter()
            .map(|(sample, elapsed)| {
                let used = gpu.take(sample, Seconds::saturating(*elapsed), &mut warnings);
                (used.energy.get(), used.measured)
            })
            .collect();
        (used, warnings)
    }

    #[test]
    fn a_counter_counts_whatever_the_power_did() {
        let (used, warnings) = follow(energy(5_000_000), &[(energy(5_100_000), 1.0), (energy(5_100_000), 0.01)]);
        assert_eq!(used, [(100.0, true), (0.0, true)]);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_reloaded_driver_counts_from_zero_and_no_energy_is_invented() {
        let (used, _) = follow(energy(5_000_000), &[(energy(2000), 1.0), (energy(5000), 1.0)]);
        assert_eq!(used, [(2.0, true), (3.0, true)]);
    }

    #[test]
    fn power_is_integrated_by_trapezoids() {
        let (used, warnings) = follow(power(100.0), &[(power(300.0), 1.0), (power(300.0), 2.0)]);
        assert_eq!(used, [(200.0, true), (600.0, true)]);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_counter_that_stands_still_under_power_is_left_for_the_power() {
        let still = Sample { power: Some(watts(250.0)), ..energy(77) };
        let (used, warnings) = follow(energy(77), &[(still.clone(), 10.0), (still, 1.0)]);
        assert_eq!(used, [(2500.0, true), (250.0, true)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_lost_gpu_is_modelled_with_one_warning_and_counted_again_when_it_is_back() {
        let samples = [(energy(1000), 1.0), (lost(), 10.0), (lost(), 10.0), (energy(9000), 1.0), (energy(10_000), 1.0)];
        let (used, warnings) = follow(energy(0), &samples);
        assert_eq!(used, [(1.0, true), (2000.0, false), (2000.0, false), (200.0, false), (1.0, true)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("200 W"), "{warnings:?}");
    }

    #[test]
    fn a_forbidden_gpu_is_modelled_from_the_start() {
        let (used, warnings) = follow(lost(), &[(lost(), 1.0)]);
        assert_eq!(used, [(200.0, false)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_counter_that_goes_away_leaves_the_power() {
        let (used, warnings) = follow(energy(0), &[(power(120.0), 1.0), (power(80.0), 1.0)]);
        assert_eq!(used, [(120.0, true), (100.0, true)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    fn opened(devices: Vec<Found>) -> Answer {
        Answer::Opened(Ok(Opened { devices, absent: Vec::new() }))
    }

    fn gpus() -> (Gpus, Respondent) {
        let (link, respondent) = Link::pair();
        (Gpus::with(Driver::Opening(link), true, Duration::ZERO), respondent)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_driver_that_wakes_late_loses_no_time() {
        let (mut gpus, driver) = gpus();
        assert_eq!(gpus.read(at(0)).part.energy, Joules::ZERO);
        assert!(gpus.wants_short_gaps());
        driver.answers.send(opened(vec![found(Sample { power: Some(watts(60.0)), ..energy(0) })])).expect("heard");
        let reading = gpus.read(at(5));
        assert_eq!(reading.part, Part { energy: Joules::saturating(300.0), coverage: Coverage::Counted });
        assert!(!gpus.wants_short_gaps());
    }

    #[test]
    fn a_driver_that_is_late_once_is_heard_at_the_next_reading() {
        let (mut gpus, driver) = gpus();
        driver.answers.send(opened(vec![found(energy(0))])).expect("heard");
        gpus.read(at(0));
        assert_eq!(gpus.read(at(10)).part.energy, Joules::ZERO);
        driver.answers.send(Answer::Samples(vec![energy(1_500_000)])).expect("heard");
        assert_eq!(gpus.read(at(20)).part.energy, Joules::saturating(1500.0));
    }

    #[test]
    fn a_driver_that_hangs_is_given_up_with_one_warning_and_its_gpus_are_modelled() {
        let (mut gpus, driver) = gpus();
        driver.answers.send(opened(vec![found(energy(0))])).expect("heard");
        gpus.read(at(0));
        let readings: Vec<GpuReading> = [10, 20, 30, 40].map(|seconds| gpus.read(at(seconds))).into();
        let energy: Joules = readings.iter().map(|reading| reading.part.energy).sum();
        assert_eq!(energy, Joules::saturating(200.0 * 40.0));
        assert_eq!(readings.iter().map(|reading| reading.warnings.len()).sum::<usize>(), 1);
        assert_eq!(readings[3].part.coverage, Coverage::Modelled);
    }

    #[test]
    fn a_driver_thread_that_ends_is_given_up_at_once() {
        let (mut gpus, driver) = gpus();
        driver.answers.send(opened(vec![found(energy(0))])).expect("heard");
        gpus.read(at(0));
        drop(driver);
        let reading = gpus.read(at(1));
        assert_eq!(reading.part, Part { energy: Joules::saturating(200.0), coverage: Coverage::Modelled });
        assert_eq!(reading.warnings.len(), 1);
    }
}
