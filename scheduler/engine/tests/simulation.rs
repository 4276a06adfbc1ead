//! The whole system over simulated worlds: whatever happens in whatever order, no job is lost, none runs twice, no site
//! holds more than it can, and the journal adds up to the state.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{Engine, Replay, Settings, UserAction, World};
use lowtide_model::budget::{Budget, BudgetAction, Period, Quantile, Scope};
use lowtide_model::estimate::EstimateSource;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{BudgetId, JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::plan::Reason;
use lowtide_model::priority::{AccountBy, FairShare, Priority};
use lowtide_model::quantity::{GramsCo2e, GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::JobState;
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;
use proptest::prelude::*;

const START: i64 = 1_700_006_400; // 2023-11-15T00:00:00Z

fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::from_second(START).expect("in range"))
}

fn site(id: &str, zone: &str, cpus: u32) -> Site {
    Site::like_the_reference(
        SiteId::new(id).expect("a name"),
        ZoneId::new(zone).expect("a name"),
        Resources { cpus, gpus: 0 },
        GramsPerKwh::saturating(400.0),
    )
}

fn world(sites: Vec<Site>) -> World {
    let mut policies: BTreeMap<PolicyId, String> =
        builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    // As `patient`, but of starts that are as good it takes the first.
    policies.insert(PolicyId::new("first").expect("a name"), "extends = \"patient\"\nspread = 0.0\n".to_owned());
    World { sites, policies, time_zone: None, budgets: Vec::new(), fair_share: None, settings: Settings::default() }
}

/// Four days in which each hour of the day has the intensity that `of_hour` gives.
fn day_after_day(zone: &str, of_hour: impl Fn(u32) -> f64) -> Happening {
    let slots = (0..96_u32)
        .map(|hour| Slot {
            window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
            intensity: GramsPerKwh::saturating(of_hour(hour % 24)),
            band: None,
            kind: Kind::Forecast,
        })
        .collect();
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let zone = ZoneId::new(zone).expect("a name");
    let forecast = Forecast::new(zone, tags, hours(0.0), hours(0.0), "test".into(), None, slots);
    Happening::Issue(Box::new(forecast.expect("in order")))
}

fn spec(policy: &str, checkpoint: bool) -> JobSpec {
    let policy = PolicyId::new(policy).expect("a name");
    let spec = JobSpec::of_command(vec!["train".into()], PathBuf::from("/"), "ada".into(), policy);
    JobSpec { checkpoint: checkpoint.then_some(Checkpoint { signal: 15, grace_s: 30 }), ..spec }
}

fn work(epochs: u32, minutes: f64) -> TrueWork {
    TrueWork { epochs, epoch: Seconds::from_hours(minutes / 60.0), power: Watts::saturating(300.0), exit_code: 0 }
}

fn run(world: World, happenings: Vec<(Timestamp, Happening)>) -> Simulation {
    let mut simulation = Simulation::new(hours(0.0), world, happenings, Faults::default(), 1);
    simulation.run(hours(24.0 * 30.0)).expect("no rule is broken");
    simulation
}

fn only(simulation: &Simulation) -> &Job {
    simulation.engine().job(JobId(1)).expect("the only job")
}

/// Dirty by day, clean from midnight to six.
fn night_valley(hour: u32) -> f64 {
    if hour < 6 { 100.0 } else { 500.0 }
}

#[test]
fn a_patient_job_waits_for_the_clean_hours() {
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(3.0)), ..spec("patient", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(6, 30.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded);
    let started = job.attempts[0].started_at.expect("it ran");
    assert!(hours(23.5) <= started && started <= hours(27.5), "it started at {started}");
    assert_eq!(job.epochs().count(), 6);
    let review = job.review.as_ref().expect("it is over");
    assert!(0.0 < review.saving_g, "waiting saved {} g", review.saving_g);
    assert_eq!(job.estimates.last().map(|estimate| estimate.source), Some(EstimateSource::Measured));
}

