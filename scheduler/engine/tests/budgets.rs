//! Carbon budgets over simulated days: who runs, who waits for room, who waits for a person, and that a restart and a
//! replay of the journal come to the same account.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{BudgetStatus, Engine, Settings, UserAction, World};
use lowtide_model::budget::{Budget, BudgetAction, Period, Quantile, Scope};
use lowtide_model::identity::{BudgetId, JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsCo2e, GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::JobState;
use lowtide_planner::policy::builtin_texts;

const START: i64 = 1_700_006_400; // 2023-11-15T00:00:00Z

fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::from_second(START).expect("in range"))
}

/// One site of 400 g/kWh at any hour, so that a kilowatt-hour is 400 g, and this budget a day.
fn world(grams: f64, action: BudgetAction, pause: bool) -> World {
    let site = Site::like_the_reference(
        SiteId::new("home").expect("a name"),
        ZoneId::new("GB").expect("a name"),
        Resources { cpus: 8, gpus: 0 },
        GramsPerKwh::saturating(400.0),
    );
    let budget = Budget {
        name: BudgetId::new("team").expect("a name"),
        limit: GramsCo2e::saturating(grams),
        period: Period::Day,
        zone: None,
        scope: Scope { project: None, user: Some("ada".into()) },
        action,
        quantile: Quantile::Median,
        pause,
    };
    let policies: BTreeMap<PolicyId, String> =
        builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    World {
        sites: vec![site],
        policies,
        time_zone: None,
        budgets: vec![budget],
        fair_share: None,
        settings: Settings::default(),
    }
}

/// A job of an hour that says it draws a kilowatt: 400 g.
fn spec(user: &str) -> JobSpec {
    let policy = PolicyId::new("run-now").expect("a name");
    JobSpec {
        declared_duration: Some(Seconds::from_hours(1.0)),
        declared_power: Some(Watts::saturating(1000.0)),
        ..JobSpec::of_command(vec!["train".into()], PathBuf::from("/"), user.into(), policy)
    }
}

/// Four quarters of an hour at this power.
fn work(watts: f64) -> TrueWork {
    TrueWork { epochs: 4, epoch: Seconds::from_hours(0.25), power: Watts::saturating(watts), exit_code: 0 }
}

fn submit(at: f64, spec: JobSpec, watts: f64) -> (Timestamp, Happening) {
    (hours(at), Happening::Submit(Box::new(spec), work(watts)))
}

fn simulate(world: World, happenings: Vec<(Timestamp, Happening)>, until: f64) -> Simulation {
    let mut simulation = Simulation::new(hours(0.0), world, happenings, Faults::default(), 1);
    simulation.run(hours(until)).expect("no rule is broken");
    simulation
}

fn job(simulation: &Simulation, id: u64) -> &Job {
    simulation.engine().job(JobId(id)).expect("submitted")
}

fn started(simulation: &Simulation, id: u64) -> Timestamp {
    job(simulation, id).attempts.first().and_then(|attempt| attempt.started_at).expect("it ran")
}

fn notes(simulation: &Simulation, id: u64) -> String {
    let texts: Vec<&str> = job(simulation, id).notes.iter().map(|note| note.text.as_str()).collect();
    texts.join("\n")
}

fn status(simulation: &Simulation) -> BudgetStatus {
    simulation.engine().budgets(simulation.now()).remove(0)
}

