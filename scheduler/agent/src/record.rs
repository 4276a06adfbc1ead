//! The record of an attempt as it runs: output and meter readings in, reports out.
//!
//! Time here is real time since the attempt began. Reports are stamped by the order's clock; energies are multiplied by
//! its scale, so that power, energy by time, stays what it really is.

use std::time::Duration;

use jiff::Timestamp;
use lowtide_meters::{Activity, Meter, MeterConfig};
use lowtide_model::event::AttemptReport;
use lowtide_model::job::{EXIT_PAUSED, EnergySource, Epoch, EpochProgress, Exit, StartOrder};
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::timescale::TimeScale;
use lowtide_model::window::Window;

use crate::clock;
use crate::command;
use crate::cpu_time::CpuTime;
use crate::epochs::{EndedEpoch, Epochs, Origin, Stamp};
use crate::lines::Lines;
use crate::marks::{self, Finding, Meaning, Recogniser};

/// An epoch is stamped late by at most this share of it, if it ends about when it is expected to: looking at the output
/// costs a wake-up.
const LATENESS: u32 = 100;
/// Far from the expected end of an epoch the output may wait for this share of the time from it.
const DISTANCE_SHARE: u32 = 4;
/// Output is looked at no more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// And, if there is any, no less often than this: a wake-up a second is about 0.3 s of processor time an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Of epochs shorter than this progress is not told: their end comes soon enough.
const LONG_EPOCH: Duration = Duration::from_mins(1);
/// And no more often than this, and only of so many twentieths more.
const PROGRESS_PAUSE: Duration = Duration::from_mins(1);
const PROGRESS_TWENTIETHS: u8 = 2;

/// A stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// `$LOWTIDE_REPORT`.
    Report,
}

/// What a line said, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sign {
    finding: Finding,
    origin: Origin,
    /// How far the epoch is that it shows as running, in twentieths.
    share: Option<u8>,
}

impl Sign {
    /// Whether it says no more when it is said again.
    const fn is_continuation(self) -> bool {
        match self.finding {
            Finding::StepBar
            | Finding::Steps { .. }
            | Finding::Epochs(_)
            | Finding::TotalSteps(_)
            | Finding::FromZero => true,
            Finding::Mark(mark) => match mark.meaning {
                Meaning::Running | Meaning::RunningAfter | Meaning::Header => true,
                Meaning::Ended | Meaning::Completed => false,
            },
        }
    }
}

/// The first reading is made some milliseconds after the command has started (a GPU driver may make it wait a second or
/// two). What it used until then is taken to be at the power of the time between the first two readings.
#[derive(Debug, Clone, Copy)]
struct FirstReading {
    at: Duration,
    energy: Joules,
    /// Used before it, once there is a second reading.
    before: Option<Joules>,
}

/// The record of one attempt.
#[derive(Debug)]
pub(crate) struct Record {
    began: Timestamp,
    time: TimeScale,
    meter: Meter,
    cpu_time: CpuTime,
    first: FirstReading,
    last: Stamp,
    source: EnergySource,
    recogniser: Recogniser,
    epochs: Epochs,
    stdout: Lines,
    stderr: Lines,
    report: Lines,
    signs: Vec<Sign>,
    latest_sign: Option<Sign>,
    latest_epoch: Option<EndedEpoch>,
    /// The epoch whose progress was told last: its number, how far it was, and when.
    latest_progress: Option<(u32, u8, Duration)>,
    latest_end: Timestamp,
    reports: Vec<AttemptReport>,
}

