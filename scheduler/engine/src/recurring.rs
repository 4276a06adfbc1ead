//! Recurring jobs: each occurrence becomes a job of its own, when the engine is stepped at or after its time.
//!
//! That is a function of what was handled before and of `now` alone, so that a replay makes the same jobs, and the
//! moment up to which all was handled is committed with the job: an occurrence comes once, or is said to be left out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::identity::JobId;
use lowtide_model::job::{JobSpec, Note};
use lowtide_model::quantity::Seconds;
use lowtide_model::recurring::{Overlap, Recurrence, Recurring, RecurringId};
use lowtide_planner::policy::timetable::Timetable;
use lowtide_planner::wording;

use crate::engine::{Engine, Refusal};
use crate::event::Saying;

/// How many notes a recurring job keeps: one that is skipped every minute must not grow without end.
const NOTES_KEPT: usize = 20;
/// How far back missed occurrences are counted, in days. Only the last one comes in any case.
const MISSED_COUNTED_DAYS: f64 = 31.0;

/// All recurring jobs.
#[derive(Debug)]
pub(crate) struct Recurrences {
    local: TimeZone,
    known: BTreeMap<RecurringId, Known>,
    changed: BTreeSet<RecurringId>,
}

#[derive(Debug)]
struct Known {
    recurring: Recurring,
    timetable: Option<Timetable>,
    /// When the next occurrence comes: before its nominal time where it may start early.
    comes: Option<Timestamp>,
    /// An occurrence is due and waits for the one before it.
    queued: bool,
}

