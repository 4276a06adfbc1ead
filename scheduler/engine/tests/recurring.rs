//! Recurring jobs over simulated months: each occurrence once, none twice after a crash, by the wall's clock in summer and
//! winter, within its slack, and never two at once unless asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{Engine, Event, Settings, World};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::recurring::{Overlap, Recurrence, RecurringId};
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::JobState;
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn world() -> World {
    let site = Site::like_the_reference(
        SiteId::new("home").expect("a name"),
        ZoneId::new("DK1").expect("a name"),
        Resources { cpus: 8, gpus: 0 },
        GramsPerKwh::saturating(150.0),
    );
    let mut policies: BTreeMap<PolicyId, String> =
        builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    // As `patient`, but of starts that are as good it takes the first.
    policies.insert(PolicyId::new("first").expect("a name"), "extends = \"patient\"\nspread = 0.0\n".to_owned());
    let time_zone = Some("Europe/Copenhagen".to_owned());
    World {
        sites: vec![site],
        policies,
        time_zone,
        budgets: Vec::new(),
        fair_share: None,
        settings: Settings::default(),
    }
}

fn spec(policy: &str) -> JobSpec {
    let policy = PolicyId::new(policy).expect("a name");
    JobSpec {
        declared_duration: Some(Seconds::from_hours(1.0)),
        ..JobSpec::of_command(vec!["train".into()], PathBuf::from("/"), "ada".into(), policy)
    }
}

fn every(cron: &str) -> Recurrence {
    Recurrence { cron: cron.into(), zone: None, early: Seconds::ZERO, slack: None, overlap: Overlap::Skip }
}

/// Work of this many hours in two epochs.
fn work(hours: f64) -> TrueWork {
    TrueWork { epochs: 2, epoch: Seconds::from_hours(hours / 2.0), power: Watts::saturating(300.0), exit_code: 0 }
}

fn schedule(policy: &str, recurrence: Recurrence, hours: f64) -> Happening {
    Happening::Schedule(Box::new(spec(policy)), Box::new(recurrence), work(hours))
}

fn simulate(start: &str, happenings: Vec<(Timestamp, Happening)>, until: Timestamp) -> Simulation {
    let mut simulation = Simulation::new(at(start), world(), happenings, Faults::default(), 1);
    simulation.run(until).expect("no rule is broken");
    simulation
}

fn began(job: &Job) -> Timestamp {
    job.attempts.first().and_then(|attempt| attempt.started_at).expect("it ran")
}

#[test]
fn two_in_the_night_is_two_on_the_wall_in_winter_and_summer() {
    // The clock of Copenhagen goes forward at 02:00 on 29 March 2026 and back at 03:00 on 25 October 2026.
    for (start, end, skipped) in [
        ("2026-03-26T12:00:00Z", "2026-04-02T12:00:00Z", true),
        ("2026-10-22T12:00:00Z", "2026-10-29T12:00:00Z", false),
    ] {
        let simulation = simulate(start, vec![(at(start), schedule("run-now", every("30 2 * * *"), 1.0))], at(end));
        let zone = TimeZone::get("Europe/Copenhagen").expect("a zone");
        let civil: Vec<String> = simulation
            .engine()
            .jobs()
            .map(|job| job.submitted_at.to_zoned(zone.clone()).strftime("%d %H:%M").to_string())
            .collect();
        assert_eq!(civil.len(), 7, "one a day, also in the night of the change: {civil:?}");
        let late: Vec<&String> = civil.iter().filter(|time| !time.ends_with("02:30")).collect();
        // Half past two does not exist in the night in which the clock goes forward.
        assert_eq!(late, if skipped { vec!["29 03:30"] } else { vec![] }, "{civil:?}");
    }
}