impl Record {
    /// Of a command that was started at `began`, the moment from which time is counted.
    pub(crate) fn begin(order: &StartOrder, meter: &MeterConfig, began: Timestamp, at: Duration) -> Self {
        // First of all: time that is not measured is lost.
        let mut meter = Meter::open(meter);
        let mut cpu_time = CpuTime::new(command::job_group(order));
        let reading = meter.read(at, &activity(&mut cpu_time, at));
        let (recogniser, fault) = Recogniser::new(order.epoch_pattern.as_deref());
        let start = Stamp { at: Duration::ZERO, energy: Joules::ZERO };
        let mut record = Self {
            began,
            time: order.time,
            meter,
            cpu_time,
            first: FirstReading { at, energy: reading.energy, before: None },
            last: Stamp { at, energy: Joules::ZERO },
            source: EnergySource::Measured,
            recogniser,
            epochs: Epochs::new(start, order.resume, order.epochs),
            stdout: Lines::default(),
            stderr: Lines::default(),
            report: Lines::default(),
            signs: Vec::new(),
            latest_sign: None,
            latest_epoch: None,
            latest_progress: None,
            latest_end: order.time.at(began),
            reports: vec![AttemptReport::Started { at: order.time.at(began) }],
        };
        for warning in fault.into_iter().chain(reading.warnings) {
            record.warn(at, warning);
        }
        record
    }

    /// Reports made since this was last asked.
    pub(crate) fn take_reports(&mut self) -> Vec<AttemptReport> {
        std::mem::take(&mut self.reports)
    }

