//! Epochs out of marks: when each began and ended, and what it used.
//!
//! A mark says that an epoch begins, runs or has ended (see `marks`); a bare header, `Epoch 3/90`, says only that one
//! of the first two or the last is the case. Jobs print it at either place, so it is decided by what follows:
//! - another kind of mark, or Keras' bars of steps, below the header: headers stand at the beginning;
//! - otherwise, by the time at the second header: if the time from the start of the process to the first header is less
//!   than half of that from the first to the second, headers stand at the beginning, else at the end. (A script that
//!   spends as long on its imports as on an epoch and prints headers at the beginning is taken for the other kind; it
//!   still gets its epochs, shifted by one.)
//!
//! So the first epoch of a job that prints bare headers is known at the second header. The last one of a job that marks
//! beginnings ends with the process, if it exits with 0, or by itself in the last epoch it had announced.
//!
//! Further rules:
//! - Numbers count from 1 on here. If a job's first mark is of epoch 0, all its numbers are moved by one. A job that
//!   counts from 0 and goes on from a checkpoint shows no epoch 0: that its framework counts so has to tell, or else its
//!   numbers stay as they are.
//! - A job that prints every tenth epoch gets ten epochs a mark, with equal shares of time and energy. So does output
//!   that was held back by a buffer and arrives at once.
//! - Epochs are in order and never overlap. What names an epoch that is over already (a line of validation, "best epoch:
//!   3", another rank's line) says nothing. A job that trains twice, counting from 1 again, gets epochs for the first
//!   time only, unless the user declared more epochs than one training has: then the trainings count on.
//! - Several results of one epoch are its progress if they come apart from each other, and those of several ranks if
//!   they come together.
//! - Once the job reports its epochs itself, its output says nothing.
//! - Steps (`step 1200/10000`) are progress of the training if the job marks no epochs, announces none, and the user
//!   declared none. The training then has [`STEP_GROUPS`] epochs at most, each of equally many steps. A job of more
//!   than [`MOST_EPOCHS`] epochs gets that many at most, by the same grouping; and if it does not say how many there
//!   will be, no more than [`MOST_TOLD`] are told.
//!
//! Nothing here reads a clock or a meter: a [`Stamp`] is an argument.

use std::time::Duration;

use lowtide_model::quantity::Joules;

use crate::marks::{Finding, Mark, twentieths};

mod numbers;
mod phases;

/// The most epochs that steps are grouped to: each is a hundredth of the training, fine enough to predict by.
const STEP_GROUPS: u32 = 100;

/// What has fewer steps is no training, but the building of an image: `Step 3/9`.
const FEWEST_STEPS: u32 = 20;

/// The most epochs of a job that says how many there will be. If it has more they are grouped.
const MOST_EPOCHS: u32 = 1000;

/// The most epochs of an attempt that are told, of a job that does not say how many there will be.
const MOST_TOLD: u32 = 10_000;

/// The most epochs that one mark ends. A job that prints less often than that gets the latest of them: a hundred
/// equal shares predict as well as ten thousand, and each is a line in a spool and a row in a database.
const MOST_AT_ONCE: u32 = 100;

/// After so many further results of one epoch that was taken to be over, results are taken for progress.
const REPEATED_RESULTS: u32 = 3;

/// A result of an epoch that had one is another rank's, or one of validation, if it comes this soon after: within that
/// part of the time the epoch took.
const TOGETHER: u32 = 5;

/// A moment of an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stamp {
    /// Real time since the attempt began.
    pub(crate) at: Duration,
    /// Energy since then.
    pub(crate) energy: Joules,
}

/// An epoch that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EndedEpoch {
    /// Its number, from 1 on.
    pub(crate) index: u32,
    /// How many there will be.
    pub(crate) total: Option<u32>,
    pub(crate) start: Stamp,
    /// Later than the start.
    pub(crate) end: Stamp,
}

/// Where a mark comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Reported by the job itself.
    Report,
    /// Recognised in the output.
    Output,
}

/// The epochs of one attempt.
#[derive(Debug)]
pub(crate) struct Epochs {
    start: Stamp,
    resumed: bool,
    declared: Option<u32>,
    total: Option<u32>,
    /// As the settings say that the job printed.
    announced: Option<u32>,
    announced_steps: Option<u32>,
    counts_from_zero: Option<bool>,
    /// The framework that has introduced itself does.
    from_zero: bool,
    counted: Counted,
    /// So many of the job's epochs, or steps, are one here; known at the first mark.
    unit: Option<u32>,
    /// So many epochs had the trainings before the one that runs.
    before: u32,
    told: u32,
    origin: Origin,
    headers_at_end: bool,
    phase: Phase,
    /// How far the epoch after so many is, in twentieths.
    come: (u32, u8),
    ended: Vec<EndedEpoch>,
}

/// What the job counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Epochs,
    /// Steps of a training that has so many.
    Steps(u32),
}

