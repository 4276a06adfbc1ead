//! A machine with a clock, counters that go on by the powers a case sets, and a meter that is read as a case says.

use std::time::Duration;

use lowtide_meters::{Activity, Meter, MeterConfig, Reading};
use lowtide_model::quantity::Seconds;

use crate::Outcome;
use crate::common::{Machine, RANGE_UJ};

/// A counter in a file.
pub(crate) struct Counter {
    place: Place,
    /// Watts it goes on by.
    pub(crate) watts: f64,
    /// After so much it starts at 0 again.
    range: Option<f64>,
    value: f64,
    /// Whether what it counts is the truth, or a part of it told twice.
    counts: bool,
    /// Whether its file is written.
    pub(crate) present: bool,
}

enum Place {
    /// µJ.
    Zone(String),
    /// mJ.
    Gpu(u32),
}

/// The world of a case.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) counters: Vec<Counter>,
    pub(crate) config: MeterConfig,
    /// Seconds by the clock that the meter is told.
    pub(crate) now: f64,
    pub(crate) asleep: f64,
    /// Processor time of the job so far, and how many processors it and others keep busy.
    job: f64,
    host: f64,
    pub(crate) job_busy: f64,
    pub(crate) others_busy: f64,
    /// What was really used, of which the meter could know.
    pub(crate) truth: f64,
    meter: Option<Meter>,
    begun: f64,
    pub(crate) reading: Option<Reading>,
}

impl World {
    /// Nothing to count: 8 threads of 4 W, 32 GB.
    pub(crate) fn new() -> Self {
        let machine = Machine::new();
        let config = machine.config();
        Self {
            machine,
            counters: Vec::new(),
            config,
            now: 0.0,
            asleep: 0.0,
            job: 0.0,
            host: 0.0,
            job_busy: 1.0,
            others_busy: 0.0,
            truth: 0.0,
            meter: None,
            begun: 0.0,
            reading: None,
        }
    }

    /// With packages of these powers.
    pub(crate) fn packages(watts: &[f64]) -> Self {
        let mut world = Self::new();
        for (number, watts) in watts.iter().enumerate() {
            world.zone(&format!("intel-rapl:{number}"), &format!("package-{number}"), *watts);
        }
        world
    }

    /// Adds a RAPL zone that is to be counted.
    pub(crate) fn zone(&mut self, zone: &str, name: &str, watts: f64) -> &mut Counter {
        self.machine.zone(zone, name, 1_000_000);
        self.counters.push(Counter {
            place: Place::Zone(zone.to_owned()),
            watts,
            range: Some(RANGE_UJ as f64),
            value: 1e6,
            counts: true,
            present: true,
        });
        self.counters.last_mut().expect("just added")
    }

    /// Adds GPUs of these powers with energy counters.
    pub(crate) fn gpus(&mut self, watts: &[f64]) {
        self.machine.gpus(u32::try_from(watts.len()).expect("a few"));
        self.config = MeterConfig { devices: lowtide_meters::Devices::All, ..self.config.clone() };
        self.config.nvml_library = Some(self.machine.path("nvml/libnvidia-ml.so.1"));
        for (gpu, watts) in watts.iter().enumerate() {
            let place = Place::Gpu(u32::try_from(gpu).expect("a few"));
            self.counters.push(Counter { place, watts: *watts, range: None, value: 5e6, counts: true, present: true });
        }
        self.write();
    }

    /// Writes all counters and the host's time to their files.
    pub(crate) fn write(&self) {
        for counter in self.counters.iter().filter(|counter| counter.present) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a counter")]
            let value = counter.value as u64;
            match &counter.place {
                Place::Zone(zone) => self.machine.count(zone, value),
                Place::Gpu(gpu) => self.machine.gpu(&format!("{gpu}.energy_mj"), value),
            }
        }
        let ticks = (self.host * 100.0).round();
        self.machine.write("proc/stat", &format!("cpu  {ticks} 0 0 99999 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1\n"));
    }

    /// Opens the meter and takes the first reading.
    pub(crate) fn open(&mut self) {
        self.write();
        self.meter = Some(Meter::open(&self.config));
        self.begun = self.read();
    }

    /// Reads the meter.
    pub(crate) fn read(&mut self) -> f64 {
        let cpu_time = Seconds::saturating((self.job * 100.0).round() / 100.0);
        let activity = Activity { cpu_time, asleep: Seconds::saturating(self.asleep) };
        let meter = self.meter.as_mut().expect("it is open");
        let reading = meter.read(Duration::from_secs_f64(self.now), &activity);
        let energy = reading.energy.get();
        self.reading = Some(reading);
        energy
    }

    /// Lets time pass without a reading.
    pub(crate) fn pass(&mut self, seconds: f64) {
        self.now += seconds;
        self.work(seconds);
    }

    /// The same, by a clock that does not notice.
    pub(crate) fn work(&mut self, seconds: f64) {
        self.job += self.job_busy * seconds;
        self.host += (self.job_busy + self.others_busy) * seconds;
        for counter in &mut self.counters {
            let unit = if matches!(counter.place, Place::Gpu(_)) { 1e3 } else { 1e6 };
            counter.value += counter.watts * unit * seconds;
            if let Some(range) = counter.range {
                counter.value %= range;
            }
            if counter.counts && counter.present {
                self.truth += counter.watts * seconds;
            }
        }
        self.write();
    }

    /// Lets time pass with a reading at each step.
    pub(crate) fn run(&mut self, seconds: f64, step: f64) {
        let steps = (seconds / step).round();
        let mut done = 0.0;
        while done < steps {
            self.pass(step);
            self.read();
            done += 1.0;
        }
    }

    /// What is known and what is measured.
    pub(crate) fn outcome(&mut self) -> Outcome {
        let measured = self.read() - self.begun;
        Outcome::new(self.truth, measured)
    }

    /// The outcome where the truth is another than that of the counters.
    pub(crate) fn against(&mut self, truth: f64) -> Outcome {
        Outcome { truth, ..self.outcome() }
    }
}

impl Counter {
    /// It tells a part of something again.
    pub(crate) fn told_twice(&mut self) -> &mut Self {
        self.counts = false;
        self
    }

    /// It stands at that value, in its own unit.
    pub(crate) fn at(&mut self, value: f64) -> &mut Self {
        self.value = value;
        self
    }

    /// It starts at 0 after that, or never.
    pub(crate) fn range(&mut self, range: Option<f64>) -> &mut Self {
        self.range = range;
        self
    }
}