    /// More of a stream. It is looked at; [`settle`](Self::settle) says when.
    pub(crate) fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let (recogniser, signs, latest) = (&self.recogniser, &mut self.signs, &mut self.latest_sign);
        // A bar is drawn over and over: only what is new is worth a reading.
        let mut keep = |sign: Option<Sign>| {
            if let Some(sign) = sign
                && !(sign.is_continuation() && *latest == Some(sign))
            {
                *latest = Some(sign);
                match (signs.last_mut(), sign.finding) {
                    // Of steps that come at once only the last says anything: a flood of them takes no memory.
                    (
                        Some(Sign { finding: Finding::Steps { done, total }, .. }),
                        Finding::Steps { done: later, total: of },
                    ) if *total == of && later > *done => {
                        *done = later;
                    }
                    _ => signs.push(sign),
                }
            }
        };
        match stream {
            Stream::Stdout => self.stdout.feed(bytes, |line| keep(sign(recogniser, line))),
            Stream::Stderr => self.stderr.feed(bytes, |line| keep(sign(recogniser, line))),
            Stream::Report => self.report.feed(bytes, |line| keep(reported(line))),
        }
    }

    /// A part of a stream was left out.
    pub(crate) fn skipped(&mut self, stream: Stream) {
        match stream {
            Stream::Stdout => self.stdout.skip(),
            Stream::Stderr => self.stderr.skip(),
            Stream::Report => self.report.skip(),
        }
    }

    /// What was output until now, `at`, is looked at. Whether an epoch has ended by it.
    pub(crate) fn settle(&mut self, at: Duration) -> bool {
        if self.signs.is_empty() {
            return false;
        }
        let stamp = self.read(at);
        self.take_signs(stamp);
        let ended = self.epochs.settle(stamp);
        self.tell(&ended);
        self.tell_progress(stamp);
        !ended.is_empty()
    }

    /// Reads the meter, so that no counter wraps unseen.
    pub(crate) fn tick(&mut self, at: Duration) {
        self.read(at);
    }

    /// What the attempt has used up to the latest reading.
    pub(crate) fn energy(&self) -> Joules {
        self.scaled(self.last.energy)
    }

    /// The command was stopped for a while until now: the epoch that runs begins anew.
    pub(crate) fn restarted(&mut self, at: Duration) {
        let stamp = self.read(at);
        self.epochs.restarted(stamp);
    }

    /// By when, after `at`, [`tick`](Self::tick) is due.
    pub(crate) fn next_tick(&self) -> Duration {
        self.last.at + self.meter.longest_gap()
    }

    /// Whether the job marks its epochs, as far as can be seen.
    pub(crate) const fn any_epoch(&self) -> bool {
        self.epochs.any_marked()
    }

    /// How long the output may wait until it is looked at again. Epochs of a training are much alike, so it is looked at
    /// closely only when the next is about to end.
    pub(crate) fn pause(&self, at: Duration) -> Duration {
        let pause = match self.latest_epoch {
            None => at / LATENESS,
            Some(EndedEpoch { start, end, .. }) => {
                let length = end.at.saturating_sub(start.at);
                let expected = end.at + length;
                (at.abs_diff(expected) / DISTANCE_SHARE).max(length / LATENESS)
            }
        };
        pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// The command has ended. To be called before it is waited for, so that its processor time still counts as its own.
    /// Returns the time by the order's clock and the energy of the whole attempt.
    pub(crate) fn exited(&mut self, at: Duration, exit: Exit, asked_to_leave: bool) -> (Timestamp, Joules) {
        let (recogniser, signs) = (&self.recogniser, &mut self.signs);
        self.stdout.finish(|line| signs.extend(sign(recogniser, line)));
        self.stderr.finish(|line| signs.extend(sign(recogniser, line)));
        self.report.finish(|line| signs.extend(reported(line)));
        let stamp = self.last;
        self.take_signs(stamp);
        // A command that ends by itself in its last epoch has ended that epoch, whatever it then says of the outcome.
        let well = match exit {
            Exit::Code(0) => true,
            Exit::Code(code) => code != EXIT_PAUSED && self.epochs.in_the_last(),
            Exit::Signal(_) => false,
        };
        let ended = self.epochs.finish(well, stamp);
        self.tell(&ended);
        let energy = self.scaled(stamp.energy);
        let end = self.time.at(self.moment(at)).max(self.latest_end);
        self.reports.push(AttemptReport::Exited { at: end, exit, energy, asked_to_leave });
        (end, energy)
    }

    fn take_signs(&mut self, stamp: Stamp) {
        // What came at once may have been written in any order: what the job says itself goes before its output.
        self.signs.sort_by_key(|sign| sign.origin);
        for Sign { finding, origin, share } in self.signs.drain(..) {
            self.epochs.heed(finding, origin, stamp);
            if let Some(share) = share {
                self.epochs.has_come(share);
            }
        }
    }

    fn read(&mut self, at: Duration) -> Stamp {
        let reading = self.meter.read(at, &activity(&mut self.cpu_time, at));
        for warning in reading.warnings {
            self.warn(at, warning);
        }
        self.source = self.source.max(reading.source);
        let since_first = reading.energy.minus(self.first.energy);
        let elapsed = Seconds::from(at.saturating_sub(self.first.at));
        let first = self.first.at;
        let before = *self.first.before.get_or_insert_with(|| {
            since_first.over(elapsed).map_or(Joules::ZERO, |power| power * Seconds::from(first))
        });
        let energy = (before + since_first).max(self.last.energy);
        self.last = Stamp { at: at.max(self.last.at), energy };
        self.last
    }

    fn tell(&mut self, ended: &[EndedEpoch]) {
        for epoch in ended {
            self.latest_epoch = Some(*epoch);
            // The order's clock may round two moments to one.
            let start = self.time.at(self.moment(epoch.start.at)).max(self.latest_end);
            let later = start.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(start);
            let end = self.time.at(self.moment(epoch.end.at)).max(later);
            let Ok(window) = Window::new(start, end) else { continue };
            self.latest_end = end;
            self.reports.push(AttemptReport::Epoch(Epoch {
                index: epoch.index,
                total: epoch.total,
                window,
                energy: self.scaled(epoch.end.energy.minus(epoch.start.energy)),
                source: self.source,
            }));
        }
        if !ended.is_empty() {
            self.source = EnergySource::Measured;
        }
    }

    /// How far a long epoch is; seldom, for each report is a line in a spool and makes a plan anew.
    fn tell_progress(&mut self, stamp: Stamp) {
        let Some((index, since, share)) = self.epochs.under_way() else { return };
        let ran = stamp.at.saturating_sub(since.at);
        let told = self.latest_progress.filter(|(epoch, ..)| *epoch == index);
        let enough =
            told.is_none_or(|(_, told, at)| told + PROGRESS_TWENTIETHS <= share && at + PROGRESS_PAUSE <= stamp.at);
        if ran < LONG_EPOCH || !enough {
            return;
        }
        self.latest_progress = Some((index, share, stamp.at));
        self.reports.push(AttemptReport::Progress(EpochProgress {
            index,
            at: self.time.at(self.moment(stamp.at)).max(self.latest_end),
            share: f64::from(share) / 20.0,
            ran: Seconds::from(ran).times(self.time.scale()),
            energy: self.scaled(stamp.energy.minus(since.energy)),
        }));
    }

    /// The GPUs could not be held to the cap of the order: why, for people.
    pub(crate) fn power_cap_refused(&mut self, at: Duration, message: String) {
        let at = self.time.at(self.moment(at));
        self.reports.push(AttemptReport::PowerCapRefused { at, message });
    }

    fn warn(&mut self, at: Duration, message: String) {
        let at = self.time.at(self.moment(at));
        self.reports.push(AttemptReport::Warning { at, message });
    }

    fn moment(&self, at: Duration) -> Timestamp {
        Seconds::from(at).after(self.began)
    }

    fn scaled(&self, energy: Joules) -> Joules {
        energy.times(self.time.scale())
    }
}

