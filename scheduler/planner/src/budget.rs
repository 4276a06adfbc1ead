//! The arithmetic of carbon budgets: what is used, what is bound by predictions, and whether one more job fits.
//!
//! What a job has emitted and is predicted to emit is a [`Claim`]: stretches of time with grams spread evenly over them,
//! so that a job that runs over the turn of a period counts in both by time. The [`Ledger`] holds the claims of all jobs
//! and is a function of them alone: rebuilt from the jobs it is the same.
//!
//! The order is first come: a job is examined against what has been emitted, what jobs that have begun will still emit,
//! and the plans of jobs submitted before it. The plans of later ones do not stand in its way; they are examined in their
//! turn before they start, so at each start all that has begun fits the budget as predicted then.

use std::collections::BTreeMap;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use lowtide_model::budget::{Budget, BudgetAction, Period, Quantile};
use lowtide_model::estimate::Interval;
use lowtide_model::identity::JobId;
use lowtide_model::job::JobSpec;
use lowtide_model::quantity::GramsCo2e;
use lowtide_model::window::Window;

/// Rounding of sums is not an overrun.
const ROUNDING: f64 = 1e-9;
/// How many later periods are looked at for one that has room. Beyond that a job waits for a person.
const MOST_PERIODS_AHEAD: usize = 24;
/// How many periods one plan may touch: a year of days.
const MOST_PERIODS_TOUCHED: usize = 366;

/// A part of a job's footprint, spread evenly over a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// When.
    pub window: Window,
    /// How much, in gCO2e.
    pub grams: Interval<GramsCo2e>,
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The job is over and its account is closed.
    Settled,
    /// It has begun.
    Begun,
    /// It waits for its plan to fall due.
    Waiting,
}

/// What one job takes of its budgets.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Whose project counts.
    pub project: Option<String>,
    /// Who submitted it.
    pub user: String,
    /// Where it stands.
    pub standing: Standing,
    /// What it has emitted.
    pub past: Vec<Stretch>,
    /// What its plan will emit.
    pub ahead: Vec<Stretch>,
}

/// The claims of all jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    claims: BTreeMap<JobId, Claim>,
}

/// How much of a budget is taken in one period, in gCO2e.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// By jobs that are over.
    pub settled: GramsCo2e,
    /// By jobs that have begun, so far.
    pub so_far: GramsCo2e,
    /// By jobs that have begun, still to come as predicted.
    pub running: GramsCo2e,
    /// By jobs that wait, as planned.
    pub planned: GramsCo2e,
}

/// A budget with its calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The budget.
    pub budget: Budget,
    /// The zone its periods begin in.
    pub zone: TimeZone,
}

/// A period that has no room for a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overrun {
    /// The period.
    pub period: Window,
    /// What the job would emit in it.
    pub needed: GramsCo2e,
    /// What is left of the budget for it.
    pub left: GramsCo2e,
}

/// What the budgets say of a job that has not begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It may run as planned; budgets that only warn are overrun as told.
    AsPlanned,
    /// It may run if it is planned from this moment on, because of the budget of this index.
    From(Timestamp, usize, Overrun),
    /// It waits for a person or for room, because of the budget of this index.
    Hold(usize, Overrun),
}

impl Claim {
    /// Whether it counts in a budget.
    #[must_use]
    pub fn counts_in(&self, budget: &Budget) -> bool {
        let scope = &budget.scope;
        scope.project.as_ref().is_none_or(|project| self.project.as_ref() == Some(project))
            && scope.user.as_ref().is_none_or(|user| self.user == *user)
    }

    fn total(&self) -> GramsCo2e {
        self.past.iter().chain(&self.ahead).map(|stretch| stretch.grams.high).sum()
    }
}

impl Usage {
    /// All of it.
    #[must_use]
    pub fn taken(&self) -> GramsCo2e {
        self.settled + self.so_far + self.running + self.planned
    }

    /// What was really emitted.
    #[must_use]
    pub fn emitted(&self) -> GramsCo2e {
        self.settled + self.so_far
    }
}

impl Account {
    /// The period that holds a moment: half-open, from midnight to midnight of its zone.
    #[must_use]
    pub fn period_at(&self, at: Timestamp) -> Window {
        let all = || Window::new(Timestamp::MIN, Timestamp::MAX).expect("time has a length");
        let date = at.to_zoned(self.zone.clone()).date();
        let (first, next) = match self.budget.period {
            Period::Total => return all(),
            Period::Day => (Some(date), date.tomorrow().ok()),
            Period::Week => {
                let since_monday = i64::from(date.weekday().since(Weekday::Monday));
                let monday = date.checked_sub(since_monday.days()).ok();
                (monday, monday.and_then(|monday| monday.checked_add(7.days()).ok()))
            }
            Period::Month => {
                let first = date.first_of_month();
                (Some(first), first.checked_add(1.month()).ok())
            }
        };
        // Where the calendar ends there is no next period.
        let midnight = |date: jiff::civil::Date| date.to_zoned(self.zone.clone()).as_ref().map(Zoned::timestamp).ok();
        match (first.and_then(midnight), next.and_then(midnight)) {
            (Some(start), Some(end)) => Window::new(start, end).unwrap_or_else(|_| all()),
            _ => all(),
        }
    }

    /// When the period that holds a moment ends and a new one begins; `None` if that never happens.
    #[must_use]
    pub fn renews_after(&self, at: Timestamp) -> Option<Timestamp> {
        Some(self.period_at(at).end()).filter(|end| *end < Timestamp::MAX)
    }

    fn of(&self, grams: &Interval<GramsCo2e>) -> GramsCo2e {
        match self.budget.quantile {
            Quantile::Median => grams.median,
            Quantile::High => grams.high,
        }
    }

