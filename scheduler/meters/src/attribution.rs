//! Which part of what a shared host used is one job's.
//!
//! A counter counts the host. Of its energy `E` in an interval, `min(E, idle power x time)` is idle: it is drawn to
//! have the host at all, and is divided by what is reserved. The rest is active: it is drawn by what runs, and is
//! divided by processor time.
//!
//! ```text
//! job = idle x reserved / threads + active x (processor time of the job / processor time of all)
//! ```
//!
//! Jobs whose reservations fit the host and whose processor times are the host's never get more than `E` together: a
//! property test holds it to that. A job that has reserved the whole host gets all of `E`, what the system itself
//! does beside it included. To divide by the ratio of processor times is what Kepler does ("ratio power model",
//! <https://sustainable-computing.io>); here the idle part goes by reservation instead.
//!
//! Memory (`dram`) is divided by the same rule: what it draws beyond its idle power follows the processors' work more
//! closely than what a job has allocated.

use lowtide_model::quantity::{Joules, Seconds, Watts};

/// How long an interval is at least before its division is final: processor time is told in steps of 10 ms, so that a
/// shorter one would be divided by rounding.
const SETTLES_AFTER_SECONDS: f64 = 1.0;

/// A host this little busy shows its idle power.
const QUIET: f64 = 0.05;

/// Whose the energy of a shared counter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// All of the counted processors and memory is the job's, as Carbontracker has it: right where nobody else
    /// computes on the machine.
    #[default]
    Whole,
    /// The job's share of it: right where others do.
    Shared,
}

impl Attribution {
    /// By the name a user gives it: `whole` or `shared`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.trim() {
            "whole" => Some(Self::Whole),
            "shared" => Some(Self::Shared),
            _ => None,
        }
    }
}

/// What a host did in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// What it used.
    pub energy: Joules,
    /// How long it was.
    pub elapsed: Seconds,
    /// What the host draws doing nothing.
    pub idle_power: Watts,
    /// The job's reserved part of the host, 0 to 1.
    pub reserved: f64,
    /// Processor time of the job.
    pub job_time: Seconds,
    /// Processor time of all that ran on the host; absent where the host does not tell.
    pub host_time: Option<Seconds>,
}

/// The job's part of the interval's energy: see the head of this file. Never more than the whole.
#[must_use]
pub fn attribute(interval: &Interval) -> Joules {
    let Interval { energy, elapsed, idle_power, reserved, job_time, host_time } = *interval;
    let reserved = if reserved.is_nan() { 0.0 } else { reserved.clamp(0.0, 1.0) };
    if reserved >= 1.0 {
        return energy;
    }
    let idle = energy.min(idle_power * elapsed);
    let active = energy.minus(idle);
    // Where nothing is known of what ran, or nothing did, the rest is divided as the idle part.
    let share = host_time.and_then(|host| job_time.per(host)).map_or(reserved, |share| share.clamp(0.0, 1.0));
    energy.min(idle.times(reserved) + active.times(share))
}

/// What a host draws doing nothing, as far as can be told from outside.
///
/// A quiet host shows it. Until one was seen, it is the model's, or the lowest power seen if that is less: a busy host
/// draws more than an idle one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct IdlePower {
    model: Watts,
    lowest: Option<Watts>,
    quiet: Option<Watts>,
}

impl IdlePower {
    fn see(&mut self, power: Watts, busy: Option<f64>) {
        self.lowest = Some(self.lowest.map_or(power, |lowest| lowest.min(power)));
        if busy.is_some_and(|busy| busy <= QUIET) {
            self.quiet = Some(self.quiet.map_or(power, |quiet| quiet.min(power)));
        }
    }

    fn get(&self) -> Watts {
        match (self.quiet, self.lowest) {
            (Some(quiet), _) => quiet,
            (None, Some(lowest)) => lowest.min(self.model),
            (None, None) => self.model,
        }
    }
}

/// Divides the energy of one counter (or sum of counters), reading by reading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Splitter {
    reserved: f64,
    threads: f64,
    idle: IdlePower,
    /// Divided for good.
    settled: Joules,
    /// Since then.
    open: Open,
}

/// What is not divided for good yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    energy: Joules,
    elapsed: Seconds,
    job_time: Seconds,
    host_time: Option<Seconds>,
}

impl Open {
    const EMPTY: Self =
        Self { energy: Joules::ZERO, elapsed: Seconds::ZERO, job_time: Seconds::ZERO, host_time: Some(Seconds::ZERO) };
}

impl Splitter {
    /// For a job with `reserved` of the host's `threads`, on a host that by the model draws `idle` doing nothing.
    pub(crate) fn new(reserved: f64, threads: f64, idle: Watts) -> Self {
        Self {
            reserved: reserved / threads,
            threads,
            idle: IdlePower { model: idle, lowest: None, quiet: None },
            settled: Joules::ZERO,
            open: Open::EMPTY,
        }
    }

    /// Whether it leaves anything to others.
    pub(crate) fn divides(&self) -> bool {
        self.reserved < 1.0
    }

    /// Takes in what was counted since the last reading; returns the job's part of all so far.
    pub(crate) fn add(&mut self, energy: Joules, elapsed: Seconds, job: Seconds, host: Option<Seconds>) -> Joules {
        let open = &mut self.open;
        open.energy += energy;
        open.elapsed += elapsed;
        open.job_time += job;
        open.host_time = open.host_time.zip(host).map(|(sum, host)| sum + host);
        if open.elapsed.get() >= SETTLES_AFTER_SECONDS {
            let open = std::mem::replace(open, Open::EMPTY);
            let busy = open.host_time.and_then(|time| time.per(open.elapsed.times(self.threads)));
            if let Some(power) = open.energy.over(open.elapsed) {
                self.idle.see(power, busy);
            }
            self.settled += self.part_of(&open);
            return self.settled;
        }
        self.settled + self.part_of(&self.open)
    }

