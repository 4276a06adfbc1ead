//! What is acknowledged is there, whatever happens to the process; what cannot be used is said to be so and left alone.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use lowtide_model::course::Course;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Role, Signal, Slot, Tags};
use lowtide_model::history::{ImportedRun, PastRun};
use lowtide_model::identity::{JobId, PolicyId, ZoneId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds};
use lowtide_model::window::Window;
use lowtide_store::{Batch, Decision, EffectRow, Issued, JournalEntry, SCHEMA_VERSION, Store, StoreError};
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn job(id: u64) -> Job {
    let policy = PolicyId::new("patient").expect("a name");
    let mut spec = JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), policy);
    spec.project = Some("vision".into());
    Job::submitted(JobId(id), spec, at(0))
}

fn batch_of(id: u64) -> Batch {
    let event =
        JournalEntry { at: at(1), kind: "submitted".into(), job: Some(JobId(id)), payload: "{}".into(), told: None };
    Batch {
        events: vec![event],
        jobs: vec![job(id)],
        submissions: vec![(format!("key-{id}"), JobId(id))],
        ..Batch::default()
    }
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    let mut store = Store::open(&path).expect("a new database");
    let effect = |id| EffectRow { id, at: at(2), job: JobId(1), kind: "start".into(), payload: "{}".into() };
    store.commit(&Batch { effects: vec![effect(1), effect(2)], ..batch_of(1) }).expect("committed");
    store.commit(&Batch { confirmed: vec![2], ..batch_of(2) }).expect("committed");
    drop(store);

    let store = Store::open(&path).expect("the database");
    assert_eq!(store.all_jobs().expect("jobs"), vec![job(1), job(2)]);
    assert_eq!(store.job(JobId(2)).expect("read"), Some(job(2)));
    assert_eq!(store.job(JobId(9)).expect("read"), None);
    assert_eq!(store.unconfirmed_effects().expect("effects"), vec![effect(1)]);
    assert_eq!(store.highest_effect_id().expect("read"), Some(2), "a confirmed effect's number is not given again");
    assert_eq!(store.highest_job_id().expect("read"), Some(JobId(2)));
    assert_eq!(store.submission("key-2").expect("read"), Some(JobId(2)));
    assert_eq!(store.submission("key-3").expect("read"), None);
    let mut kinds = Vec::new();
    store.journal(2, |number, entry| kinds.push((number, entry.job))).expect("the journal");
    assert_eq!(kinds, vec![(2, Some(JobId(2)))]);
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
    // An effect of a job that does not exist breaks a foreign key, after the event and the job were written.
    let orphan = EffectRow { id: 1, at: at(2), job: JobId(77), kind: "start".into(), payload: "{}".into() };
    assert!(store.commit(&Batch { effects: vec![orphan], ..batch_of(1) }).is_err());
    assert_eq!(store.all_jobs().expect("jobs"), Vec::new());
    store.commit(&batch_of(1)).expect("the store is usable after a refused batch");
    assert_eq!(store.all_jobs().expect("jobs").len(), 1);
}

#[test]
fn an_imported_run_takes_the_place_of_what_was_known_of_its_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    let run = |origin: &str, name: &str, seconds: f64| ImportedRun {
        origin: origin.into(),
        project: None,
        name: name.into(),
        run: PastRun {
            duration: Seconds::saturating(seconds),
            energy: Joules::saturating(1e6),
            epochs: Some(3),
            course: Course::of(Some(5), &[(Seconds::saturating(1.0), Joules::saturating(2.5))]),
        },
    };
    let mut store = Store::open(&path).expect("a new database");
    let imports = vec![run("a", "resnet", 60.0), run("b", "vgg", 70.0)];
    store.commit(&Batch { imports, ..Batch::default() }).expect("committed");
    store.commit(&Batch { imports: vec![run("a", "better", 61.0)], ..Batch::default() }).expect("committed");
    drop(store);
    let store = Store::open(&path).expect("the same database");
    assert_eq!(store.imports().expect("read"), [run("a", "better", 61.0), run("b", "vgg", 70.0)]);
}

#[test]
fn forecasts_are_kept_as_issued() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
    let forecast = |zone: &str, fetched: i64, intensity: f64| {
        let slot = Slot {
            window: Window::new(at(0), at(3600)).expect("an hour"),
            intensity: GramsPerKwh::saturating(intensity),
            band: None,
            kind: Kind::Forecast,
        };
        let tags = Tags { signal: Signal::Average, basis: Basis::Direct, accounting: Accounting::Consumption };
        let zone = ZoneId::new(zone).expect("a name");
        Forecast::new(zone, tags, at(fetched), at(fetched), "gb-neso".into(), None, vec![slot]).expect("in order")
    };
    let (old, new, other) = (forecast("GB", 10, 200.0), forecast("GB", 20, 210.0), forecast("SE", 15, 30.0));
    let told = |forecast: &Forecast| JournalEntry {
        at: forecast.fetched_at,
        kind: "forecast-arrived".into(),
        job: None,
        payload: String::new(),
        told: Some(Box::new(Issued { role: Role::Main, forecast: forecast.clone() })),
    };
    let events = vec![told(&old), told(&new), told(&other)];
    store.commit(&Batch { events: events.clone(), ..Batch::default() }).expect("committed");
    // The same issue again, with another number in it, does not replace what was told first.
    let again = vec![told(&forecast("GB", 20, 999.0))];
    store.commit(&Batch { events: again, ..Batch::default() }).expect("committed");
    let recent = |store: &Store, since| -> Vec<Forecast> {
        store.recent_forecasts(at(since)).expect("read").into_iter().map(|issued| issued.forecast).collect()
    };
    // The first of an hour, and the last of each zone.
    assert_eq!(recent(&store, 0), vec![old.clone(), other.clone(), new.clone()]);
    assert_eq!(recent(&store, 100), vec![other.clone(), new.clone()]);
    let mut journal = Vec::new();
    store.journal(1, |_, entry| journal.push(entry)).expect("the journal");
    assert_eq!(journal[..3], events);
    assert_eq!(journal[3].told, events[1].told, "the journal refers to what was told first");
    let zone = ZoneId::new("GB").expect("a name");
    assert_eq!(store.forecasts_fetched(&zone, at(0), at(20)).expect("read"), vec![old.clone()]);
    assert_eq!(store.forecasts_fetched(&zone, at(0), at(21)).expect("read"), vec![old, new.clone()]);
    assert_eq!(store.forget_forecasts(at(1000)).expect("written"), 1);
    assert_eq!(store.forecasts_fetched(&zone, at(0), at(21)).expect("read"), vec![new]);
    let mut told = Vec::new();
    store.journal(1, |_, entry| told.push(entry.told.is_some())).expect("the journal");
    assert_eq!(told, [false, true, true, true]);
}