#[test]
fn a_long_first_epoch_is_measured_before_it_ends() {
    let declared = JobSpec { epochs: Some(3), ..spec("run-now", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![(hours(0.0), Happening::Submit(Box::new(declared), work(3, 600.0)))],
    );
    let job = only(&simulation);
    let first = job.estimates.iter().find(|estimate| estimate.source == EstimateSource::Measured).expect("one is");
    assert_eq!(first.after_epoch, 0, "the first of three epochs of ten hours is under way");
    assert!(first.at <= hours(5.1), "told at {}", first.at);
    let (told, truth) = (first.energy.median.get(), job.review.as_ref().expect("it is over").actual.energy.get());
    assert!((told / truth - 1.0).abs() < 0.02, "{told} J told, {truth} J used");
}

#[test]
fn an_elastic_job_comes_back_from_a_pause_with_as_many_workers_as_the_hour_is_worth() {
    // Clean from 4 to 6 and from 12 to 13; the deadline leaves no second night.
    let valleys = |hour: u32| match hour {
        4..6 => 20.0,
        6..12 => 300.0,
        12..13 => 60.0,
        _ => 500.0,
    };
    let declared = JobSpec {
        scaling: "1:1,2:1.9,4:3.4".parse().expect("a profile"),
        resources: Resources { cpus: 1, gpus: 1 },
        declared_duration: Some(Seconds::from_hours(8.0)),
        declared_power: Some(Watts::saturating(300.0)),
        deadline: Some(hours(14.0)),
        epochs: Some(32),
        ..spec("patient", true)
    };
    let gpus = Site { capacity: Resources { cpus: 4, gpus: 4 }, ..site("home", "GB", 4) };
    let simulation = run(
        world(vec![gpus]),
        vec![
            (hours(0.0), day_after_day("GB", valleys)),
            (hours(1.0), Happening::Submit(Box::new(declared), work(32, 15.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.notes);
    let workers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.workers.map_or(0, u32::from)).collect();
    // One to be measured, one for each clean stretch: no more are started than the hours ask for.
    assert_eq!(workers, [4, 4, 2]);
    for attempt in &job.attempts {
        let count = attempt.workers.map_or(0, u32::from);
        assert_eq!(attempt.devices.len(), usize::try_from(count).expect("few"), "a GPU for each worker: {attempt:?}");
    }
    // Epochs at four workers count as what they are: all predictions since the first measured ones are near the truth of what ran.
    let truth = job.review.as_ref().expect("it is over").actual.energy.get();
    let told =
        job.estimates.iter().filter(|estimate| 2 < estimate.after_epoch).map(|estimate| estimate.energy.median.get());
    let worst = told.map(|told| (told / truth - 1.0).abs()).fold(0.0, f64::max);
    assert!(worst < 0.03, "{worst} off at the worst");
}

#[test]
fn a_job_that_waits_is_not_let_go_just_before_its_window() {
    // From the fifteenth hour on waiting saves less than the policy asks of a decision to wait; this one was made before.
    let last_step = |hour: u32| match hour {
        0..15 => 500.0,
        15..17 => 103.0,
        _ => 100.0,
    };
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec("first", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", last_step)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(4, 30.0))),
            // News of the same: everything is planned anew.
            (hours(15.5), day_after_day("GB", last_step)),
        ],
    );
    let started = only(&simulation).attempts[0].started_at.expect("it ran");
    assert!(hours(17.0) <= started && started < hours(17.6), "it started at {started}");
}

#[test]
fn a_job_that_must_run_now_does() {
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0))),
        ],
    );
    let started = only(&simulation).attempts[0].started_at.expect("it ran");
    assert!(started < hours(12.1), "it started at {started}");
}

#[test]
fn a_job_that_follows_the_tide_goes_to_the_cleaner_site() {
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec("follow-the-tide", false) };
    let simulation = run(
        world(vec![site("home", "DE", 4), site("away", "SE", 4)]),
        vec![
            (hours(0.0), day_after_day("DE", |_| 500.0)),
            (hours(0.0), day_after_day("SE", |_| 30.0)),
            (hours(1.0), Happening::Submit(Box::new(declared), work(4, 30.0))),
        ],
    );
    assert_eq!(only(&simulation).attempts[0].site.as_str(), "away");
}

#[test]
fn a_job_with_checkpoints_is_probed_paused_and_resumed() {
    let mut declared = spec("patient", true);
    declared.epochs = Some(8);
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(8, 30.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
    assert!(2 <= job.attempts.len(), "it never paused: {:?}", job.plan);
    let first = job.attempts[0].started_at.expect("it ran");
    assert!(first < hours(12.5), "its probe waited until {first}");
    let indices: Vec<u32> = job.epochs().map(|epoch| epoch.index).collect();
    assert_eq!(indices, (1..=8).collect::<Vec<_>>(), "it went on from its checkpoint");
    let first_plan = job.estimates.first().map(|estimate| estimate.source);
    assert_ne!(first_plan, Some(EstimateSource::Measured));
}

#[test]
fn a_deadline_comes_before_carbon() {
    let mut urgent = spec("patient", false);
    urgent.declared_duration = Some(Seconds::from_hours(3.0));
    urgent.deadline = Some(hours(17.0));
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(urgent), work(6, 30.0))),
        ],
    );
    let ended = only(&simulation).attempts[0].ended_at.expect("it ended");
    assert!(ended <= hours(17.0), "it ended at {ended}");
}