/// What is known of the job's way to mark epochs.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing was marked.
    Unmarked,
    /// One bare header was seen.
    Header { epoch: u32, at: Stamp, step_bars: bool },
    /// The first mark said that an epoch after the first has ended: whether it stands for one or for all before it,
    /// the next mark shows.
    FirstEnd { epoch: u32, at: Stamp },
    /// Epochs follow each other.
    Known(Known),
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// So many have ended and are told.
    done: u32,
    /// When the epoch after them began.
    since: Stamp,
    /// So many have ended, as far as has been marked.
    marked: u32,
    /// Whether the one after them was marked as running.
    open: bool,
    /// Results of an epoch that had a result before.
    repeated: u32,
    /// When the latest result came, and how long after the epoch began.
    result: (Duration, Duration),
}

impl Known {
    const fn new(done: u32, marked: u32, since: Stamp, open: bool, now: Stamp) -> Self {
        Self { done, since, marked, open, repeated: 0, result: (now.at, now.at.saturating_sub(since.at)) }
    }

    /// A further result at `at` is of the epoch whose result came last, and apart from it.
    fn is_apart(&self, at: Stamp) -> bool {
        let (result, took) = self.result;
        at.at.saturating_sub(result) > took / TOGETHER
    }
}

/// What a mark says, with numbers from 1 on.
#[derive(Debug, Clone, Copy)]
enum Said {
    Header(u32),
    Running(u32),
    Ended(u32),
}

impl Said {
    const fn epoch(self) -> u32 {
        match self {
            Self::Header(epoch) | Self::Running(epoch) | Self::Ended(epoch) => epoch,
        }
    }
}

impl Epochs {
    /// None so far. `declared` is how many the user said there are.
    pub(crate) const fn new(start: Stamp, resumed: bool, declared: Option<u32>) -> Self {
        Self {
            start,
            resumed,
            declared,
            total: None,
            announced: None,
            announced_steps: None,
            counts_from_zero: None,
            from_zero: false,
            counted: Counted::Epochs,
            unit: None,
            before: 0,
            told: 0,
            origin: Origin::Output,
            headers_at_end: false,
            phase: Phase::Unmarked,
            come: (0, 0),
            ended: Vec::new(),
        }
    }

    /// The epoch that runs has come so far, in twentieths. It never goes back: a bar of validation begins anew.
    pub(crate) fn has_come(&mut self, share: u8) {
        if let Phase::Known(known) = self.phase
            && known.open
            && self.unit.is_none_or(|unit| unit == 1)
        {
            let before = if self.come.0 == known.marked { self.come.1 } else { 0 };
            self.come = (known.marked, before.max(share));
        }
    }

    /// The epoch that runs, when it began, and how far it is in twentieths, where that is told.
    pub(crate) fn under_way(&self) -> Option<(u32, Stamp, u8)> {
        let Phase::Known(known) = self.phase else { return None };
        let told = known.open && known.done == known.marked && self.come.0 == known.marked && 0 < self.come.1;
        told.then_some((known.done + 1, known.since, self.come.1))
    }

    /// Whether any epoch was marked.
    pub(crate) const fn any_marked(&self) -> bool {
        !matches!(self.phase, Phase::Unmarked)
    }

    /// Takes in what was said at `at`, or since the last [`settle`](Self::settle).
    pub(crate) fn heed(&mut self, finding: Finding, origin: Origin, at: Stamp) {
        if self.origin == Origin::Report && origin == Origin::Output {
            return;
        }
        match finding {
            Finding::Mark(mark) => self.mark(mark, origin, at),
            Finding::Steps { done, total } => self.steps(done, total, at),
            Finding::StepBar => self.step_bar(),
            Finding::Epochs(total) if !self.any_marked() => self.announced = Some(total),
            Finding::TotalSteps(total) if !self.any_marked() => self.announced_steps = Some(total),
            Finding::FromZero => self.from_zero = true,
            Finding::Epochs(_) | Finding::TotalSteps(_) => {}
        }
    }

    fn mark(&mut self, mark: Mark, origin: Origin, at: Stamp) {
        let were_steps = self.counted != Counted::Epochs;
        let knows_better = self.origin != origin;
        if self.told == 0 && (were_steps || knows_better) {
            // Those were steps of an epoch; or lines that the job did not mean so.
            self.counted = Counted::Epochs;
            self.unit = None;
            self.total = None;
            self.counts_from_zero = None;
            self.phase = Phase::Unmarked;
        }
        if self.counted != Counted::Epochs && origin == Origin::Output {
            return;
        }
        self.origin = origin;
        let Some(said) = self.said(mark) else { return };
        let said = self.grouped(said);
        self.take(said, at);
    }

    fn step_bar(&mut self) {
        if let Phase::Header { step_bars, .. } = &mut self.phase {
            *step_bars = true;
        }
    }