#[test]
fn old_decisions_are_let_go_of_and_later_ones_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
    let decisions = [10, 20, 30].map(|second| Decision { job: JobId(1), at: at(second), plan: None });
    store.commit(&Batch { decisions: decisions.to_vec(), ..batch_of(1) }).expect("committed");
    let in_force =
        |store: &Store, second| store.decision_as_of(JobId(1), at(second)).expect("read").map(|decision| decision.at);
    for (before, at_15, at_25, at_35) in
        [(5, Some(10), Some(20), Some(30)), (20, None, Some(20), Some(30)), (1000, None, None, None)]
    {
        store.forget_forecasts(at(before)).expect("written");
        let found = [15, 25, 35].map(|second| in_force(&store, second));
        assert_eq!(found, [at_15, at_25, at_35].map(|second| second.map(at)), "before {before}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");

    fs::write(&path, "this is no database, but somebody's notes\n".repeat(100)).expect("written");
    let before = fs::read(&path).expect("read");
    let refused = Store::open(&path).expect_err("notes are no database");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("lowtide.db"), "{refused}");
    assert_eq!(fs::read(&path).expect("read"), before);
    fs::remove_file(&path).expect("removed");

    drop(Store::open(&path).expect("a new database"));
    let raw = rusqlite::Connection::open(&path).expect("opened");
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 5).expect("set");
    drop(raw);
    let refused = Store::open(&path).expect_err("newer");
    assert!(
        matches!(refused, StoreError::Newer { found, known, .. } if (found, known) == (SCHEMA_VERSION + 5, SCHEMA_VERSION))
    );

    let nowhere = folder.path().join("missing").join("lowtide.db");
    assert!(matches!(Store::open(&nowhere), Err(StoreError::Unusable { .. })));
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    let _first = Store::open(&path).expect("a new database");
    let refused = Store::open(&path).expect_err("in use");
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
}

#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    let _store = Store::open(&path).expect("a new database");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn tables_are_strict() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    drop(Store::open(&path).expect("a new database"));
    let raw = rusqlite::Connection::open(&path).expect("opened");
    let loose: i64 = raw
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
            [],
            |row| row.get(0),
        )
        .expect("counted");
    assert_eq!(loose, 0);
}

/// Set in the environment of the child that commits until it is killed.
const CHILD: &str = "LOWTIDE_STORE_TEST_DATABASE";

/// Not a test of its own: the child of the next one, when its variable is set.
#[test]
fn commit_until_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let mut store = Store::open(path.as_ref()).expect("the database");
    let first = store.highest_job_id().expect("read").map_or(1, |JobId(id)| id + 1);
    for id in first.. {
        store.commit(&batch_of(id)).expect("committed");
        // Straight to the pipe: the harness would keep what is printed.
        writeln!(std::io::stderr(), "acknowledged {id}").expect("the parent reads");
    }
}

#[test]
fn a_kill_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lowtide.db");
    let mut acknowledged = 0;
    for round in 1..=5_u64 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "commit_until_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        for _ in 0..20 * round {
            let line = lines.next().expect("a line").expect("readable");
            if let Some(id) = line.strip_prefix("acknowledged ") {
                acknowledged = id.parse().expect("a number");
            }
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it is gone");
    }
    assert!(0 < acknowledged);
    let store = Store::open(&path).expect("the database is whole");
    let jobs = store.all_jobs().expect("jobs");
    assert!(acknowledged <= jobs.len() as u64, "{acknowledged} acknowledged, {} there", jobs.len());
    let mut events = 0;
    store.journal(1, |_, _| events += 1).expect("the journal");
    assert_eq!(events, jobs.len(), "a job without its event, or an event without its job");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_back_as_it_was(name in ".*", argument in ".*", payload in ".*") {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
        let mut written = job(1);
        written.spec.name = name;
        written.spec.command.push(argument);
        let mut batch = batch_of(1);
        batch.jobs = vec![written.clone()];
        batch.events[0].payload = payload.clone();
        store.commit(&batch).expect("committed");
        prop_assert_eq!(store.job(JobId(1)).expect("read"), Some(written));
        let mut payloads = Vec::new();
        store.journal(1, |_, entry| payloads.push(entry.payload)).expect("the journal");
        prop_assert_eq!(payloads, vec![payload]);
    }
}
