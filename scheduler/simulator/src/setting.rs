//! What holds for a whole replay: the slot, how long jobs may wait, capacity, and when hour 0 is.

use jiff::{SignedDuration, Timestamp};
use lowtide_planner::baseline::awhile::Semantics;
use lowtide_planner::baseline::flexibility::Flexibility;
use lowtide_planner::baseline::scaler::Profile;
use lowtide_planner::baseline::{Series, Task};

use crate::jobs::TraceJob;
use crate::length::LengthError;

/// How long a job may wait where neither file nor queues say so, hours: a day, as lowtide's policies have it.
pub const DEFAULT_WAIT_H: f64 = 24.0;

/// Jobs up to a length, and how long they may wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// The longest job of the queue, hours; infinite for all others.
    pub up_to_h: f64,
    /// The longest wait, hours.
    pub wait_h: f64,
}

/// What holds for a whole replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Hour 0.
    pub start: Timestamp,
    /// Hours of a planning slot.
    pub slot_h: f64,
    /// By length, shortest first.
    pub queues: Vec<Queue>,
    /// The deadlines of Let's Wait Awhile instead of queues.
    pub flexibility: Option<Flexibility>,
    /// How many slots the windows of Let's Wait Awhile offer.
    pub semantics: Semantics,
    /// Processors there are; `None` for as many as it takes.
    pub capacity: Option<u32>,
    /// What a start and a stop cost each, as a share of the mean intensity of an hour at the job's power.
    pub switching: f64,
    /// How jobs scale over nodes, for CarbonScaler.
    pub profile: Option<Profile>,
    /// How far lengths are off that lowtide's own policies are told; `None` where they know them, as the field's rules do.
    pub length_error: Option<LengthError>,
}

impl Setting {
    /// Which queue a job of this length belongs to.
    #[must_use]
    pub fn queue_of(&self, length: f64) -> usize {
        self.queues.iter().position(|queue| length <= queue.up_to_h).unwrap_or(self.queues.len())
    }

    /// The job as the rules see it: its window by file, by flexibility or by queue, cut where the intensity ends. `None` for a
    /// job that arrives before hour 0 or after that end.
    #[must_use]
    pub fn task(&self, job: &TraceJob, series: &Series) -> Option<Task> {
        if job.arrival < 0.0 || series.end() <= job.arrival {
            return None;
        }
        let end = job.arrival + job.length;
        let latest_end = match (job.deadline, self.flexibility) {
            (Some(deadline), _) => deadline,
            (None, Some(flexibility)) => self.hours(flexibility.deadline(self.moment(end))),
            (None, None) => {
                end + self.queues.get(self.queue_of(job.length)).map_or(DEFAULT_WAIT_H, |queue| queue.wait_h)
            }
        };
        let task = Task { arrival: job.arrival, length: job.length, latest_end };
        Some(self.semantics.window(series, self.slot_h, &task))
    }

    /// A moment of the calendar, of hours from hour 0.
    #[must_use]
    pub fn moment(&self, hours: f64) -> Timestamp {
        let span = SignedDuration::try_from_secs_f64(hours * 3600.0).unwrap_or(SignedDuration::ZERO);
        self.start.checked_add(span).unwrap_or(Timestamp::MAX)
    }

    /// Hours from hour 0, of a moment of the calendar.
    #[must_use]
    pub fn hours(&self, at: Timestamp) -> f64 {
        at.duration_since(self.start).as_secs_f64() / 3600.0
    }
}
