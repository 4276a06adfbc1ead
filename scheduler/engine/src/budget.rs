//! Budgets at work: the ledger of all claims, plans that keep to it, and the jobs that wait for room.
//!
//! The arithmetic is `lowtide_planner::budget`; here it is told what the jobs are and its verdicts are carried out. The
//! ledger is a function of the jobs, so that nothing of it is stored. Without budgets nothing of this costs anything.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::budget::{Budget, BudgetAction};
use lowtide_model::estimate::Interval;
use lowtide_model::identity::JobId;
use lowtide_model::job::{Attempt, Job};
use lowtide_model::plan::Plan;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use lowtide_model::state::{HeldBecause, JobState, NoRoom, StateChange};
use lowtide_model::window::Window;
use lowtide_planner::budget::{Account, Admission, Claim, Ledger, Overrun, Standing, Stretch, Usage, empty_claim};
use lowtide_planner::predict::Prediction;
use lowtide_planner::review::footprint_of;
use lowtide_planner::wording;

use crate::admission::whole;
use crate::engine::Engine;

/// The budgets and who takes what of them.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    accounts: Vec<Account>,
    ledger: Ledger,
    /// Jobs that a budget holds or has put off: looked at again when there is room. One that is neither any more stays
    /// until it is looked at.
    bound: BTreeSet<JobId>,
}

/// A plan and what the budgets had to say about it.
pub(crate) struct Budgeted {
    pub(crate) plan: Plan,
    pub(crate) verdict: Verdict,
    /// Overruns that are told and change nothing.
    pub(crate) told: Vec<Told>,
}

/// What becomes of a job by its budgets.
pub(crate) enum Verdict {
    /// Nothing.
    Free,
    /// Its plan begins later than it would.
    Deferred(Told),
    /// It waits for a person or for room.
    Held(HeldBecause, String),
}

