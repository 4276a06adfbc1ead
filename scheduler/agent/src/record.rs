//! The record of an attempt as it runs: output and meter readings in, reports out.
//!
//! Time here is real time since the attempt began. Reports are stamped by the order's clock; energies are multiplied by
//! its scale, so that power, energy by time, stays what it really is.

use std::time::Duration;

use jiff::Timestamp;
use lowtide_meters::{Activity, Meter, MeterConfig};
use lowtide_model::event::AttemptReport;
use lowtide_model::job::{EXIT_PAUSED, EnergySource, Epoch, Exit, StartOrder};
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::timescale::TimeScale;
use lowtide_model::window::Window;

use crate::clock;
use crate::command;
use crate::cpu_time::CpuTime;
use crate::epochs::{EndedEpoch, Epochs, Origin, Stamp};
use crate::lines::Lines;
use crate::marks::{self, Mark, Meaning, Recogniser};

/// An epoch is stamped late by at most this share of it, if it ends about when it is expected to: looking at the output
/// costs a wake-up.
const LATENESS: u32 = 100;
/// Far from the expected end of an epoch the output may wait for this share of the time from it.
const DISTANCE_SHARE: u32 = 4;
/// Output is looked at no more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// And, if there is any, no less often than this: a wake-up a second is about 0.3 s of processor time an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// `$LOWTIDE_REPORT`.
    Report,
}

/// What a line said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Mark(Mark, Origin),
    StepBar,
}

impl Sign {
    /// Whether it says no more when it is said again.
    const fn is_continuation(self) -> bool {
        match self {
            Self::StepBar => true,
            Self::Mark(mark, _) => match mark.meaning {
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
                signs.push(sign);
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
        !ended.is_empty()
    }

    /// Reads the meter, so that no counter wraps unseen.
    pub(crate) fn tick(&mut self, at: Duration) {
        self.read(at);
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
        for sign in self.signs.drain(..) {
            match sign {
                Sign::Mark(mark, origin) => self.epochs.mark(mark, origin, stamp),
                Sign::StepBar => self.epochs.step_bar(),
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
    match recogniser.mark(line) {
        Some(mark) => Some(Sign::Mark(mark, Origin::Output)),
        None => recogniser.is_step_bar(line).then_some(Sign::StepBar),
    }
}

fn reported(line: &[u8]) -> Option<Sign> {
    marks::reported(line).map(|mark| Sign::Mark(mark, Origin::Report))
}