    /// The part of stretches that lies in a period, at the quantile of the budget.
    #[must_use]
    pub fn share(&self, stretches: &[Stretch], period: Window) -> GramsCo2e {
        let part = |stretch: &Stretch| {
            let inside = stretch.window.intersection(&period)?;
            Some(self.of(&stretch.grams).times(inside.duration().per(stretch.window.duration()).unwrap_or(0.0)))
        };
        stretches.iter().filter_map(part).sum()
    }

    /// The periods that stretches touch, in order.
    fn periods(&self, stretches: &[Stretch]) -> Vec<Window> {
        let mut periods: Vec<Window> = Vec::new();
        for stretch in stretches {
            let mut at = stretch.window.start();
            while at < stretch.window.end() && periods.len() < MOST_PERIODS_TOUCHED {
                let period = self.period_at(at);
                if periods.last() != Some(&period) {
                    periods.push(period);
                }
                at = period.end();
            }
        }
        periods
    }
}

impl Ledger {
    /// Sets a job's claim. Says whether the job takes less than before.
    pub fn set(&mut self, id: JobId, claim: Claim) -> bool {
        let now = claim.total();
        let before = self.claims.insert(id, claim).map_or(GramsCo2e::ZERO, |before| before.total());
        now.get() < before.get() * (1.0 - ROUNDING)
    }

    /// Forgets a job's claim. Says whether it had taken anything.
    pub fn remove(&mut self, id: JobId) -> bool {
        self.claims.remove(&id).is_some_and(|before| GramsCo2e::ZERO < before.total())
    }

    /// Forgets what a job's plan would emit. Says whether that was anything.
    pub fn forget_ahead(&mut self, id: JobId) -> bool {
        self.claims.get_mut(&id).is_some_and(|claim| !std::mem::take(&mut claim.ahead).is_empty())
    }

    /// How much of a budget is taken in a period by the jobs that `counted` names.
    fn usage_of(&self, account: &Account, period: Window, counted: impl Fn(JobId, &Claim) -> bool) -> Usage {
        let mut usage = Usage::default();
        let claims = self.claims.iter().filter(|(_, claim)| claim.counts_in(&account.budget));
        for (_, claim) in claims.filter(|(id, claim)| counted(**id, claim)) {
            let (past, ahead) = (account.share(&claim.past, period), account.share(&claim.ahead, period));
            match claim.standing {
                Standing::Settled => usage.settled += past,
                Standing::Begun => {
                    usage.so_far += past;
                    usage.running += ahead;
                }
                Standing::Waiting => usage.planned += ahead,
            }
        }
        usage
    }

    /// How much of a budget is taken in a period.
    #[must_use]
    pub fn usage(&self, account: &Account, period: Window) -> Usage {
        self.usage_of(account, period, |_, _| true)
    }

    /// The last period of those a plan touches that has no room for it, if any has none. What the job itself has
    /// claimed does not count.
    #[must_use]
    pub fn overrun(&self, account: &Account, id: JobId, ahead: &[Stretch]) -> Option<Overrun> {
        let before_it =
            |other: JobId, claim: &Claim| other != id && (claim.standing != Standing::Waiting || other < id);
        let limit = account.budget.limit;
        let overrun = |period: Window| {
            let needed = account.share(ahead, period);
            let left = limit.minus(self.usage_of(account, period, before_it).taken());
            let fits = needed == GramsCo2e::ZERO || needed.get() <= left.get() + limit.get() * ROUNDING;
            (!fits).then_some(Overrun { period, needed, left })
        };
        account.periods(ahead).into_iter().rev().find_map(overrun)
    }

    /// Whether, and from when on, a job that has not begun may run. `plan_from` is what it would emit if it were planned
    /// from that moment on, and whether it would keep its deadline; `accounts` are the budgets that count it.
    pub fn admit(
        &self,
        now: Timestamp,
        id: JobId,
        accounts: &[&Account],
        mut plan_from: impl FnMut(Timestamp) -> (Vec<Stretch>, bool),
    ) -> Admission {
        let binding = |ahead: &[Stretch]| {
            let mut bound =
                accounts.iter().enumerate().filter(|(_, account)| account.budget.action != BudgetAction::Warn);
            bound.find_map(|(index, account)| Some((index, self.overrun(account, id, ahead)?)))
        };
        let (mut ahead, mut from) = (plan_from(now).0, now);
        let mut first = None;
        for _ in 0..=MOST_PERIODS_AHEAD {
            let Some((index, overrun)) = binding(&ahead) else {
                return first.map_or(Admission::AsPlanned, |(index, overrun)| Admission::From(from, index, overrun));
            };
            let (first_index, first_overrun) = *first.get_or_insert((index, overrun));
            let held = Admission::Hold(first_index, first_overrun);
            let account = accounts[index];
            // What a whole period is too small for no later one will hold: to wait for it would be to wait for ever.
            let hopeless = account.budget.limit < overrun.needed && overrun.period.start() == from;
            let next = account.renews_after(overrun.period.start()).filter(|next| from < *next);
            let (BudgetAction::Defer, false, Some(next)) = (account.budget.action, hopeless, next) else { return held };
            from = next;
            let (later, keeps_deadline) = plan_from(from);
            if !keeps_deadline {
                return held;
            }
            ahead = later;
        }
        first.map_or(Admission::AsPlanned, |(index, overrun)| Admission::Hold(index, overrun))
    }
}

/// The claim of a job, without anything yet.
#[must_use]
pub fn empty_claim(spec: &JobSpec, standing: Standing) -> Claim {
    Claim { project: spec.project.clone(), user: spec.user.clone(), standing, past: Vec::new(), ahead: Vec::new() }
}

#[cfg(test)]
mod tests;
