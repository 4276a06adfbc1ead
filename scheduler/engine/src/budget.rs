//! Budgets at work: the ledger of all claims, plans that keep to it, and the jobs that wait for room.
//!
//! The arithmetic is `lowtide_planner::budget`; here it is told what the jobs are and its verdicts are carried out. The
//! ledger is a function of the jobs, so that nothing of it is stored. Without budgets nothing of this costs anything.

mod planning;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::budget::Budget;
use lowtide_model::estimate::Interval;
use lowtide_model::identity::JobId;
use lowtide_model::job::{Attempt, Job};
use lowtide_model::plan::Plan;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use lowtide_model::state::{HeldBecause, JobState, StateChange};
use lowtide_model::window::Window;
use lowtide_planner::budget::{Account, Claim, Ledger, Standing, Stretch, Usage, empty_claim};
use lowtide_planner::review::footprint_of;

use crate::engine::Engine;

pub(crate) use planning::{Budgeted, Told, Verdict};

/// The budgets and who takes what of them.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    accounts: Vec<Account>,
    ledger: Ledger,
    /// Jobs that a budget holds or has put off: looked at again when there is room. One that is neither any more stays
    /// until it is looked at.
    bound: BTreeSet<JobId>,
}

/// A budget as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetStatus {
    /// The budget.
    pub budget: Budget,
    /// The name of the zone of its calendar.
    pub zone: String,
    /// The period that runs.
    pub period: Window,
    /// When it ends, if it does.
    pub renews: Option<Timestamp>,
    /// How much is taken.
    pub usage: Usage,
    /// The jobs it holds.
    pub held: Vec<JobId>,
    /// The jobs whose plans it has put off to a later period.
    pub deferred: Vec<JobId>,
}

impl Budgets {
    pub(crate) fn of_job(&self, job: &Job) -> Vec<&Account> {
        self.accounts.iter().filter(|account| account.budget.scope.holds(&job.spec)).collect()
    }
}

impl Engine {
    /// Puts these budgets in force.
    pub(crate) fn set_budgets(&mut self, now: Timestamp, budgets: Vec<Budget>, local: &TimeZone) {
        let account = |budget: Budget| {
            let named = budget.zone.as_ref().and_then(|name| TimeZone::get(name).ok());
            Account { zone: named.unwrap_or_else(|| local.clone()), budget }
        };
        self.budgets = Budgets { accounts: budgets.into_iter().map(account).collect(), ..Budgets::default() };
        let all: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in all {
            self.claim(now, id);
        }
        let waits = |job: &&Job| matches!(job.state, JobState::Held { why: HeldBecause::OverBudget(_) });
        self.budgets.bound = self.jobs.open().filter(waits).map(|job| job.id).collect();
    }

    /// Writes down what a job takes of its budgets as it stands. What it leaves makes others be looked at again.
    pub(crate) fn claim(&mut self, now: Timestamp, id: JobId) {
        if self.budgets.accounts.is_empty() {
            return;
        }
        let claim = self.jobs.get(&id).and_then(|job| self.claim_of(now, job));
        let less = match claim {
            Some(claim) => self.budgets.ledger.set(id, claim),
            None => self.budgets.ledger.remove(id),
        };
        if less {
            self.look_again_but(id);
        }
    }

    /// A job has no plan any more: what it claimed for it is free.
    pub(crate) fn claim_no_more(&mut self, id: JobId) {
        if self.budgets.ledger.forget_ahead(id) {
            self.look_again_but(id);
        }
    }

    /// There may be room: jobs that wait for some are looked at again.
    fn look_again_but(&mut self, id: JobId) {
        self.unplanned.extend(self.budgets.bound.iter().copied().filter(|bound| *bound != id));
    }

    fn claim_of(&self, now: Timestamp, job: &Job) -> Option<Claim> {
        let begun = || job.attempts.iter().filter(|attempt| attempt.started_at.is_some());
        if job.state.is_final() {
            let actual = job.review.as_ref()?.actual.footprint;
            let energy: Joules = begun().map(Attempt::energy_so_far).sum();
            let time = job.ran(now);
            // By energy; where none was used there is nothing to share but time.
            let share = |attempt: &Attempt| {
                let by_energy = attempt.energy_so_far().per(energy);
                by_energy.or_else(|| attempt.ran(now).per(time)).unwrap_or(0.0)
            };
            let past: Vec<Stretch> =
                begun().filter_map(|attempt| stretch(attempt, now, actual.times(share(attempt)))).collect();
            // What ended before every period that runs counts nowhere any more.
            let earliest = self.budgets.accounts.iter().map(|account| account.period_at(now).start()).min()?;
            past.iter().find(|stretch| earliest < stretch.window.end())?;
            return Some(Claim { past, ..empty_claim(&job.spec, Standing::Settled) });
        }
        let emitted = |attempt: &Attempt| {
            let site = self.site(&attempt.site)?;
            let curve = self.outlook.curve(&site.zone)?;
            let known = footprint_of(attempt, curve, site.pue, now).0;
            // What it has drawn since its last epoch nobody has told yet, but it is gone.
            let untold = untold_of(job, attempt, now);
            let untold = untold.map(|(energy, window)| curve.integrate(energy * site.pue, window).median);
            stretch(attempt, now, known + untold.unwrap_or_default())
        };
        let standing = if has_begun(job) { Standing::Begun } else { Standing::Waiting };
        let ahead = job.plan.as_ref().map(ahead_of).unwrap_or_default();
        Some(Claim { past: begun().filter_map(emitted).collect(), ahead, ..empty_claim(&job.spec, standing) })
    }