    fn steps(&mut self, done: u32, total: Option<u32>, at: Stamp) {
        if self.counted == Counted::Epochs && self.any_marked() {
            self.step_bar();
            let share = total.filter(|total| 1 < *total).map(|total| f64::from(done) / f64::from(total));
            if let Some(share) = share.and_then(twentieths) {
                self.has_come(share);
            }
            return;
        }
        let Some(total) = total.or(self.announced_steps) else { return };
        let of_training = match self.counted {
            // What is announced as many epochs, or declared so, has its steps counted within each.
            Counted::Epochs => {
                self.announced.is_none_or(|epochs| epochs <= 1)
                    && self.declared.is_none_or(|declared| declared == total)
            }
            // Steps of an evaluation have another number, a smaller one.
            Counted::Steps(known) => known == total || (known < total && self.told == 0),
        };
        if !of_training || total < FEWEST_STEPS || done > total {
            return;
        }
        if self.counted != Counted::Steps(total) {
            self.counted = Counted::Steps(total);
            self.phase = Phase::Unmarked;
        }
        let unit = total.div_ceil(STEP_GROUPS);
        self.unit = Some(unit);
        self.total = Some(total);
        let groups = if done == total { total.div_ceil(unit) } else { done / unit };
        // The first to be seen stand for all before them, as far as the next ones show: see `two_ends`.
        let first = !self.resumed && matches!(self.phase, Phase::Unmarked | Phase::FirstEnd { .. });
        self.take(if first && groups > 0 { Said::Ended(groups) } else { Said::Running(groups + 1) }, at);
    }

    /// The job stood still until `at`: the epoch that runs begins there.
    pub(crate) fn restarted(&mut self, at: Stamp) {
        if let Phase::Known(known) = &mut self.phase {
            known.since = at;
        }
    }

    /// All marks up to `at` are taken in: what has ended by them.
    pub(crate) fn settle(&mut self, at: Stamp) -> Vec<EndedEpoch> {
        if let Phase::Known(mut known) = self.phase
            && known.marked > known.done
        {
            let end = self.tell(known.done, known.marked, known.since, at);
            known.done = known.marked;
            known.since = end;
            self.phase = Phase::Known(known);
        }
        std::mem::take(&mut self.ended)
    }

    /// The process has ended at `at`; `well` if its code was 0. What has ended with it.
    pub(crate) fn finish(&mut self, well: bool, at: Stamp) -> Vec<EndedEpoch> {
        let mut ended = self.settle(at);
        match self.phase {
            Phase::Unmarked => {}
            // A lone mention of a later epoch is no training.
            Phase::Header { epoch, .. } if epoch > 1 && !self.resumed && self.total.is_none() => {}
            Phase::Header { epoch, at: header, step_bars } => {
                let before = header.at.saturating_sub(self.start.at);
                if step_bars || before < at.at.saturating_sub(header.at) {
                    if well {
                        self.tell(epoch - 1, epoch, header, at);
                    }
                } else {
                    self.tell(epoch - 1, epoch, self.start, header);
                }
            }
            Phase::FirstEnd { epoch, at: end } => {
                self.tell(epoch - 1, epoch, self.start, end);
            }
            Phase::Known(Known { done, since, open, .. }) => {
                let beyond = self.shown_total().is_some_and(|total| done >= total);
                // Marked in the moment the process ended, it has not run.
                if open && well && !beyond && since.at < at.at {
                    self.tell(done, done + 1, since, at);
                }
            }
        }
        self.phase = Phase::Unmarked;
        ended.append(&mut self.ended);
        ended
    }

    /// Whether the epoch that runs is the last one, as far as the job says.
    pub(crate) fn in_the_last(&self) -> bool {
        let running = match self.phase {
            Phase::Unmarked | Phase::FirstEnd { .. } => return false,
            Phase::Header { epoch, .. } => epoch,
            Phase::Known(Known { marked, .. }) => marked + 1,
        };
        self.shown_total() == Some(running)
    }

    /// Tells that the epochs after `done`, up to `last`, shared the time from `start` to `end` equally. Returns the end,
    /// which is at least some nanoseconds later than the start.
    fn tell(&mut self, done: u32, last: u32, start: Stamp, end: Stamp) -> Stamp {
        let count = last - done;
        let end = Stamp {
            at: end.at.max(start.at + Duration::from_nanos(u64::from(count))),
            energy: end.energy.max(start.energy),
        };
        let total = self.shown_total();
        let boundary = |ended: u32| match ended {
            0 => start,
            all if all == count => end,
            some => Stamp {
                at: start.at + end.at.saturating_sub(start.at).mul_f64(f64::from(some) / f64::from(count)),
                energy: start.energy + end.energy.minus(start.energy).times(f64::from(some) / f64::from(count)),
            },
        };
        let told = count.min(MOST_AT_ONCE).min(MOST_TOLD.saturating_sub(self.told));
        self.told += told;
        self.ended.extend((count - told..count).map(|before| EndedEpoch {
            index: done + before + 1,
            total: total.map(|total| total.max(last)),
            start: boundary(before),
            end: boundary(before + 1),
        }));
        end
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