    fn part_of(&self, open: &Open) -> Joules {
        attribute(&Interval {
            energy: open.energy,
            elapsed: open.elapsed,
            idle_power: self.idle.get(),
            reserved: self.reserved,
            job_time: open.job_time,
            host_time: open.host_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joules(joules: f64) -> Joules {
        Joules::saturating(joules)
    }

    fn seconds(seconds: f64) -> Seconds {
        Seconds::saturating(seconds)
    }

    fn interval(reserved: f64, job: f64, host: Option<f64>) -> Interval {
        Interval {
            energy: joules(1000.0),
            elapsed: seconds(10.0),
            idle_power: Watts::saturating(40.0),
            reserved,
            job_time: seconds(job),
            host_time: host.map(seconds),
        }
    }

    #[test]
    fn idle_power_goes_by_reservation_and_the_rest_by_processor_time() {
        for (reserved, job, host, part) in [
            (0.25, 20.0, Some(40.0), 400.0 * 0.25 + 600.0 * 0.5),
            (0.25, 0.0, Some(40.0), 100.0),
            (0.25, 40.0, Some(40.0), 100.0 + 600.0),
            // Rounded to more than the host's.
            (0.25, 41.0, Some(40.0), 700.0),
            // Nothing ran, or nothing is known of it.
            (0.25, 0.0, Some(0.0), 250.0),
            (0.25, 30.0, None, 250.0),
            // All of it.
            (1.0, 0.0, Some(40.0), 1000.0),
            (7.0, 0.0, None, 1000.0),
            (f64::NAN, 0.0, Some(40.0), 0.0),
        ] {
            let got = attribute(&interval(reserved, job, host)).get();
            assert!((got - part).abs() < 1e-9, "reserved {reserved}, {job} s of {host:?}: {got} J, not {part}");
        }
    }

    #[test]
    fn idle_power_is_never_more_than_was_used() {
        let part = attribute(&Interval { idle_power: Watts::saturating(1e6), ..interval(0.5, 0.0, Some(10.0)) });
        assert!((part.get() - 500.0).abs() < 1e-9, "{part:?}");
    }

    #[test]
    fn a_quiet_host_shows_its_idle_power_and_a_busy_one_only_that_it_is_not_more() {
        let mut splitter = Splitter::new(2.0, 8.0, Watts::saturating(3.0));
        // Fully busy by others at 80 W: of the idle 3 W a quarter is the job's.
        let part = splitter.add(joules(800.0), seconds(10.0), Seconds::ZERO, Some(seconds(80.0)));
        assert!((part.get() - 7.5).abs() < 1e-9, "{part:?}");
        // Quiet at 20 W: so much it is.
        let part = splitter.add(joules(200.0), seconds(10.0), Seconds::ZERO, Some(seconds(1.0)));
        assert!((part.get() - 57.5).abs() < 1e-9, "{part:?}");
        let part = splitter.add(joules(800.0), seconds(10.0), seconds(20.0), Some(seconds(80.0)));
        assert!((part.get() - (57.5 + 50.0 + 150.0)).abs() < 1e-9, "{part:?}");
    }

    #[test]
    fn ten_readings_a_second_divide_as_one_does() {
        let (mut often, mut once) =
            (Splitter::new(1.0, 4.0, Watts::saturating(10.0)), Splitter::new(1.0, 4.0, Watts::saturating(10.0)));
        let mut last = Joules::ZERO;
        for tenth in 1..=100 {
            // Both times come in steps of 10 ms, not at the same moments.
            let (job, host) = if tenth % 2 == 0 { (0.11, 0.19) } else { (0.09, 0.21) };
            last = often.add(joules(5.0), seconds(0.1), seconds(job), Some(seconds(host)));
        }
        let once = once.add(joules(500.0), seconds(10.0), seconds(10.0), Some(seconds(20.0)));
        // The last tenths may not be divided for good yet.
        assert!((last.get() - once.get()).abs() < 0.001 * once.get(), "{last:?} and {once:?}");
    }

    proptest! {
        /// Whatever the jobs: if their reservations fit the host and their times are of the host's, they do not get
        /// more than was used, and each gets something between nothing and all.
        #[test]
        fn jobs_together_never_get_more_than_the_host_used(
            energy in 0.0..1e6_f64,
            elapsed in 0.0..1e4_f64,
            idle in 0.0..1e3_f64,
            host in 0.0..1e5_f64,
            jobs in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 1..12),
        ) {
            let (all_reserved, all_busy): (f64, f64) = jobs.iter().fold((1e-9, 1e-9), |(a, b), (c, d)| (a + c, b + d));
            let sum: f64 = jobs
                .iter()
                .map(|(reserved, busy)| {
                    attribute(&Interval {
                        energy: joules(energy),
                        elapsed: seconds(elapsed),
                        idle_power: Watts::saturating(idle),
                        reserved: reserved / all_reserved.max(1.0),
                        job_time: seconds(host * busy / all_busy.max(1.0)),
                        host_time: Some(seconds(host)),
                    })
                    .get()
                })
                .sum();
            prop_assert!(sum <= energy * (1.0 + 1e-9) + 1e-9, "{sum} J of {energy} J");
        }
    }
}