#[test]
fn an_occurrence_starts_within_its_slack_when_the_grid_is_cleanest() {
    let start = "2026-11-02T00:00:00Z";
    let hour = |hour: i64| at(start) + hour.hours();
    // Clean from 04:00 to 06:00 UTC, and cleaner still from 08:00 on, which is beyond the slack.
    let slots = (0..96).map(|number| Slot {
        window: Window::new(hour(number), hour(number + 1)).expect("an hour"),
        intensity: GramsPerKwh::saturating(match number % 24 {
            4..6 => 100.0,
            8..10 => 10.0,
            _ => 500.0,
        }),
        band: None,
        kind: Kind::Forecast,
    });
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let zone = ZoneId::new("DK1").expect("a name");
    let forecast = Forecast::new(zone, tags, hour(0), hour(0), "test".into(), None, slots.collect()).expect("in order");
    let recurrence = Recurrence {
        zone: Some("UTC".into()),
        slack: Some(Seconds::from_hours(4.0)),
        early: Seconds::from_hours(1.0),
        ..every("0 2 * * *")
    };
    let happenings =
        vec![(hour(0), Happening::Issue(Box::new(forecast))), (hour(0), schedule("first", recurrence, 1.0))];
    let simulation = simulate(start, happenings, hour(48));
    let begun: Vec<Timestamp> = simulation.engine().jobs().map(began).collect();
    assert_eq!(begun.len(), 2);
    for (day, begun) in (0..).zip(&begun) {
        let nominal = hour(24 * day + 2);
        let clean = hour(24 * day + 4);
        assert!(clean <= *begun && *begun < clean + 30.minutes(), "{begun} for {nominal}");
    }
    // It may start an hour before its time, and has to be done when the next one comes.
    let first = simulation.engine().job(JobId(1)).expect("made");
    assert_eq!((first.submitted_at, first.spec.deadline), (hour(1), Some(hour(26))));
}

#[test]
fn an_occurrence_that_comes_while_the_one_before_it_runs_is_left_out_or_queued() {
    let start = "2026-11-02T00:00:00Z";
    // Each needs 100 minutes of an hour.
    let run = |overlap| {
        let recurrence = Recurrence { overlap, ..every("0 * * * *") };
        simulate(start, vec![(at(start), schedule("run-now", recurrence, 100.0 / 60.0))], at("2026-11-02T08:30:00Z"))
    };
    let skipping = run(Overlap::Skip);
    let times: Vec<i8> = skipping.engine().jobs().map(|job| job.submitted_at.to_zoned(TimeZone::UTC).hour()).collect();
    assert_eq!(times, [1, 3, 5, 7]);
    let recurring = skipping.engine().recurring().next().expect("scheduled");
    assert!(recurring.notes.iter().any(|note| note.text.contains("left out: job 1 is not yet over")), "{recurring:?}");

    let queueing = run(Overlap::Queue);
    let jobs: Vec<&Job> = queueing.engine().jobs().collect();
    for pair in jobs.windows(2) {
        let ended = pair[0].attempts[0].ended_at.expect("over");
        assert!(ended <= pair[1].submitted_at && pair[1].submitted_at < ended + 1.minute(), "one after the other");
    }
    assert_eq!(jobs.len(), 5);
}

#[test]
fn after_a_downtime_only_the_last_missed_occurrence_comes() {
    let start = at("2026-11-02T00:00:00Z");
    let mut engine = Engine::new();
    engine.step(start, Event::Configured(Box::new(world())));
    let recurrence = Box::new(Recurrence { zone: Some("UTC".into()), ..every("0 2 * * *") });
    let id = RecurringId(1);
    engine.step(start, Event::Scheduled { id, spec: Box::new(spec("run-now")), recurrence, key: None });
    assert_eq!(engine.next_wake(start), Some(at("2026-11-02T02:00:00Z")), "the engine itself asks to be woken");
    engine.step(at("2026-11-07T09:00:00Z"), Event::Tick);
    assert_eq!(engine.jobs().count(), 1);
    let recurring = engine.recurring().next().expect("scheduled");
    assert_eq!(recurring.handled_to, at("2026-11-07T02:00:00Z"));
    assert!(recurring.notes[0].text.contains("5 occurrences were missed"), "{recurring:?}");
    assert_eq!(engine.next_occurrences(id, 2), [at("2026-11-08T02:00:00Z"), at("2026-11-09T02:00:00Z")]);
}