#[test]
fn what_waits_for_another_starts_after_it_and_falls_with_it() {
    let after = |job| JobSpec { after: vec![JobId(job)], ..spec("run-now", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0))),
            (hours(0.0), Happening::Submit(Box::new(after(1)), TrueWork { exit_code: 3, ..work(1, 10.0) })),
            (hours(0.0), Happening::Submit(Box::new(after(2)), work(1, 10.0))),
        ],
    );
    let job = |id| simulation.engine().job(JobId(id)).expect("submitted");
    assert_eq!(job(1).state, JobState::Succeeded);
    let (ended, started) = (job(1).attempts[0].ended_at, job(2).attempts[0].started_at);
    assert!(ended.is_some() && ended <= started);
    assert_eq!(job(2).state.name(), "failed");
    assert_eq!(job(3).state, JobState::Cancelled);
    assert!(job(3).attempts.is_empty());
}

#[test]
fn a_full_site_makes_jobs_queue_and_all_end() {
    let submit = |at| (hours(at), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0)));
    let simulation = run(world(vec![site("home", "GB", 2)]), (0..7).map(|_| submit(0.0)).collect());
    assert!(simulation.engine().jobs().all(|job| job.state == JobState::Succeeded));
    // Seven hours of work on two processors.
    assert!(simulation.now() < hours(6.0), "the last ended at {}", simulation.now());
}

#[test]
fn a_job_that_came_first_yields_the_clean_hours_to_one_that_loses_more_without_them() {
    let levels = |hour| match hour {
        2 => 10.0,
        3 => 20.0,
        8 => 25.0,
        _ => 300.0,
    };
    let declared = |hours| {
        let spec = spec("patient", false);
        Box::new(JobSpec {
            declared_duration: Some(Seconds::from_hours(hours)),
            declared_power: Some(Watts::saturating(300.0)),
            ..spec
        })
    };
    let simulation = run(
        world(vec![site("here", "A", 1)]),
        vec![
            (hours(0.0), day_after_day("A", levels)),
            (hours(0.1), Happening::Submit(declared(0.9), work(1, 54.0))),
            (hours(0.1), Happening::Submit(declared(1.9), work(1, 114.0))),
            // A forecast that says the same: now both are there when plans are made better together.
            (hours(0.2), day_after_day("A", levels)),
        ],
    );
    let started = |id| {
        let job = simulation.engine().job(JobId(id)).expect("submitted");
        job.attempts[0].started_at.expect("it ran")
    };
    assert!(hours(7.9) <= started(1) && started(1) < hours(9.0), "the short one at {}", started(1));
    assert!(hours(1.9) <= started(2) && started(2) < hours(2.2), "the long one at {}", started(2));
}

#[test]
fn a_job_over_its_limit_waits_for_a_person() {
    let mut heavy = spec("strict-budget", false);
    heavy.declared_duration = Some(Seconds::from_hours(500.0));
    heavy.declared_power = Some(Watts::saturating(5000.0));
    let mut simulation = Simulation::new(
        hours(0.0),
        world(vec![site("home", "GB", 2)]),
        vec![(hours(0.0), Happening::Submit(Box::new(heavy), work(2, 30.0)))],
        Faults::default(),
        1,
    );
    simulation.run(hours(48.0)).expect("no rule is broken");
    assert_eq!(only(&simulation).state.name(), "held", "{:?}", only(&simulation).notes);
    assert!(only(&simulation).attempts.is_empty());
}

#[test]
fn a_plan_without_room_says_so() {
    let mut wide = spec("patient", false);
    wide.resources.cpus = 9;
    let mut engine = Engine::new();
    engine.step(hours(0.0), lowtide_engine::Event::Configured(Box::new(world(vec![site("home", "GB", 2)]))));
    assert!(engine.may_submit(hours(0.0), &wide).is_err());
    wide.resources.cpus = 2;
    let job = engine.dry_run(hours(0.0), wide).expect("it fits");
    assert_ne!(job.plan.map(|plan| plan.reason), Some(Reason::NoCapacity));
}

