//! Random worlds: whatever happens in whatever order, no rule is broken and the journal adds up to the state.
use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{Engine, Replay, UserAction, World};
use lowtide_model::budget::{Budget, BudgetAction, Period, Quantile, Scope};
use lowtide_model::capping::PowerCap;
use lowtide_model::identity::{BudgetId, JobId};
use lowtide_model::job::Job;
use lowtide_model::priority::{AccountBy, FairShare, Priority};
use lowtide_model::quantity::{GramsCo2e, Seconds};
use lowtide_model::site::Site;
use proptest::prelude::*;

use crate::worlds::{day_after_day, hours, night_valley, site, spec, work, world};

fn happenings() -> impl Strategy<Value = Vec<(f64, Draw)>> {
    let policies = prop_oneof![
        Just("run-now"),
        Just("patient"),
        Just("follow-the-tide"),
        Just("overnight"),
        Just("strict-budget")
    ];
    let caps = prop_oneof![3 => Just(""), 1 => Just("250:0.96:0.864,150:0.85:0.663")];
    let width = (1..3_u32, prop_oneof![3 => Just(""), 1 => Just("1:1,2:1.8")], caps);
    let submit =
        (policies, any::<bool>(), 1..6_u32, 5.0..90.0_f64, width, prop_oneof![4 => Just(0), 1 => Just(3)], turn())
            .prop_map(|(policy, checkpoint, epochs, minutes, (cpus, workers, caps), exit_code, turn)| Draw::Submit {
                policy,
                checkpoint,
                epochs,
                minutes,
                cpus,
                workers,
                caps,
                exit_code,
                turn,
            });
    let action = prop_oneof![
        Just(UserAction::Cancel),
        Just(UserAction::Hold),
        Just(UserAction::Release),
        Just(UserAction::Pause),
        Just(UserAction::Resume),
        Just(UserAction::RunNow),
        priority().prop_map(UserAction::Prioritise),
    ];
    let ask = (1..8_u64, action).prop_map(|(job, action)| Draw::Ask(job, action));
    let draw = prop_oneof![4 => submit, 3 => ask, 1 => Just(Draw::Crash), 1 => (50.0..600.0_f64).prop_map(Draw::Issue)];
    prop::collection::vec((0.0..60.0_f64, draw), 1..25)
}

/// What decides when a job has its turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    priority: Priority,
    user: &'static str,
    deadline_h: Option<f64>,
}

fn turn() -> impl Strategy<Value = Turn> {
    let user = prop_oneof![Just("ada"), Just("bob")];
    let deadline = prop::option::weighted(0.3, 2.0..60.0_f64);
    (priority(), user, deadline).prop_map(|(priority, user, deadline_h)| Turn { priority, user, deadline_h })
}

fn priority() -> impl Strategy<Value = Priority> {
    (-2_i64..3).prop_map(|number| Priority::new(number).expect("within the bounds"))
}

fn fair_share() -> impl Strategy<Value = Option<FairShare>> {
    let shares = BTreeMap::from([("bob".to_owned(), 2.0)]);
    let half_life = Seconds::from_hours(24.0);
    prop::option::of(Just(FairShare { by: AccountBy::User, half_life, shares }))
}

/// Everything a scenario may hold.
#[derive(Debug, Clone)]
enum Draw {
    Submit {
        policy: &'static str,
        checkpoint: bool,
        epochs: u32,
        minutes: f64,
        cpus: u32,
        workers: &'static str,
        caps: &'static str,
        exit_code: i32,
        turn: Turn,
    },
    Ask(u64, UserAction),
    Crash,
    Issue(f64),
}

fn scenario(draws: Vec<(f64, Draw)>) -> Vec<(Timestamp, Happening)> {
    let mut scenario: Vec<(Timestamp, Happening)> = vec![(hours(0.0), day_after_day("GB", night_valley))];
    scenario.extend(draws.into_iter().map(|(at, draw)| {
        let happening = match draw {
            Draw::Submit { policy, checkpoint, epochs, minutes, cpus, workers, caps, exit_code, turn } => {
                let mut spec = spec(policy, checkpoint);
                spec.resources.cpus = cpus;
                spec.scaling = workers.parse().unwrap_or_default();
                spec.capping = caps.parse().unwrap_or_default();
                spec.priority = turn.priority;
                turn.user.clone_into(&mut spec.user);
                spec.deadline = turn.deadline_h.map(|left| hours(at + left));
                Happening::Submit(Box::new(spec), TrueWork { exit_code, ..work(epochs, minutes) })
            }
            Draw::Ask(job, action) => Happening::Ask(JobId(job), action),
            Draw::Crash => Happening::Crash,
            Draw::Issue(level) => day_after_day("SE", |hour| level + f64::from(hour)),
        };
        (hours(at), happening)
    }));
    // What people put aside they let go at last, so that every job can end.
    for day in 3..8 {
        for job in 1..30 {
            for action in [UserAction::Release, UserAction::Resume] {
                scenario.push((hours(24.0 * f64::from(day)), Happening::Ask(JobId(job), action)));
            }
        }
    }
    scenario
}