impl Default for Recurrences {
    fn default() -> Self {
        Self { local: TimeZone::UTC, known: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl Recurrences {
    fn know(&mut self, recurring: Recurring) {
        let timetable = timetable_of(&recurring.recurrence).ok().map(|timetable| timetable.in_local_zone(&self.local));
        let mut known = Known { recurring, timetable, comes: None, queued: false };
        known.find_next();
        self.known.insert(known.recurring.id, known);
    }

    /// When the next occurrence comes that waits for nothing but time.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.known.values().filter(|known| !known.queued).filter_map(|known| known.comes).min()
    }
}

impl Known {
    fn find_next(&mut self) {
        let next = self.timetable.as_ref().and_then(|timetable| timetable.next_start(self.recurring.handled_to));
        let early = self.recurring.recurrence.early;
        self.comes = next.filter(|_| self.recurring.ended_at.is_none()).map(|next| early.before(next));
    }

    /// The nominal times that are due: in order, the last one is the one that comes.
    fn due(&self, now: Timestamp) -> Vec<Timestamp> {
        let Some(timetable) = self.timetable.as_ref().filter(|_| self.comes.is_some_and(|at| at <= now)) else {
            return Vec::new();
        };
        let until = self.recurring.recurrence.early.after(now);
        let counted_from = Seconds::from_hours(MISSED_COUNTED_DAYS * 24.0).before(until);
        let recent = timetable.starts_between(self.recurring.handled_to.max(counted_from), until);
        if recent.is_empty() { timetable.starts_between(self.recurring.handled_to, until) } else { recent }
    }
}

impl Engine {
    /// The same engine with these recurring jobs, as they were when it ended.
    #[must_use]
    pub fn with_recurring(mut self, recurring: Vec<Recurring>) -> Self {
        for recurring in recurring {
            self.recurrences.know(recurring);
        }
        self
    }

    /// The recurring jobs, oldest first.
    pub fn recurring(&self) -> impl Iterator<Item = &Recurring> {
        self.recurrences.known.values().map(|known| &known.recurring)
    }

    /// The next nominal times of a recurring job, at most `count` of them.
    #[must_use]
    pub fn next_occurrences(&self, id: RecurringId, count: usize) -> Vec<Timestamp> {
        let Some(known) = self.recurrences.known.get(&id).filter(|known| known.comes.is_some()) else {
            return Vec::new();
        };
        let next = |at: &Timestamp| known.timetable.as_ref().and_then(|timetable| timetable.next_start(*at));
        std::iter::successors(next(&known.recurring.handled_to), next).take(count).collect()
    }

    /// The recurring jobs that changed since this was last called.
    pub fn take_changed_recurring(&mut self) -> Vec<Recurring> {
        let changed = std::mem::take(&mut self.recurrences.changed);
        changed.into_iter().filter_map(|id| Some(self.recurrences.known.get(&id)?.recurring.clone())).collect()
    }

    /// The number of the next job.
    #[must_use]
    pub fn next_job_id(&self) -> JobId {
        JobId(self.jobs.last_key_value().map_or(1, |(JobId(last), _)| last + 1))
    }

    /// The number of the next recurring job.
    #[must_use]
    pub fn next_recurring_id(&self) -> RecurringId {
        RecurringId(self.recurrences.known.last_key_value().map_or(1, |(RecurringId(last), _)| last + 1))
    }

    /// Whether a job may recur so. Asked before [`crate::Event::Scheduled`].
    pub fn may_schedule(&self, now: Timestamp, spec: &JobSpec, recurrence: &Recurrence) -> Result<(), Refusal> {
        self.may_submit(now, spec)?;
        timetable_of(recurrence).map(drop).map_err(Refusal::BadRecurrence)
    }

    /// Whether a recurring job may be cancelled. Asked before [`crate::Event::Unscheduled`].
    pub fn may_unschedule(&self, id: RecurringId) -> Result<(), Refusal> {
        match self.recurrences.known.get(&id) {
            None => Err(Refusal::NoSuchRecurring(id)),
            Some(known) if known.recurring.ended_at.is_some() => Err(Refusal::RecursNoMore(id)),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn schedule(
        &mut self,
        now: Timestamp,
        id: RecurringId,
        spec: JobSpec,
        recurrence: Recurrence,
        key: Option<String>,
    ) {
        if self.recurrences.known.contains_key(&id) {
            return;
        }
        // What lies before its submission was never missed, even where an occurrence may start early.
        let handled_to = recurrence.early.after(now);
        self.recurrences.know(Recurring {
            id,
            spec,
            recurrence,
            key,
            submitted_at: now,
            handled_to,
            occurrences: 0,
            last_job: None,
            ended_at: None,
            notes: Vec::new(),
        });
        self.recurrences.changed.insert(id);
    }

    pub(crate) fn unschedule(&mut self, now: Timestamp, id: RecurringId, saying: &Saying) {
        if self.may_unschedule(id).is_err() {
            return;
        }
        let by = saying.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let why = saying.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        self.edit_recurring(id, |known| {
            known.recurring.ended_at = Some(now);
            known.comes = None;
            known.note(now, format!("cancelled{by}{why}; jobs it has made go on"));
        });
    }

    /// The configuration may have another local zone.
    pub(crate) fn read_recurrences_in(&mut self, local: &TimeZone) {
        self.recurrences.local = local.clone();
        let all: Vec<Recurring> = self.recurring().cloned().collect();
        for recurring in all {
            self.recurrences.know(recurring);
        }
    }

    /// Makes the jobs that are due.
    pub(crate) fn look_after_recurring(&mut self, now: Timestamp) {
        let due = self.recurrences.known.values().filter(|known| known.comes.is_some_and(|at| at <= now));
        let due: Vec<RecurringId> = due.map(|known| known.recurring.id).collect();
        for id in due {
            self.occur(now, id);
        }
    }

    fn occur(&mut self, now: Timestamp, id: RecurringId) {
        let Some(known) = self.recurrences.known.get(&id) else { return };
        let due = known.due(now);
        let Some((&nominal, missed)) = due.split_last() else { return };
        let recurring = &known.recurring;
        let unfinished = recurring.last_job.filter(|job| self.jobs.get(job).is_some_and(|job| !job.state.is_final()));
        if unfinished.is_some() && recurring.recurrence.overlap == Overlap::Queue {
            // The step that ends that job comes by here.
            if let Some(known) = self.recurrences.known.get_mut(&id) {
                known.queued = true;
            }
            return;
        }
        let missed = missed.len();
        let waited = known.queued;
        let spec = occurrence_of(known, nominal, now);
        let job = self.next_job_id();
        self.edit_recurring(id, |known| {
            known.recurring.handled_to = nominal;
            known.queued = false;
            known.find_next();
            if 0 < missed {
                let why = if waited { "while the one before them was not over" } else { "while no daemon ran" };
                known.note(now, format!("{missed} occurrences were missed {why}; only the last one comes"));
            }
            match unfinished {
                Some(before) => {
                    let at = wording::moment(nominal);
                    known.note(now, format!("the occurrence of {at} is left out: job {before} is not yet over"));
                }
                None => {
                    known.recurring.occurrences += 1;
                    known.recurring.last_job = Some(job);
                }
            }
        });
        if unfinished.is_none() {
            self.admit(now, job, spec);
            self.note(now, job, format!("occurrence of {id} due at {}", wording::moment(nominal)));
        }
    }

    fn edit_recurring(&mut self, id: RecurringId, edit: impl FnOnce(&mut Known)) {
        if let Some(known) = self.recurrences.known.get_mut(&id) {
            edit(known);
            self.recurrences.changed.insert(id);
        }
    }
}

impl Known {
    fn note(&mut self, at: Timestamp, text: String) {
        let notes = &mut self.recurring.notes;
        if notes.len() == NOTES_KEPT {
            notes.remove(0);
        }
        notes.push(Note { at, text });
    }
}

/// The job of one occurrence: to be done by the next one, and to start within the slack.
fn occurrence_of(known: &Known, nominal: Timestamp, now: Timestamp) -> JobSpec {
    let Recurring { spec, recurrence, .. } = &known.recurring;
    let next = known.timetable.as_ref().and_then(|timetable| timetable.next_start(nominal));
    let slack = recurrence.slack.map(|slack| Seconds::between(now, slack.after(nominal)));
    JobSpec { deadline: next.filter(|next| now < *next), max_delay: slack.or(spec.max_delay), ..spec.clone() }
}

/// The starts as a timetable; an error says what is wrong with them, for people.
fn timetable_of(recurrence: &Recurrence) -> Result<Timetable, String> {
    let zone =
        recurrence.zone.as_ref().map(|name| TimeZone::get(name)).transpose().map_err(|error| error.to_string())?;
    // How long a window is does not matter for its start.
    Timetable::new(&recurrence.cron, Seconds::saturating(1.0), zone).map_err(|error| error.to_string())
}
