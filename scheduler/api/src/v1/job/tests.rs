//! The keys that other programs rely on, and the way back from JSON.

use lowtide_model::identity::{AttemptNumber, JobId, PolicyId, SiteId};
use lowtide_model::job::{Attempt, Epoch, Job, JobSpec};
use lowtide_model::window::Window;

use super::*;
use crate::v1::summary::JobSummary;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn job() -> Job {
    let interval = |median: f64| estimate::Interval { low: median / 2.0, median, high: median * 2.0 };
    let site = SiteId::new("home").expect("a name");
    let plan = plan::Plan {
        made_at: at(0),
        segments: vec![plan::Segment {
            site: site.clone(),
            window: Window::new(at(0), at(7200)).expect("not empty"),
            point: OperatingPoint::default(),
        }],
        footprint: interval(500.0).map(GramsCo2e::saturating),
        end: at(7200),
        run_now: None,
        alternatives: Vec::new(),
        reason: plan::Reason::RunNow,
        forecast_issued_at: None,
        marginal: None,
        cost: None,
        cleanest: None,
        warnings: Vec::new(),
    };
    let estimate = estimate::Estimate {
        at: at(0),
        after_epoch: 0,
        source: EstimateSource::Declared,
        duration: interval(7200.0).map(Seconds::saturating),
        remaining: interval(7200.0).map(Seconds::saturating),
        energy: interval(3.6e6).map(Joules::saturating),
        remaining_energy: interval(3.6e6).map(Joules::saturating),
        footprint: interval(500.0).map(GramsCo2e::saturating),
    };
    let epoch = Epoch {
        index: 1,
        total: Some(2),
        window: Window::new(at(10), at(3610)).expect("not empty"),
        energy: Joules::saturating(1.8e6),
        source: EnergySource::Measured,
    };
    let policy = PolicyId::new("patient").expect("a name");
    let command = vec!["python".into(), "train.py".into()];
    let spec = JobSpec::of_command(command, "/home/ada".into(), "ada".into(), policy);
    Job {
        state: JobState::Running { attempt: AttemptNumber(1) },
        state_since: at(10),
        attempts: vec![Attempt {
            number: AttemptNumber(1),
            site,
            point: OperatingPoint::default(),
            devices: Vec::new(),
            ordered_at: at(5),
            started_at: Some(at(10)),
            ended_at: None,
            exit: None,
            epochs: vec![epoch],
            progress: None,
            energy: None,
            reports_seen: 2,
        }],
        estimates: vec![estimate],
        plan: Some(plan),
        ..Job::submitted(JobId(7), spec, at(0))
    }
}

/// The keys that other programs rely on.
#[test]
fn the_shape_of_show() {
    let shown = serde_json::to_value(JobView::of(&job(), 1)).expect("it can be written");
    assert_eq!(shown["id"], 7);
    assert_eq!(shown["state"], "running");
    assert_eq!(shown["plan"]["segments"][0]["site"], "home");
    assert_eq!(shown["plan"]["segments"][0]["end"], "1970-01-01T02:00:00Z");
    assert_eq!(shown["plan"]["footprint_g"]["median"], 500.0);
    assert_eq!(shown["estimates"][0]["source"], "declared");
    assert_eq!(shown["estimates"][0]["energy_kwh"]["high"], 2.0);
    assert_eq!(shown["estimates"][0]["duration_s"]["low"], 3600.0);
    assert_eq!(shown["attempts"][0]["start"], "1970-01-01T00:00:10Z");
    assert_eq!(shown["attempts"][0]["exit"], serde_json::Value::Null);
    assert_eq!(shown["epochs"][0]["index"], 1);
    assert_eq!(shown["epochs"][0]["duration_s"], 3600.0);
    assert_eq!(shown["epochs"][0]["energy_kwh"], 0.5);
    assert_eq!(shown["epochs"][0]["energy_source"], "measured");
    assert_eq!(shown["actual"], serde_json::Value::Null);
}

#[test]
fn what_is_shown_can_be_read_back() {
    let view = JobView::of(&job(), 3);
    let text = serde_json::to_string(&view).expect("it can be written");
    assert_eq!(serde_json::from_str::<JobView>(&text).expect("it can be read"), view);
    let summary = JobSummary::of(&job());
    assert_eq!((summary.site.as_deref(), summary.energy_kwh), (Some("home"), Some(1.0)));
}

#[test]
fn the_exit_code_is_the_commands_own() {
    let mut ended = job();
    for (state, code) in [
        (JobState::Succeeded, Some(0)),
        (JobState::Failed { failure: Failure::Exit(Exit::Code(7)) }, Some(7)),
        (JobState::Failed { failure: Failure::Exit(Exit::Signal(9)) }, Some(137)),
        (JobState::Lost, Some(1)),
        (JobState::Waiting, None),
    ] {
        ended.state = state;
        assert_eq!(JobView::of(&ended, 1).exit_code, code, "{:?}", ended.state);
    }
}