#[test]
fn held_jobs_go_one_by_one_as_the_budget_begins_anew() {
    let jobs = || (0..3).map(|_| submit(1.0, spec("ada"), 1000.0)).chain([submit(1.0, spec("bob"), 1000.0)]).collect();
    let simulation = simulate(world(500.0, BudgetAction::Hold, false), jobs(), 2.0);
    assert_eq!(job(&simulation, 2).state.name(), "held");
    assert_eq!(started(&simulation, 4), started(&simulation, 1), "bob has no budget");
    assert_eq!(status(&simulation).held, [JobId(2), JobId(3)]);
    let said = notes(&simulation, 2);
    for part in ["`team`", "400 g", "100 g of 500 g a day are left", "Thu 16 Nov 00:00 UTC", "`lowtide release 2`"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }

    let simulation = simulate(world(500.0, BudgetAction::Hold, false), jobs(), 96.0);
    for (id, day) in [(1, 0.0), (2, 24.0), (3, 48.0)] {
        let begun = started(&simulation, id);
        assert!(hours(day) <= begun && begun < hours(day + 1.6), "job {id} began at {begun}");
        assert_eq!(job(&simulation, id).state, JobState::Succeeded);
    }
}

#[test]
fn deferred_jobs_are_planned_into_the_next_days_with_room() {
    let jobs = (0..3).map(|_| submit(1.0, spec("ada"), 1000.0)).collect();
    let mut simulation = simulate(world(500.0, BudgetAction::Defer, false), jobs, 2.0);
    for (id, day) in [(2, 24.0), (3, 48.0)] {
        let waits = job(&simulation, id);
        assert_eq!(waits.state, JobState::Waiting);
        assert_eq!(waits.plan.as_ref().and_then(lowtide_model::plan::Plan::start), Some(hours(day)), "{waits:#?}");
    }
    assert_eq!(status(&simulation).deferred, [JobId(2), JobId(3)]);
    simulation.run(hours(96.0)).expect("no rule is broken");
    assert!(simulation.engine().jobs().all(|job| job.state == JobState::Succeeded));
    assert!(hours(48.0) <= started(&simulation, 3));
}

#[test]
fn a_job_whose_deadline_is_before_the_next_period_is_held_and_not_deferred() {
    let urgent = JobSpec { deadline: Some(hours(20.0)), ..spec("ada") };
    let jobs = vec![submit(1.0, spec("ada"), 1000.0), submit(1.1, urgent, 1000.0)];
    let simulation = simulate(world(500.0, BudgetAction::Defer, false), jobs, 3.0);
    assert_eq!(job(&simulation, 2).state.name(), "held");
    assert!(notes(&simulation, 2).contains("after its deadline"), "{}", notes(&simulation, 2));
}

#[test]
fn a_job_that_no_period_can_hold_waits_for_a_person_and_says_so() {
    for action in [BudgetAction::Hold, BudgetAction::Defer] {
        let simulation = simulate(world(300.0, action, false), vec![submit(1.0, spec("ada"), 1000.0)], 200.0);
        assert_eq!(job(&simulation, 1).state.name(), "held");
        assert!(notes(&simulation, 1).contains("the whole budget is too small for it"), "{}", notes(&simulation, 1));
    }
}

#[test]
fn a_held_job_goes_when_another_turns_out_to_need_less() {
    // The first draws a tenth of what was declared: its first epoch tells.
    let jobs = vec![submit(1.0, spec("ada"), 100.0), submit(1.0, spec("ada"), 1000.0)];
    let simulation = simulate(world(500.0, BudgetAction::Hold, false), jobs, 30.0);
    assert!(notes(&simulation, 2).contains("held"), "{}", notes(&simulation, 2));
    let begun = started(&simulation, 2);
    assert!(hours(1.2) < begun && begun < hours(2.3), "it began at {begun}");
}

#[test]
fn a_released_job_runs_over_the_budget_and_is_not_held_again() {
    let release = (hours(2.0), Happening::Ask(JobId(2), UserAction::Release));
    let jobs = vec![submit(1.0, spec("ada"), 1000.0), submit(1.0, spec("ada"), 1000.0), release];
    let simulation = simulate(world(500.0, BudgetAction::Hold, false), jobs, 10.0);
    let approved = job(&simulation, 2);
    assert_eq!(approved.state, JobState::Succeeded);
    assert!(hours(2.0) <= started(&simulation, 2) && started(&simulation, 2) < hours(2.1));
    assert_eq!(approved.approvals.len(), 1);
    assert!(notes(&simulation, 2).contains("approved beyond budget `team`, up to 600 g"), "{}", notes(&simulation, 2));
    assert!((status(&simulation).usage.settled.get() - 800.0).abs() < 20.0, "{:?}", status(&simulation).usage);
}

