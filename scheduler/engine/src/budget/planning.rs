//! Plans within budgets: what the ledger's verdict makes of a plan, and the words in which it is told.

use jiff::Timestamp;
use lowtide_model::budget::{Budget, BudgetAction};
use lowtide_model::job::Job;
use lowtide_model::plan::Plan;
use lowtide_model::state::{HeldBecause, NoRoom};
use lowtide_planner::budget::{Account, Admission, Overrun};
use lowtide_planner::predict::Prediction;
use lowtide_planner::wording;

use super::{ahead_of, has_begun};
use crate::admission::whole;
use crate::engine::Engine;

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
    pub(crate) mark: String,
    pub(crate) text: String,
}

impl Engine {
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

    /// The earlier of the deadlines of a job and its policy.
    pub(crate) fn deadline_of(&self, job: &Job) -> Option<Timestamp> {
        let by_policy = self.policies.get(&job.spec.policy).and_then(|policy| policy.deadline);
        let by_policy = by_policy.map(|deadline| deadline.after(job.submitted_at));
        [job.spec.deadline, by_policy].into_iter().flatten().min()
    }
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