    /// Carries out what the budgets said of the plan just put in force.
    pub(crate) fn enforce_budget(&mut self, now: Timestamp, id: JobId, verdict: Verdict, told: Vec<Told>) {
        for Told { mark, text } in told {
            self.note_once(now, id, &mark, &text);
        }
        match verdict {
            Verdict::Free => drop(self.budgets.bound.remove(&id)),
            Verdict::Deferred(Told { mark, text }) => {
                self.budgets.bound.insert(id);
                self.note_once(now, id, &mark, &text);
            }
            Verdict::Held(why, text) => {
                let renews = renewal(&why);
                if self.change(now, id, &StateChange::Hold { why }).is_ok() {
                    self.forget_plan(id);
                    self.budgets.bound.insert(id);
                    self.note(now, id, text);
                    self.wake(id, renews.filter(|renews| now < *renews));
                }
            }
        }
    }

    /// Looks at a job that a budget holds again: lets it go if there is room now.
    pub(crate) fn look_again_at_held(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let prediction = self.predict(now, job);
        match self.make_plan_in_budget(now, job, &prediction).verdict {
            Verdict::Held(why, _) => {
                self.budgets.bound.insert(id);
                self.wake(id, renewal(&why).filter(|renews| now < *renews));
            }
            Verdict::Free | Verdict::Deferred(_) => {
                if self.change(now, id, &StateChange::Release).is_ok() {
                    self.note(now, id, "its budget has room for it: let go");
                    self.plan_anew(now, id);
                    // Those that came later may have counted on this room.
                    self.sweep_all();
                }
            }
        }
    }

    /// The budgets as they stand, in the order of the configuration.
    #[must_use]
    pub fn budgets(&self, now: Timestamp) -> Vec<BudgetStatus> {
        let of = |account: &Account| {
            let period = account.period_at(now);
            let held_by = |job: &&Job| match &job.state {
                JobState::Held { why: HeldBecause::OverBudget(no_room) } => no_room.budget == account.budget.name,
                _ => false,
            };
            let put_off = |id: &&JobId| {
                let Some(job) = self.jobs.get(id) else { return false };
                let later = job.plan.as_ref().and_then(Plan::start).is_some_and(|start| period.end() <= start);
                account.budget.scope.holds(&job.spec) && job.state.awaits_a_window() && later
            };
            BudgetStatus {
                zone: account.zone.iana_name().unwrap_or("UTC").to_owned(),
                period,
                renews: account.renews_after(now),
                usage: self.budgets.ledger.usage(account, period),
                held: self.jobs.open().filter(held_by).map(|job| job.id).collect(),
                deferred: self.budgets.bound.iter().filter(put_off).copied().collect(),
                budget: account.budget.clone(),
            }
        };
        self.budgets.accounts.iter().map(of).collect()
    }
}

/// The energy an attempt that runs has used since its last epoch, by the power thought of last, and since when.
fn untold_of(job: &Job, attempt: &Attempt, now: Timestamp) -> Option<(Joules, Window)> {
    let started = attempt.started_at.filter(|_| attempt.ended_at.is_none())?;
    let since = attempt.epochs.last().map_or(started, |epoch| epoch.window.end().max(started));
    let estimate = job.estimates.last()?;
    let watts = estimate.energy.median.over(estimate.duration.median)?;
    let window = Window::new(since, now).ok()?;
    Some((watts * window.duration(), window))
}

/// Whether it runs, is ordered to, or has run. A start that was refused has cost nothing.
fn has_begun(job: &Job) -> bool {
    job.state.attempt().is_some() || job.attempts.iter().any(|attempt| attempt.started_at.is_some())
}

fn renewal(why: &HeldBecause) -> Option<Timestamp> {
    match why {
        HeldBecause::OverBudget(no_room) => no_room.renews,
        HeldBecause::User | HeldBecause::OverLimit { .. } => None,
    }
}

/// An attempt's footprint, evenly over its time.
fn stretch(attempt: &Attempt, now: Timestamp, grams: GramsCo2e) -> Option<Stretch> {
    let start = attempt.started_at?;
    // What ended in the moment it began has a footprint all the same.
    let end = attempt.ended_at.unwrap_or(now).max(Seconds::saturating(1e-3).after(start));
    Some(Stretch { window: Window::new(start, end).ok()?, grams: Interval::exactly(grams) })
}

/// What a plan will emit: its footprint by the time of its stretches.
fn ahead_of(plan: &Plan) -> Vec<Stretch> {
    let time: Seconds = plan.segments.iter().map(|segment| segment.window.duration()).sum();
    let stretch = |window: Window| Stretch {
        window,
        grams: plan.footprint.map(|grams| grams.times(window.duration().per(time).unwrap_or(0.0))),
    };
    plan.segments.iter().map(|segment| stretch(segment.window)).collect()
}