#[test]
fn an_approval_keeps_who_gave_it_and_why_and_stands_when_all_is_planned_anew() {
    let mut engine = Engine::new();
    let step = |engine: &mut Engine, at, event| drop(engine.step(hours(at), event));
    let of = |grams| Box::new(world(grams, BudgetAction::Hold, false));
    step(&mut engine, 0.0, lowtide_engine::Event::Configured(of(100.0)));
    let waits = JobSpec { resources: Resources { cpus: 8, gpus: 0 }, ..spec("bob") };
    step(&mut engine, 1.0, lowtide_engine::Event::Submitted { id: JobId(1), spec: Box::new(waits) });
    let wide = JobSpec { resources: Resources { cpus: 8, gpus: 0 }, ..spec("ada") };
    step(&mut engine, 1.0, lowtide_engine::Event::Submitted { id: JobId(2), spec: Box::new(wide) });
    let state = |engine: &Engine| engine.job(JobId(2)).expect("there").state.name();
    assert_eq!(state(&engine), "held");
    let saying = lowtide_engine::Saying { by: Some("grace".into()), reason: Some("the paper is due".into()) };
    step(&mut engine, 1.1, lowtide_engine::Event::Asked { job: JobId(2), action: UserAction::Release, saying });
    assert_eq!(state(&engine), "waiting");
    step(&mut engine, 1.2, lowtide_engine::Event::Configured(of(100.0)));
    step(&mut engine, 1.2, lowtide_engine::Event::Tick);
    assert_eq!(state(&engine), "waiting", "approved is approved");
    let approval = &engine.job(JobId(2)).expect("there").approvals[0];
    assert_eq!((approval.by.as_deref(), approval.reason.as_deref()), (Some("grace"), Some("the paper is due")));
    assert!((approval.up_to.get() - 400.0 * lowtide_engine::APPROVED_GROWTH).abs() < 1.0, "{approval:?}");
}

#[test]
fn an_approval_ends_where_the_prediction_outgrows_it() {
    // Said to need 1.2 kg, over its policy's limit of 1 kg; it draws this many times what it said.
    let run = |times: f64| {
        let heavy = JobSpec {
            policy: PolicyId::new("strict-budget").expect("a name"),
            declared_power: Some(Watts::saturating(3000.0)),
            checkpoint: Some(Checkpoint { signal: 15, grace_s: 30 }),
            epochs: Some(4),
            ..spec("bob")
        };
        let ask = |at, action| (hours(at), Happening::Ask(JobId(1), action));
        let happenings = vec![
            submit(1.0, heavy, 3000.0 * times),
            ask(2.0, UserAction::Release),
            // In vain where it is not paused.
            ask(6.0, UserAction::Resume),
        ];
        simulate(world(1e6, BudgetAction::Hold, false), happenings, 12.0)
    };
    let little_more = run(1.3);
    assert_eq!(job(&little_more, 1).state, JobState::Succeeded, "{}", notes(&little_more, 1));
    assert_eq!((job(&little_more, 1).attempts.len(), job(&little_more, 1).approvals.len()), (1, 1));

    let twice = run(2.0);
    assert!(notes(&twice, 1).contains("paused until it is resumed"), "{}", notes(&twice, 1));
    let approvals = &job(&twice, 1).approvals;
    assert_eq!((job(&twice, 1).attempts.len(), approvals.len()), (2, 2), "{}", notes(&twice, 1));
    assert!(hours(6.0) <= job(&twice, 1).attempts[1].ordered_at);
    assert!((approvals[1].up_to.get() / approvals[0].up_to.get() - 2.0).abs() < 0.2, "{approvals:?}");
    assert_eq!(job(&twice, 1).state, JobState::Succeeded, "{}", notes(&twice, 1));
}

