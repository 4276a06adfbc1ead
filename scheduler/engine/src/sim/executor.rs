//! Simulated executors and agents: they keep their promises to the daemon as real ones do, through its crashes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::identity::{AttemptKey, JobId, SiteId};
use lowtide_model::job::{EXIT_PAUSED, EnergySource, Epoch, EpochProgress, Exit, StartOrder};
use lowtide_model::quantity::{Joules, Seconds, Watts};
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use super::{Occupied, TrueWork};
use crate::event::{Event, Leave};

/// From the order to the first line of the command.
const STARTING_TAKES: f64 = 2.0;

/// What an attempt really does.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) work: TrueWork,
    /// Speed at its site and operating point.
    pub(super) speed: f64,
    /// Whether the driver refuses the cap of its order.
    pub(super) cap_refused: bool,
}

/// All attempts that were ever started, by key.
#[derive(Debug, Default)]
pub(super) struct Executor {
    attempts: BTreeMap<AttemptKey, Attempt>,
    /// Epochs whose checkpoint lies on disk, by job.
    checkpoints: BTreeMap<JobId, u32>,
}

#[derive(Debug)]
struct Attempt {
    occupies: Occupied,
    spool: Vec<AttemptReport>,
    epoch: Seconds,
    power: Watts,
    epochs: u32,
    exit_code: i32,
    checkpoints: bool,
    next: Option<(Timestamp, Next)>,
    epoch_began: Timestamp,
    epochs_done: u32,
    energy: Joules,
    asked: Option<Leave>,
    vanished: bool,
    cap_refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Begin,
    HalfWay,
    EpochEnd,
    Exit(Exit),
}

impl Executor {
    /// Starts an attempt; a key that was started before is left as it is.
    pub(super) fn start(&mut self, now: Timestamp, site: SiteId, order: &StartOrder, truth: &Truth) {
        let Truth { work, speed, cap_refused } = truth;
        let done = if order.resume { self.checkpoints.get(&order.key.job).copied().unwrap_or(0) } else { 0 };
        self.attempts.entry(order.key).or_insert_with(|| Attempt {
            occupies: (site, order.resources),
            spool: Vec::new(),
            epoch: work.epoch.times(1.0 / speed),
            power: work.power,
            epochs: work.epochs,
            exit_code: work.exit_code,
            checkpoints: order.checkpoint.is_some(),
            next: Some((Seconds::saturating(STARTING_TAKES).after(now), Next::Begin)),
            epoch_began: now,
            epochs_done: done,
            energy: Joules::ZERO,
            asked: None,
            vanished: false,
            cap_refused: *cap_refused,
        });
    }

    pub(super) fn ask_to_leave(&mut self, now: Timestamp, key: AttemptKey, leave: Leave) {
        let Some(attempt) = self.attempts.get_mut(&key).filter(|attempt| attempt.next.is_some()) else { return };
        attempt.asked = Some(leave);
        if matches!(leave, Leave::Now | Leave::Cancel) {
            attempt.next = Some((now, Next::Exit(attempt.exit_when_asked())));
        }
    }

    pub(super) fn probe(&self, key: AttemptKey) -> ProbeFinding {
        match self.attempts.get(&key) {
            None => ProbeFinding::NeverStarted,
            Some(attempt) if attempt.vanished => ProbeFinding::Gone,
            Some(attempt) if attempt.next.is_some() => ProbeFinding::Alive,
            Some(_) => ProbeFinding::Ended,
        }
    }

    pub(super) fn spool(&self, key: AttemptKey, from: u64) -> Vec<(u64, AttemptReport)> {
        let reports = self.attempts.get(&key).map_or(&[][..], |attempt| &attempt.spool);
        (0..).zip(reports.iter().cloned()).filter(|(number, _)| from <= *number).collect()
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.attempts.values().filter_map(|attempt| attempt.next.map(|(at, _)| at)).min()
    }