#[test]
fn a_cancelled_one_recurs_no_more_and_leaves_its_jobs_alone() {
    let start = at("2026-11-02T00:00:00Z");
    let mut engine = Engine::new();
    engine.step(start, Event::Configured(Box::new(world())));
    let id = RecurringId(1);
    let recurrence = Box::new(every("0 2 * * *"));
    engine.step(start, Event::Scheduled { id, spec: Box::new(spec("run-now")), recurrence, key: None });
    engine.step(at("2026-11-02T02:00:00Z"), Event::Tick);
    engine.step(at("2026-11-02T03:00:00Z"), Event::Unscheduled { id, saying: lowtide_engine::Saying::default() });
    engine.step(at("2026-12-02T03:00:00Z"), Event::Tick);
    assert_eq!(engine.jobs().count(), 1);
    assert!(!engine.job(JobId(1)).expect("made").state.is_final());
    assert!(engine.may_unschedule(id).is_err() && engine.next_occurrences(id, 3).is_empty());
}

#[test]
fn what_cannot_recur_is_refused_with_the_reason() {
    let mut engine = Engine::new();
    let now = at("2026-11-02T00:00:00Z");
    engine.step(now, Event::Configured(Box::new(world())));
    let refused = |recurrence: Recurrence| {
        engine.may_schedule(now, &spec("run-now"), &recurrence).expect_err("refused").to_string()
    };
    assert!(refused(every("0 2 * *")).contains("five fields"));
    assert!(refused(every("0 0 30 2 *")).contains("never comes"));
    assert!(refused(Recurrence { zone: Some("Mars/Olympus".into()), ..every("0 2 * * *") }).contains("Mars"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Four months around a change of the clock, with crashes at any time and between commit and effect.
    #[test]
    fn each_occurrence_comes_once_whatever_crashes(
        crashes in prop::collection::vec(0_i64..120 * 24 * 60, 0..12),
        hour in 0_u8..24,
        weekdays in prop_oneof![Just("*"), Just("1-5"), Just("MON,THU")],
        seed in any::<u64>(),
    ) {
        let start = at("2026-08-01T00:00:00Z");
        let end = start + (120 * 24).hours();
        let cron = format!("17 {hour} * * {weekdays}");
        let mut happenings = vec![(start, schedule("run-now", every(&cron), 1.0))];
        happenings.extend(crashes.into_iter().map(|minute| (start + minute.minutes(), Happening::Crash)));
        let faults = Faults { crash_before_effects: 0.02, repeated_report: 0.05, ..Faults::default() };
        let mut simulation = Simulation::new(start, world(), happenings, faults, seed);
        if let Err(broken) = simulation.run(end) {
            return Err(TestCaseError::fail(broken));
        }
        let timetable = lowtide_planner::policy::timetable::Timetable::new(&cron, Seconds::saturating(1.0), None)
            .expect("good")
            .in_local_zone(&TimeZone::get("Europe/Copenhagen").expect("a zone"));
        let made: Vec<Timestamp> = simulation.engine().jobs().map(|job| job.submitted_at).collect();
        prop_assert_eq!(made, timetable.starts_between(start, end));
        let stuck = simulation.engine().jobs().filter(|job| job.state != JobState::Succeeded).count();
        prop_assert!(stuck <= 1, "but for the last one all are done");
    }

    #[test]
    fn the_journal_replayed_makes_the_same_jobs(hour in 0_u8..24, minutes in 10.0..2000.0_f64, queue in any::<bool>()) {
        let start = at("2026-10-01T00:00:00Z");
        let overlap = if queue { Overlap::Queue } else { Overlap::Skip };
        let recurrence = Recurrence { overlap, ..every(&format!("5 {hour} * * *")) };
        let happenings = vec![(start, schedule("patient", recurrence, minutes / 60.0))];
        let mut simulation = Simulation::new(start, world(), happenings, Faults::default(), 3);
        simulation.run(start + (40 * 24).hours()).expect("no rule is broken");
        let replayed = Engine::replay(simulation.journal().iter().cloned());
        prop_assert!(replayed.recurring().eq(simulation.engine().recurring()));
        prop_assert!(replayed.jobs().eq(simulation.engine().jobs()));
        prop_assert!(10 < replayed.jobs().count());
    }
}