#[test]
fn a_running_job_that_can_pause_does_so_when_the_budget_is_used_up_and_goes_on_the_next_day() {
    let can_pause =
        JobSpec { checkpoint: Some(Checkpoint { signal: 15, grace_s: 30 }), epochs: Some(4), ..spec("ada") };
    // It draws twice what it said; the budget is used up at its half.
    let run = |pause| {
        let jobs = vec![submit(
            1.0,
            JobSpec { policy: PolicyId::new("patient").expect("a name"), ..can_pause.clone() },
            2000.0,
        )];
        simulate(world(400.0, BudgetAction::Hold, pause), jobs, 80.0)
    };
    let paused = run(true);
    let paused_job = job(&paused, 1);
    assert_eq!(paused_job.state, JobState::Succeeded, "{:#?}", paused_job.notes);
    assert_eq!(paused_job.attempts.len(), 2, "{}", notes(&paused, 1));
    assert!(hours(24.0) <= paused_job.attempts[1].ordered_at);
    assert!(notes(&paused, 1).contains("is used up"), "{}", notes(&paused, 1));
    let indices: Vec<u32> = paused_job.epochs().map(|epoch| epoch.index).collect();
    assert_eq!(indices, [1, 2, 3, 4], "nothing of its work was lost");

    let unasked = run(false);
    assert_eq!(job(&unasked, 1).attempts.len(), 1);
    assert!(notes(&unasked, 1).contains("it has begun and runs on"), "{}", notes(&unasked, 1));
}

#[test]
fn run_now_does_not_go_past_a_budget_but_asks_for_a_person() {
    let run_now = (hours(2.0), Happening::Ask(JobId(2), UserAction::RunNow));
    let jobs = vec![submit(1.0, spec("ada"), 1000.0), submit(1.0, spec("ada"), 1000.0), run_now];
    let simulation = simulate(world(500.0, BudgetAction::Defer, false), jobs, 3.0);
    assert_eq!(job(&simulation, 2).state.name(), "held");
    assert_eq!(status(&simulation).held, [JobId(2)]);
}

#[test]
fn a_budget_that_warns_stops_nobody() {
    let jobs = (0..2).map(|_| submit(1.0, spec("ada"), 1000.0)).collect();
    let simulation = simulate(world(500.0, BudgetAction::Warn, false), jobs, 5.0);
    assert!(started(&simulation, 2) < hours(1.1));
    assert!(notes(&simulation, 2).contains("runs all the same"), "{}", notes(&simulation, 2));
}

#[test]
fn a_crash_changes_no_account_and_loses_no_held_job() {
    let jobs = |crashes: &[f64]| -> Vec<_> {
        let crash = |at: &f64| (hours(*at), Happening::Crash);
        (0..3).map(|_| submit(1.0, spec("ada"), 1000.0)).chain(crashes.iter().map(crash)).collect()
    };
    let undisturbed = simulate(world(500.0, BudgetAction::Hold, false), jobs(&[]), 27.0);
    let crashed = simulate(world(500.0, BudgetAction::Hold, false), jobs(&[1.3, 5.0, 20.0]), 27.0);
    let (before, after) = (status(&undisturbed), status(&crashed));
    assert_eq!((&before.held, &before.period), (&after.held, &after.period));
    assert!((before.usage.taken().get() - after.usage.taken().get()).abs() < 1.0, "{before:?} {after:?}");
    assert!((started(&crashed, 2).duration_since(hours(24.0)).as_secs_f64()) < 600.0);

    let replayed = Engine::replay(undisturbed.journal().iter().cloned());
    assert_eq!(replayed.budgets(undisturbed.now()), undisturbed.engine().budgets(undisturbed.now()));
}