    /// Lets the next thing happen that is due, or lets its attempt vanish instead; gives back what follows of it.
    pub(super) fn advance(&mut self, now: Timestamp, vanishes: bool) -> Vec<Event> {
        let due = self.attempts.iter_mut().filter(|(_, attempt)| attempt.next.is_some_and(|(at, _)| at <= now));
        let Some((key, attempt)) = due.min_by_key(|(_, attempt)| attempt.next.map(|(at, _)| at)) else {
            return Vec::new();
        };
        let known = attempt.spool.len();
        if vanishes {
            attempt.next = None;
            attempt.vanished = true;
            // Who follows an attempt finds out that it is gone.
            return vec![Event::Probed { key: *key, finding: ProbeFinding::Gone }];
        }
        attempt.advance(now);
        if attempt.checkpoints {
            self.checkpoints.insert(key.job, attempt.epochs_done);
        }
        let new = (0..).zip(&attempt.spool).skip(known);
        new.map(|(number, report)| Event::Reported { key: *key, number, report: report.clone() }).collect()
    }

    pub(super) fn in_use(&self, site: &SiteId) -> Resources {
        let running = self.attempts.values().filter(|attempt| attempt.next.is_some() && attempt.occupies.0 == *site);
        running.fold(Resources::default(), |sum, attempt| sum.plus(&attempt.occupies.1))
    }

    pub(super) fn job_running_twice(&self) -> Option<JobId> {
        let mut running = self.attempts.iter().filter(|(_, attempt)| attempt.next.is_some()).map(|(key, _)| key.job);
        // Keys are in order of jobs, so two attempts of one job follow each other.
        let mut before = running.next();
        running.find(|job| before.replace(*job) == Some(*job))
    }
}

impl Attempt {
    fn advance(&mut self, now: Timestamp) {
        let Some((at, next)) = self.next.take() else { return };
        match next {
            Next::Begin => {
                self.epoch_began = at;
                self.spool.push(AttemptReport::Started { at });
                if self.cap_refused {
                    let message = "the driver sets no limits today; the job runs without".to_owned();
                    self.spool.push(AttemptReport::PowerCapRefused { at, message });
                }
                self.next = Some(self.in_epoch(at));
            }
            Next::HalfWay => {
                self.spool.push(AttemptReport::Progress(EpochProgress {
                    index: self.epochs_done + 1,
                    at,
                    share: 0.5,
                    ran: self.epoch.times(0.5),
                    energy: (self.power * self.epoch).times(0.5),
                }));
                self.next = Some((self.epoch.after(self.epoch_began), Next::EpochEnd));
            }
            Next::EpochEnd => {
                self.epochs_done += 1;
                let energy = self.power * self.epoch;
                self.energy += energy;
                if let Ok(window) = Window::new(self.epoch_began, at) {
                    self.spool.push(AttemptReport::Epoch(Epoch {
                        index: self.epochs_done,
                        total: Some(self.epochs),
                        window,
                        energy,
                        source: EnergySource::Measured,
                    }));
                }
                self.epoch_began = at;
                self.next = Some(if self.epochs <= self.epochs_done {
                    (at, Next::Exit(Exit::Code(self.exit_code)))
                } else if self.asked.is_some() {
                    (at, Next::Exit(self.exit_when_asked()))
                } else {
                    self.in_epoch(at)
                });
            }
            Next::Exit(exit) => self.spool.push(AttemptReport::Exited {
                at: now,
                exit,
                energy: self.energy,
                asked_to_leave: self.asked.is_some(),
            }),
        }
    }

    /// What comes next in an epoch that begins at `at`: a long one tells when half of it is done.
    fn in_epoch(&self, at: Timestamp) -> (Timestamp, Next) {
        if Seconds::from_hours(1.0) <= self.epoch {
            (self.epoch.times(0.5).after(at), Next::HalfWay)
        } else {
            (self.epoch.after(at), Next::EpochEnd)
        }
    }

    const fn exit_when_asked(&self) -> Exit {
        const SIGTERM: i32 = 15;
        if self.checkpoints { Exit::Code(EXIT_PAUSED) } else { Exit::Signal(SIGTERM) }
    }
}