/// A line for the user, told once: the mark is the part of it that makes it another one.
pub(crate) struct Told {
    mark: String,
    pub(crate) text: String,
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
    fn of_job(&self, job: &Job) -> Vec<&Account> {
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
        self.budgets.bound = self.jobs.values().filter(waits).map(|job| job.id).collect();
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
            let past = begun().filter_map(|attempt| stretch(attempt, now, actual.times(share(attempt)))).collect();
            return Some(Claim { past, ..empty_claim(&job.spec, Standing::Settled) });
        }
        let emitted = |attempt: &Attempt| {
            let site = self.site(&attempt.site)?;
            let curve = self.outlook.curve(&site.zone)?;
            let known = footprint_of(attempt, curve, site.pue, now).0;
            // What it has drawn since its last epoch nobody has told yet, but it is gone.
            let untold = untold_of(job, attempt, site.power, now);
            let untold = untold.map(|(energy, window)| curve.integrate(energy * site.pue, window).median);
            stretch(attempt, now, known + untold.unwrap_or_default())
        };
        let standing = if has_begun(job) { Standing::Begun } else { Standing::Waiting };
        let ahead = job.plan.as_ref().map(ahead_of).unwrap_or_default();
        Some(Claim { past: begun().filter_map(emitted).collect(), ahead, ..empty_claim(&job.spec, standing) })
    }

    /// The best plan for a job that its budgets allow, and what they say about it.
    pub(crate) fn make_plan_in_budget(&self, now: Timestamp, job: &Job, prediction: &Prediction) -> Budgeted {
        let accounts = self.budgets.of_job(job);
        let accounts: Vec<&Account> =
            accounts.into_iter().filter(|account| !Self::is_approved_for(job, &account.budget.name)).collect();
        if accounts.is_empty() {
            let plan = self.make_plan(now, job, prediction);
            return Budgeted { plan, verdict: Verdict::Free, told: Vec::new() };
        }
        if has_begun(job) {
            self.plan_after_begun(now, job, prediction, &accounts)
        } else {
            self.plan_before_begun(now, job, prediction, &accounts)
        }
    }

    fn plan_before_begun(&self, now: Timestamp, job: &Job, prediction: &Prediction, accounts: &[&Account]) -> Budgeted {
        let deadline = self.deadline_of(job);
        let mut plan = None;
        let admission = self.budgets.ledger.admit(now, job.id, accounts, |from| {
            let made = self.make_plan_from(now, from, job, prediction);
            let ahead = ahead_of(&made);
            // Who is asked for at once is not put off: a person decides then.
            let keeps_deadline = !job.run_now && deadline.is_none_or(|deadline| made.end <= deadline);
            plan = Some(made);
            (ahead, keeps_deadline)
        });
        let mut plan = plan.unwrap_or_else(|| self.make_plan(now, job, prediction));
        let told = self.warned(job, &plan, accounts);
        let verdict = match admission {
            Admission::AsPlanned => Verdict::Free,
            Admission::From(from, index, overrun) => {
                let mark = format!("planned from {} on, when the budget begins anew", wording::moment(from));
                let text = format!("{}: {mark}", overrun_in_words(accounts[index], &overrun));
                plan.warnings.insert(0, text.clone());
                Verdict::Deferred(Told { mark, text })
            }
            Admission::Hold(index, overrun) => {
                let text = format!(
                    "{}: held; {}, and `lowtide release {}` lets it go before that (whoever may use this daemon may)",
                    overrun_in_words(accounts[index], &overrun),
                    Self::when_again(accounts[index], &overrun, deadline),
                    job.id
                );
                plan.warnings.insert(0, text.clone());
                Verdict::Held(
                    HeldBecause::OverBudget(Box::new(NoRoom {
                        budget: accounts[index].budget.name.clone(),
                        needed_g: whole(overrun.needed),
                        left_g: whole(overrun.left),
                        renews: accounts[index].renews_after(overrun.period.start()),
                    })),
                    text,
                )
            }
        };
        Budgeted { plan, verdict, told }
    }

    /// A job that has begun is not turned away. Once its budget is used up, one that can leave a checkpoint goes on in
    /// the next period, where the budget asks for that and no deadline is missed by it; any other is told of.
    fn plan_after_begun(&self, now: Timestamp, job: &Job, prediction: &Prediction, accounts: &[&Account]) -> Budgeted {
        let deadline = self.deadline_of(job);
        let used_up = |account: &&Account| {
            let emitted = self.budgets.ledger.usage(account, account.period_at(now)).emitted();
            account.budget.limit <= emitted
        };
        // What is nearly done would spend more on leaving and coming back than on ending.
        let overhead = self.settings.stop_overhead + self.settings.start_overhead;
        let worth_it = overhead < prediction.remaining.median;
        for account in accounts.iter().filter(|account| worth_it && used_up(account)) {
            let may_pause = account.budget.pause
                && account.budget.action != BudgetAction::Warn
                && job.spec.checkpoint.is_some()
                && self.policy_in_force(&job.spec).pausable
                && !job.run_now;
            let Some(next) = account.renews_after(now).filter(|_| may_pause) else { continue };
            let mut plan = self.make_plan_from(now, next, job, prediction);
            if plan.segments.is_empty() || deadline.is_some_and(|deadline| deadline < plan.end) {
                continue;
            }
            let Budget { name, limit, .. } = &account.budget;
            let mark = format!("is used up: it goes on at {}, when that begins anew", wording::moment(next));
            let text = format!("budget `{name}` of {} {mark}", wording::grams(*limit));
            plan.warnings.insert(0, text.clone());
            return Budgeted { plan, verdict: Verdict::Deferred(Told { mark, text }), told: Vec::new() };
        }
        let plan = self.make_plan(now, job, prediction);
        let ahead = ahead_of(&plan);
        let over = accounts.iter().filter_map(|account| {
            let overrun = self.budgets.ledger.overrun(account, job.id, &ahead)?;
            let mark = format!("it has begun and runs on over budget `{}`", account.budget.name);
            Some(Told { text: format!("{}: {mark}", overrun_in_words(account, &overrun)), mark })
        });
        let told = over.collect();
        Budgeted { plan, verdict: Verdict::Free, told }
    }

    /// What budgets that only warn have to say.
    fn warned(&self, job: &Job, plan: &Plan, accounts: &[&Account]) -> Vec<Told> {
        let ahead = ahead_of(plan);
        let warn = accounts.iter().filter(|account| account.budget.action == BudgetAction::Warn);
        let over = warn.filter_map(|account| {
            let overrun = self.budgets.ledger.overrun(account, job.id, &ahead)?;
            let mark = format!("it runs all the same over budget `{}`", account.budget.name);
            Some(Told { text: format!("{}: {mark}", overrun_in_words(account, &overrun)), mark })
        });
        over.collect()
    }

    /// The plan as it would be made at `from` for what is known now.
    fn make_plan_from(&self, now: Timestamp, from: Timestamp, job: &Job, prediction: &Prediction) -> Plan {
        Plan { made_at: now, ..self.make_plan(from, job, prediction) }
    }

    fn when_again(account: &Account, overrun: &Overrun, deadline: Option<Timestamp>) -> String {
        if account.budget.limit < overrun.needed {
            return "the whole budget is too small for it".to_owned();
        }
        match account.renews_after(overrun.period.start()) {
            None => "the budget never begins anew".to_owned(),
            Some(renews) if deadline.is_some_and(|deadline| deadline <= renews) => {
                format!("the budget begins anew at {}, after its deadline", wording::moment(renews))
            }
            Some(renews) => format!("looked at again when there is room, at the latest at {}", wording::moment(renews)),
        }
    }

    fn deadline_of(&self, job: &Job) -> Option<Timestamp> {
        let by_policy = self.policy_in_force(&job.spec).deadline.map(|deadline| deadline.after(job.submitted_at));
        [job.spec.deadline, by_policy].into_iter().flatten().min()
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
                    self.plan_anew_waiting(id);
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
                let Some(job) = self.jobs.get(*id) else { return false };
                let later = job.plan.as_ref().and_then(Plan::start).is_some_and(|start| period.end() <= start);
                account.budget.scope.holds(&job.spec) && job.state.awaits_a_window() && later
            };
            BudgetStatus {
                zone: account.zone.iana_name().unwrap_or("UTC").to_owned(),
                period,
                renews: account.renews_after(now),
                usage: self.budgets.ledger.usage(account, period),
                held: self.jobs.values().filter(held_by).map(|job| job.id).collect(),
                deferred: self.budgets.bound.iter().filter(put_off).copied().collect(),
                budget: account.budget.clone(),
            }
        };
        self.budgets.accounts.iter().map(of).collect()
    }
}

/// The energy an attempt that runs has used since its last epoch, by the power thought of last, and since when.
fn untold_of(job: &Job, attempt: &Attempt, power: f64, now: Timestamp) -> Option<(Joules, Window)> {
    let started = attempt.started_at.filter(|_| attempt.ended_at.is_none())?;
    let since = attempt.epochs.last().map_or(started, |epoch| epoch.window.end().max(started));
    let estimate = job.estimates.last()?;
    let watts = estimate.energy.median.over(estimate.duration.median)?;
    let window = Window::new(since, now).ok()?;
    Some(((watts * window.duration()).times(power), window))
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

fn overrun_in_words(account: &Account, Overrun { period: _, needed, left }: &Overrun) -> String {
    let Budget { name, limit, period, .. } = &account.budget;
    let of = match period.name() {
        "total" => "in all".to_owned(),
        name => format!("a {name}"),
    };
    format!(
        "over budget `{name}`: it would emit {}, {} of {} {of} are left",
        wording::grams(*needed),
        wording::grams(*left),
        wording::grams(*limit)
    )
}
