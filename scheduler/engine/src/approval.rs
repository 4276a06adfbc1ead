//! Approvals: a person lets a job go that a limit or a budget holds, with who, when and why written down.

use jiff::Timestamp;
use lowtide_model::identity::{BudgetId, JobId};
use lowtide_model::job::{Approval, Approved, Job};
use lowtide_model::state::{HeldBecause, JobState};
use lowtide_planner::limit::{LimitVerdict, check_limit};
use lowtide_planner::wording;

use crate::engine::Engine;
use crate::event::{Saying, UserAction};

/// An approval holds up to this many times the footprint predicted when it was given. A prediction moves by some tens
/// of percent between two epochs; what has grown by half is another job than the one that was approved.
pub const APPROVED_GROWTH: f64 = 1.5;

impl Engine {
    /// Whether a person has approved the job in spite of this, and its prediction has not outgrown that.
    pub(crate) fn is_approved(job: &Job, of: &Approved) -> bool {
        // Before approvals were written down one by one, one was for everything.
        let for_everything = job.approved && job.approvals.is_empty();
        let predicted = job.estimates.last().map(|estimate| estimate.footprint.median);
        let covers = |approval: &Approval| approval.of == *of && predicted.is_none_or(|grams| grams <= approval.up_to);
        for_everything || job.approvals.iter().any(covers)
    }

    pub(crate) fn is_approved_for(job: &Job, budget: &BudgetId) -> bool {
        Self::is_approved(job, &Approved::Budget(budget.clone()))
    }

    /// Writes down that a person lets a job go on, and what that approves.
    pub(crate) fn approve(&mut self, now: Timestamp, id: JobId, saying: Saying) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(of) = self.what_holds(job) else { return };
        let predicted = job.estimates.last().map(|estimate| estimate.footprint.median).unwrap_or_default();
        let up_to = predicted.times(APPROVED_GROWTH);
        let Saying { by, reason } = saying;
        let what = match &of {
            Approved::Limit => "beyond its policy's limit".to_owned(),
            Approved::Budget(budget) => format!("beyond budget `{budget}`"),
        };
        let who = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = format!("approved {what}{who}, up to {} in all{why}", wording::grams(up_to));
        self.edit(id, |job| {
            job.approved = true;
            job.approvals.push(Approval { at: now, by, reason, of, up_to });
        });
        self.note(now, id, text);
    }

    /// What a person's word would set aside.
    fn what_holds(&self, job: &Job) -> Option<Approved> {
        match &job.state {
            JobState::Held { why: HeldBecause::OverLimit { .. } } => Some(Approved::Limit),
            JobState::Held { why: HeldBecause::OverBudget(no_room) } => Some(Approved::Budget(no_room.budget.clone())),
            // A running job that passed its limit was paused to be asked about.
            JobState::Paused { .. } | JobState::Pausing { .. } => {
                let predicted = job.estimates.last()?.footprint;
                let verdict = check_limit(&self.policy_in_force(&job.spec), &predicted);
                (verdict != LimitVerdict::Within).then_some(Approved::Limit)
            }
            _ => None,
        }
    }

    /// A note of what a person asked and why, where they gave a reason. Written before it is done.
    pub(crate) fn note_saying(&mut self, now: Timestamp, id: JobId, action: UserAction, saying: &Saying) {
        let Some(reason) = &saying.reason else { return };
        let approves = matches!(action, UserAction::Release | UserAction::Resume)
            && self.jobs.get(&id).is_some_and(|job| self.what_holds(job).is_some());
        if approves {
            // The note of the approval says it all.
            return;
        }
        let who = saying.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let done = match action {
            UserAction::Cancel => "cancelled",
            UserAction::Hold => "held",
            UserAction::Release => "released",
            UserAction::Pause => "paused",
            UserAction::Resume => "resumed",
            UserAction::RunNow => "run at once",
            UserAction::Prioritise(_) => "given another priority",
        };
        self.note(now, id, format!("{done}{who}: {reason}"));
    }
}