/// Everything a scenario may hold.
/// Issues every half hour, four days ahead and with the day before as measured, but not between `from` and `to`.
fn issues_but(from: f64, to: f64) -> Vec<(Timestamp, Happening)> {
    let issue = |half: u32| {
        let (at, first) = (f64::from(half) / 2.0, half / 2 - 24);
        let slots = (first..first + 120)
            .map(|hour| Slot {
                window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
                intensity: GramsPerKwh::saturating(night_valley(hour % 24)),
                band: None,
                kind: if hour < first + 24 { Kind::Measured } else { Kind::Forecast },
            })
            .collect();
        let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
        let zone = ZoneId::new("GB").expect("a name");
        let forecast = Forecast::new(zone, tags, hours(at), hours(at), "test".into(), None, slots);
        (hours(at), Happening::Issue(Box::new(forecast.expect("in order"))))
    };
    (48..240).filter(|half| !(from..to).contains(&(f64::from(*half) / 2.0))).map(issue).collect()
}

#[test]
fn a_day_without_the_provider_changes_no_jobs_fate_but_its_wait() {
    let fates = |outage: (f64, f64)| {
        let mut happenings = issues_but(outage.0, outage.1);
        for (number, policy) in (0..24).zip(["patient", "run-now", "follow-the-tide"].into_iter().cycle()) {
            let declared =
                JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec(policy, number % 2 == 0) };
            happenings
                .push((hours(48.0 + 2.0 * f64::from(number)), Happening::Submit(Box::new(declared), work(4, 30.0))));
        }
        let simulation = run(world(vec![site("home", "GB", 4)]), happenings);
        let fate = |job: &Job| (job.id, job.state.clone(), job.epochs().count());
        simulation.engine().jobs().map(fate).collect::<Vec<_>>()
    };
    let undisturbed = fates((0.0, 0.0));
    assert!(undisturbed.iter().all(|(_, state, epochs)| *state == JobState::Succeeded && *epochs == 4));
    assert_eq!(fates((60.0, 84.0)), undisturbed);
    // The same where nothing was ever told before.
    assert_eq!(fates((0.0, 84.0)), undisturbed);
}

fn happenings() -> impl Strategy<Value = Vec<(f64, Draw)>> {
    let policies = prop_oneof![
        Just("run-now"),
        Just("patient"),
        Just("follow-the-tide"),
        Just("overnight"),
        Just("strict-budget")
    ];
    let width = (1..3_u32, prop_oneof![3 => Just(""), 1 => Just("1:1,2:1.8")]);
    let submit =
        (policies, any::<bool>(), 1..6_u32, 5.0..90.0_f64, width, prop_oneof![4 => Just(0), 1 => Just(3)], turn())
            .prop_map(|(policy, checkpoint, epochs, minutes, (cpus, workers), exit_code, turn)| Draw::Submit {
                policy,
                checkpoint,
                epochs,
                minutes,
                cpus,
                workers,
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

#[derive(Debug, Clone)]
enum Draw {
    Submit {
        policy: &'static str,
        checkpoint: bool,
        epochs: u32,
        minutes: f64,
        cpus: u32,
        workers: &'static str,
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
            Draw::Submit { policy, checkpoint, epochs, minutes, cpus, workers, exit_code, turn } => {
                let mut spec = spec(policy, checkpoint);
                spec.resources.cpus = cpus;
                spec.scaling = workers.parse().unwrap_or_default();
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
        let faults = Faults {
            crash_before_effects: 0.03,
            repeated_report: 0.1,
            refused_start: 0.1,
            vanished_attempt: 0.01,
        };
        let two_sites = World { budgets, fair_share, ..world(vec![site("home", "GB", 2), site("away", "SE", 3)]) };
        let mut simulation = Simulation::new(hours(0.0), two_sites, scenario(draws), faults, seed);
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
        let faults = Faults { crash_before_effects: 0.03, repeated_report: 0.1, refused_start: 0.1, vanished_attempt: 0.01 };
        let two_sites = World { fair_share, ..world(vec![site("home", "GB", 2), site("away", "SE", 3)]) };
        let mut simulation = Simulation::new(hours(0.0), two_sites, scenario(draws), faults, seed);
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
        let two_sites = World { budgets, fair_share, ..world(vec![site("home", "GB", 2), site("away", "SE", 3)]) };
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