/// What the job did up to now.
fn activity(cpu_time: &mut CpuTime, at: Duration) -> Activity {
    // Below a millisecond it is the time between two looks at clocks.
    let asleep = Duration::from_millis(u64::try_from(clock::asleep().as_millis()).unwrap_or(u64::MAX));
    Activity { cpu_time: cpu_time.read(at), asleep: Seconds::from(asleep) }
}

fn sign(recogniser: &Recogniser, line: &[u8]) -> Option<Sign> {
    let finding = recogniser.look(line)?;
    let share = match finding {
        Finding::Mark(mark) if mark.meaning == Meaning::Running => recogniser.share(line),
        _ => None,
    };
    Some(Sign { finding, origin: Origin::Output, share })
}

fn reported(line: &[u8]) -> Option<Sign> {
    marks::reported(line).map(|mark| Sign { finding: Finding::Mark(mark), origin: Origin::Report, share: None })
}

#[cfg(test)]
mod tests {
    use lowtide_meters::Devices;

    use super::*;
    use crate::testing::order;

    /// A record of a job that draws 100 W, and of what it says when: seconds and lines.
    fn progress(said: &[(u64, &str)]) -> Vec<EpochProgress> {
        let nothing = MeterConfig {
            powercap_root: "/nonexistent".into(),
            nvml_library: None,
            devices: Devices::None,
            declared_power: Some(lowtide_model::quantity::Watts::saturating(100.0)),
            ..MeterConfig::default()
        };
        let mut record = Record::begin(&order(1, &["true"]), &nothing, Timestamp::UNIX_EPOCH, Duration::ZERO);
        for (at, line) in said {
            record.output(Stream::Stdout, line.as_bytes());
            record.output(Stream::Stdout, b"\n");
            record.settle(Duration::from_secs(*at));
        }
        let reports = record.take_reports().into_iter();
        reports
            .filter_map(|report| match report {
                AttemptReport::Progress(progress) => Some(progress),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_long_epoch_tells_now_and_then_how_far_it_is() {
        let told = progress(&[
            (0, "Starting epoch 1/3"),
            (30, "Epoch 1/3:  10%|#         | 10/100"),
            (300, "Epoch 1/3:  25%|##        | 25/100"),
            (310, "Epoch 1/3:  50%|##        | 50/100"),
            (400, "Epoch 1/3:  26%|##        | 26/100"),
            (1200, "Epoch 1/3:  99%|######### | 99/100"),
        ]);
        let shares: Vec<f64> = told.iter().map(|progress| progress.share).collect();
        assert_eq!(shares, [0.25, 0.5, 0.95], "not below a minute, not twice a minute, never back");
        assert_eq!((told[0].index, told[0].ran.get()), (1, 300.0));
        assert!((told[0].energy.get() - 30_000.0).abs() < 1e-6, "{:?}", told[0]);
    }

    #[test]
    fn short_epochs_tell_their_end_only() {
        let told = progress(&[
            (0, "Starting epoch 1/3"),
            (20, "Epoch 1/3:  50%|##        | 50/100"),
            (40, "Epoch 2/3:  10%|##        | 10/100"),
            (60, "Epoch 2/3:  50%|##        | 50/100"),
        ]);
        assert_eq!(told, []);
    }
}
