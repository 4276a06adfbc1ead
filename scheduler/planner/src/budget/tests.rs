//! Budgets in the small: calendars, shares, and the three promises: never more than the budget, first come, nobody for ever.

use lowtide_model::budget::Scope;
use lowtide_model::identity::BudgetId;
use proptest::prelude::*;

use super::*;

const LIMIT: f64 = 100.0;

fn account(period: Period, action: BudgetAction, zone: &str) -> Account {
    Account {
        budget: Budget {
            name: BudgetId::new("team").expect("a name"),
            limit: GramsCo2e::saturating(LIMIT),
            period,
            zone: None,
            scope: Scope::default(),
            action,
            quantile: Quantile::Median,
            pause: false,
        },
        zone: TimeZone::get(zone).expect("a zone"),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn hour(hours: i64) -> Timestamp {
    at("2026-11-02T00:00:00Z") + hours.hours()
}

fn stretch(start: Timestamp, hours: i64, grams: f64) -> Stretch {
    let window = Window::new(start, start + hours.hours()).expect("not empty");
    Stretch { window, grams: Interval::exactly(GramsCo2e::saturating(grams)) }
}

fn claim(standing: Standing, ahead: Vec<Stretch>) -> Claim {
    Claim { project: None, user: "ada".into(), standing, past: Vec::new(), ahead }
}

#[test]
fn periods_follow_the_calendar_of_their_zone() {
    let period = |period, zone, moment| account(period, BudgetAction::Hold, zone).period_at(at(moment));
    let window = |start, end| Window::new(at(start), at(end)).expect("not empty");
    let day = period(Period::Day, "Europe/Copenhagen", "2026-03-29T12:00:00Z");
    assert_eq!(
        day,
        window("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        "the day the clock goes forward has 23 hours"
    );
    let week = period(Period::Week, "UTC", "2026-11-22T23:59:59Z");
    assert_eq!(week, window("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"), "a week begins on Monday");
    let month = period(Period::Month, "America/New_York", "2026-12-01T04:59:59Z");
    assert_eq!(month, window("2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"));
    let total = account(Period::Total, BudgetAction::Hold, "UTC");
    assert_eq!(total.renews_after(hour(0)), None);
}

#[test]
fn what_runs_over_the_turn_of_a_period_counts_in_both_by_time() {
    let account = account(Period::Day, BudgetAction::Hold, "UTC");
    let over_midnight = [stretch(hour(21), 4, 80.0)];
    let share = |moment| account.share(&over_midnight, account.period_at(moment)).get();
    assert!((share(hour(12)) - 60.0).abs() < 1e-9);
    assert!((share(hour(36)) - 20.0).abs() < 1e-9);
}

#[test]
fn the_chosen_quantile_counts() {
    let mut account = account(Period::Day, BudgetAction::Hold, "UTC");
    let grams = Interval { low: 50.0, median: 90.0, high: 120.0 }.map(GramsCo2e::saturating);
    let ahead = [Stretch { grams, ..stretch(hour(1), 1, 0.0) }];
    assert_eq!(Ledger::default().overrun(&account, JobId(1), &ahead), None);
    account.budget.quantile = Quantile::High;
    let overrun = Ledger::default().overrun(&account, JobId(1), &ahead).expect("120 of 100");
    assert!((overrun.needed.get() - 120.0).abs() < 1e-9);
}

#[test]
fn only_jobs_of_its_scope_count() {
    let mut account = account(Period::Day, BudgetAction::Hold, "UTC");
    account.budget.scope = Scope { project: Some("vision".into()), user: None };
    let mut ledger = Ledger::default();
    let of = |project: &str| Claim {
        project: Some(project.into()),
        ..claim(Standing::Begun, vec![stretch(hour(1), 1, 40.0)])
    };
    ledger.set(JobId(1), of("vision"));
    ledger.set(JobId(2), of("speech"));
    let usage = ledger.usage(&account, account.period_at(hour(1)));
    assert!((usage.taken().get() - 40.0).abs() < 1e-9);
}

#[test]
fn a_job_is_deferred_to_the_next_period_if_its_deadline_allows() {
    let account = account(Period::Day, BudgetAction::Defer, "UTC");
    let mut ledger = Ledger::default();
    ledger.set(JobId(1), claim(Standing::Begun, vec![stretch(hour(1), 1, 70.0)]));
    let admit = |deadline: i64, grams| {
        ledger.admit(hour(2), JobId(2), &[&account], |from| {
            (vec![stretch(from, 1, grams)], from + 1.hour() <= hour(deadline))
        })
    };
    assert!(matches!(admit(100, 50.0), Admission::From(from, 0, _) if from == hour(24)));
    assert!(matches!(admit(20, 50.0), Admission::Hold(0, _)), "its deadline is before the next period");
    assert!(matches!(admit(100, 101.0), Admission::Hold(0, _)), "no period is large enough");
    assert_eq!(admit(100, 30.0), Admission::AsPlanned);
}

/// A small world of jobs of an hour under one budget, hour by hour: each waits, is examined in its turn, and runs.
fn run(account: &Account, jobs: &[(i64, f64)], hours: i64) -> (Ledger, BTreeMap<JobId, Timestamp>) {
    let mut ledger = Ledger::default();
    let mut started = BTreeMap::new();
    let ids = || (1..).map(JobId).zip(jobs);
    for now in (0..hours).map(hour) {
        for (id, (submitted, grams)) in ids().filter(|(_, (submitted, _))| hour(*submitted) <= now) {
            if started.contains_key(&id) {
                continue;
            }
            // Plans may lie later than now: the second job of each three prefers to wait for six hours.
            let begin = if id.0 % 3 == 2 { now.max(hour(submitted + 6)) } else { now };
            let plan = |from: Timestamp| (vec![stretch(from.max(begin), 1, *grams)], true);
            match ledger.admit(now, id, &[account], plan) {
                Admission::AsPlanned if begin == now => {
                    started.insert(id, now);
                    ledger.set(id, claim(Standing::Begun, plan(now).0));
                }
                Admission::AsPlanned => drop(ledger.set(id, claim(Standing::Waiting, plan(now).0))),
                Admission::From(from, ..) => drop(ledger.set(id, claim(Standing::Waiting, plan(from).0))),
                Admission::Hold(..) => drop(ledger.remove(id)),
            }
        }
    }
    (ledger, started)
}

fn jobs() -> impl Strategy<Value = Vec<(i64, f64)>> {
    prop::collection::vec((0..60_i64, 1.0..140.0_f64), 1..14).prop_map(|mut jobs| {
        jobs.sort_by_key(|(submitted, _)| *submitted);
        jobs
    })
}

fn actions() -> impl Strategy<Value = BudgetAction> {
    prop_oneof![Just(BudgetAction::Hold), Just(BudgetAction::Defer)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_has_begun_never_exceeds_the_budget_as_predicted(jobs in jobs(), action in actions()) {
        let account = account(Period::Day, action, "UTC");
        let (ledger, _) = run(&account, &jobs, 24 * 12);
        for day in 0..20 {
            let usage = ledger.usage(&account, account.period_at(hour(24 * day)));
            prop_assert!((usage.settled + usage.so_far + usage.running).get() <= LIMIT * (1.0 + 1e-6), "{usage:?}");
        }
    }

    #[test]
    fn what_fits_a_fresh_period_runs_and_nothing_else_does(jobs in jobs(), action in actions()) {
        let account = account(Period::Day, action, "UTC");
        // At worst each of them has a day of its own, after the last was submitted; one waits six hours by choice.
        let (_, started) = run(&account, &jobs, 24 * 19);
        for (id, (_, grams)) in (1..).map(JobId).zip(&jobs) {
            prop_assert_eq!(started.contains_key(&id), *grams <= LIMIT, "job {} of {} g: {:?}", id, grams, started);
        }
    }

    #[test]
    fn later_jobs_that_wait_take_nothing_from_an_earlier_one(
        plans in prop::collection::vec((0..72_i64, 1.0..90.0_f64), 0..12),
        grams in 1.0..140.0_f64,
        action in actions(),
    ) {
        let account = account(Period::Day, action, "UTC");
        let mut ledger = Ledger::default();
        ledger.set(JobId(1), claim(Standing::Begun, vec![stretch(hour(1), 2, 30.0)]));
        let plan = |from: Timestamp| (vec![stretch(from, 1, grams)], true);
        let alone = ledger.admit(hour(2), JobId(2), &[&account], plan);
        for (id, (start, grams)) in (3..).map(JobId).zip(plans) {
            ledger.set(id, claim(Standing::Waiting, vec![stretch(hour(start), 3, grams)]));
        }
        prop_assert_eq!(ledger.admit(hour(2), JobId(2), &[&account], plan), alone);
    }

    #[test]
    fn every_moment_lies_in_its_period(second in 0..4_000_000_000_i64) {
        let moment = Timestamp::from_second(second).expect("in range");
        for period in [Period::Day, Period::Week, Period::Month, Period::Total] {
            for zone in ["UTC", "Europe/Copenhagen", "Australia/Lord_Howe"] {
                let account = account(period, BudgetAction::Hold, zone);
                let window = account.period_at(moment);
                prop_assert!(window.contains(moment));
                if let Some(next) = account.renews_after(moment) {
                    prop_assert_eq!(account.period_at(next).start(), next, "periods follow one another");
                }
            }
        }
    }
}