/// All that can go wrong, each now and then.
const FAULTS: Faults = Faults {
    crash_before_effects: 0.03,
    repeated_report: 0.1,
    refused_start: 0.1,
    refused_power_cap: 0.3,
    vanished_attempt: 0.01,
};

/// One of them lets GPUs be held to less power.
fn two_sites() -> Vec<Site> {
    let caps = [250, 150].map(|watts| PowerCap::new(watts).expect("a cap"));
    vec![Site { power_caps: caps.to_vec(), ..site("home", "GB", 2) }, site("away", "SE", 3)]
}

fn budgets() -> impl Strategy<Value = Vec<Budget>> {
    let action = prop_oneof![Just(BudgetAction::Warn), Just(BudgetAction::Hold), Just(BudgetAction::Defer)];
    let budget = (20.0..400.0_f64, action, any::<bool>()).prop_map(|(grams, action, pause)| Budget {
        name: BudgetId::new("team").expect("a name"),
        limit: GramsCo2e::saturating(grams),
        period: Period::Day,
        zone: None,
        scope: Scope::default(),
        action,
        quantile: Quantile::Median,
        pause,
    });
    prop::collection::vec(budget, 0..2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_job_ends_and_the_journal_adds_up(
        draws in happenings(),
        budgets in budgets(),
        fair_share in fair_share(),
        seed in any::<u64>(),
    ) {
        let two_sites = World { budgets, fair_share, ..world(two_sites()) };
        let mut simulation = Simulation::new(hours(0.0), two_sites, scenario(draws), FAULTS, seed);
        if let Err(broken) = simulation.run(hours(24.0 * 60.0)) {
            return Err(TestCaseError::fail(broken));
        }
        for job in simulation.engine().jobs() {
            prop_assert!(job.state.is_final(), "job {} is {:?} at {}", job.id, job.state, simulation.now());
        }
    }

    #[test]
    fn what_was_decided_at_any_moment_is_decided_again_by_its_replay_through_crashes_too(
        draws in happenings(), fair_share in fair_share(), seed in any::<u64>(), moment in 0.0..24.0 * 12.0_f64,
    ) {
        let two_sites = World { fair_share, ..world(two_sites()) };
        let mut simulation = Simulation::new(hours(0.0), two_sites, scenario(draws), FAULTS, seed);
        simulation.run(hours(moment)).map_err(TestCaseError::fail)?;
        let mut replay = Replay::default();
        for (at, event) in simulation.journal().iter().cloned() {
            replay.take(at, event);
        }
        for (id, record) in simulation.committed_jobs() {
            let job: Job = serde_json::from_str(record).expect("it was written down");
            prop_assert_eq!(replay.engine().job(*id), Some(&job));
        }
    }

    #[test]
    fn the_journal_replayed_is_the_state_committed(
        draws in happenings(), budgets in budgets(), fair_share in fair_share(),
    ) {
        // Without crashes: a crash forgets what was never written down on purpose, such as curves, and plans anew.
        let draws = draws.into_iter().filter(|(_, draw)| !matches!(draw, Draw::Crash)).collect();
        let two_sites = World { budgets, fair_share, ..world(two_sites()) };
        let mut simulation = Simulation::new(hours(0.0), two_sites, scenario(draws), Faults::default(), 7);
        simulation.run(hours(24.0 * 60.0)).expect("no rule is broken");
        let replayed = Engine::replay(simulation.journal().iter().cloned());
        for job in replayed.jobs() {
            let record = serde_json::to_string(job).expect("a job can be written down");
            prop_assert_eq!(Some(&record), simulation.committed_jobs().get(&job.id));
        }
        prop_assert_eq!(replayed.jobs().count(), simulation.committed_jobs().len());
        let now = simulation.now();
        prop_assert_eq!(replayed.budgets(now), simulation.engine().budgets(now));
    }
}
