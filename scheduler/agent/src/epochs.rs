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
//!   counts from 0 and goes on from a checkpoint shows no epoch 0: its numbers stay as they are.
//! - A job that prints every tenth epoch gets ten epochs a mark, with equal shares of time and energy. So does output
//!   that was held back by a buffer and arrives at once.
//! - Epochs are in order and never overlap. What names an epoch that is over already (a line of validation, "best epoch:
//!   3") says nothing. A job that trains twice, counting from 1 again, gets epochs for the first time only.
//! - Once the job reports its epochs itself, its output says nothing.
//!
//! Nothing here reads a clock or a meter: a [`Stamp`] is an argument.

use std::time::Duration;

use lowtide_model::quantity::Joules;

use crate::marks::{Mark, Meaning};

/// The most epochs that one mark ends. A job that prints less often than that gets the latest of them: a hundred
/// equal shares predict as well as ten thousand, and each is a line in a spool and a row in a database.
const MOST_AT_ONCE: u32 = 100;

/// After so many further results of one epoch that was taken to be over, results are taken for progress.
const REPEATED_RESULTS: u32 = 3;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Recognised in the output.
    Output,
    /// Reported by the job itself.
    Report,
}

/// The epochs of one attempt.
#[derive(Debug)]
pub(crate) struct Epochs {
    start: Stamp,
    resumed: bool,
    declared: Option<u32>,
    total: Option<u32>,
    counts_from_zero: Option<bool>,
    origin: Origin,
    headers_at_end: bool,
    phase: Phase,
    ended: Vec<EndedEpoch>,
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
            counts_from_zero: None,
            origin: Origin::Output,
            headers_at_end: false,
            phase: Phase::Unmarked,
            ended: Vec::new(),
        }
    }

    /// Whether any epoch was marked.
    pub(crate) const fn any_marked(&self) -> bool {
        !matches!(self.phase, Phase::Unmarked)
    }

    /// A bar of steps was seen.
    pub(crate) const fn step_bar(&mut self) {
        if let Phase::Header { step_bars, .. } = &mut self.phase {
            *step_bars = true;
        }
    }

    /// Takes in a mark made at `at`, or since the last [`settle`](Self::settle).
    pub(crate) fn mark(&mut self, mark: Mark, origin: Origin, at: Stamp) {
        if self.origin == Origin::Report && origin == Origin::Output {
            return;
        }
        self.origin = origin;
        let Some(said) = self.said(mark) else { return };
        self.take(said, at);
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

    /// The mark with numbers from 1 on, or `None` if it makes no sense.
    fn said(&mut self, Mark { epoch, total, meaning }: Mark) -> Option<Said> {
        if let Meaning::Completed | Meaning::RunningAfter = meaning {
            if total.is_some_and(|total| epoch > total) {
                return None;
            }
            self.total = total.or(self.total);
            return Some(match meaning {
                Meaning::Completed if epoch > 0 => Said::Ended(epoch),
                _ => Said::Running(epoch + 1),
            });
        }
        let from_zero = *self.counts_from_zero.get_or_insert(epoch == 0);
        let epoch = if from_zero { epoch + 1 } else { epoch };
        // A total below the number is no total: `Epoch 3/2`. Counting from 0, it may be the number of the last.
        if epoch == 0 || total.is_some_and(|total| epoch > total + u32::from(from_zero)) {
            return None;
        }
        self.total = total.or(self.total).map(|total| total.max(epoch));
        Some(match meaning {
            Meaning::Running => Said::Running(epoch),
            Meaning::Ended => Said::Ended(epoch),
            Meaning::Header | Meaning::Completed | Meaning::RunningAfter => Said::Header(epoch),
        })
    }

    fn take(&mut self, said: Said, at: Stamp) {
        match (self.phase, said) {
            (Phase::Unmarked, _) => self.phase = self.first(said, at),
            // Something before the training named a later epoch, such as a print of the settings.
            (Phase::Header { epoch, .. } | Phase::FirstEnd { epoch, .. }, _) if said.epoch() < epoch => {
                self.phase = self.first(said, at);
            }
            (Phase::Header { epoch, at: header, step_bars }, Said::Header(second)) if second > epoch => {
                let before = header.at.saturating_sub(self.start.at);
                let between = at.at.saturating_sub(header.at);
                if step_bars || before < between / 2 {
                    self.begin(epoch - 1, header, at);
                    self.follow(said, at);
                } else {
                    self.headers_at_end = true;
                    self.two_ends(epoch, header, second, at);
                }
            }
            (Phase::Header { .. }, Said::Header(_)) => {}
            (Phase::Header { epoch, at: header, .. }, Said::Running(_) | Said::Ended(_)) => {
                self.begin(epoch - 1, header, at);
                self.follow(said, at);
            }
            (Phase::FirstEnd { epoch, at: end }, Said::Ended(second)) => {
                if second > epoch {
                    self.two_ends(epoch, end, second, at);
                }
            }
            (Phase::FirstEnd { epoch, at: end }, Said::Header(next) | Said::Running(next)) => {
                if next > epoch {
                    self.two_ends(epoch, end, epoch, at);
                    self.follow(said, at);
                }
            }
            (Phase::Known(_), _) => self.follow(said, at),
        }
    }

    fn first(&self, said: Said, at: Stamp) -> Phase {
        let known = |done, marked, since, open| Phase::Known(Known { done, marked, since, open, repeated: 0 });
        match said {
            Said::Header(epoch) => Phase::Header { epoch, at, step_bars: false },
            Said::Running(epoch) => known(epoch - 1, epoch - 1, at, true),
            Said::Ended(epoch) if epoch == 1 || self.resumed => known(epoch - 1, epoch, self.start, false),
            Said::Ended(epoch) => Phase::FirstEnd { epoch, at },
        }
    }

    /// Epochs begin: `done` are over, the next began at `since`.
    fn begin(&mut self, done: u32, since: Stamp, now: Stamp) {
        // What was held back by a buffer and came at once began long before it was seen.
        let since = if since.at == now.at { self.start } else { since };
        self.phase = Phase::Known(Known { done, marked: done, since, open: true, repeated: 0 });
    }

    /// The first mark said that `first` had ended at `end`, the next says that `second` has.
    fn two_ends(&mut self, first: u32, end: Stamp, second: u32, now: Stamp) {
        let stride = (second - first).max(1);
        // `Epoch 10`, `Epoch 20`: the first stands for ten as well. `Epoch 57`, `Epoch 58`: it goes on from 56.
        let share = if self.resumed || stride == 1 { 1 } else { stride.min(first) };
        let known = |done, since| Phase::Known(Known { done, marked: second, since, open: false, repeated: 0 });
        self.phase = if end.at == now.at {
            known(first - share, self.start)
        } else {
            let since = self.tell(first - share, first, self.start, end);
            known(first, since)
        };
    }

    fn follow(&mut self, said: Said, at: Stamp) {
        let headers_at_end = self.headers_at_end;
        let Phase::Known(known) = &mut self.phase else { return };
        let several_results = known.repeated >= REPEATED_RESULTS;
        let said = match said {
            Said::Header(epoch) if headers_at_end => Said::Ended(epoch),
            Said::Header(epoch) => Said::Running(epoch),
            Said::Ended(epoch) if several_results => Said::Running(epoch),
            other => other,
        };
        match said {
            Said::Ended(epoch) if epoch > known.marked => {
                known.marked = epoch;
                known.open = false;
                known.repeated = 0;
            }
            Said::Ended(epoch) if epoch == known.marked && !known.open => {
                known.repeated += 1;
            }
            Said::Running(epoch) if epoch > known.marked => {
                if several_results && !known.open && epoch == known.marked + 1 {
                    // The epoch before was cut off at the first of its results; this one begins now.
                    known.since = at;
                }
                known.marked = epoch - 1;
                known.open = true;
            }
            Said::Header(_) | Said::Running(_) | Said::Ended(_) => {}
        }
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
        self.ended.extend((count.saturating_sub(MOST_AT_ONCE)..count).map(|before| EndedEpoch {
            index: done + before + 1,
            total: total.map(|total| total.max(last)),
            start: boundary(before),
            end: boundary(before + 1),
        }));
        end
    }

    fn shown_total(&self) -> Option<u32> {
        // Counting from 0, the number shown may be that of the last epoch: then the user knows better.
        if self.counts_from_zero == Some(true) { self.declared.or(self.total) } else { self.total.or(self.declared) }
    }
}

#[cfg(test)]
mod tests;
