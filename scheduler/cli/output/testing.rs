//! Fixed jobs for the tests of the texts.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::v1::job::{
    ActualView, AlternativeView, AttemptView, EpochView, ErrorView, EstimateView, Interval, JobView, NoteView,
    PlanView, PredictionView, ReviewView, SegmentView,
};

use super::layout::Look;
use super::words::Clock;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// A Wednesday, 14:00 in Berlin.
pub(crate) fn clock() -> Clock {
    Clock { now: at("2026-11-25T13:00:00Z"), zone: TimeZone::get("Europe/Berlin").expect("bundled") }
}

pub(crate) const fn look(width: usize) -> Look {
    Look { width, color: false }
}

pub(crate) const fn interval(median: f64, low: f64, high: f64) -> Interval {
    Interval { median, low, high }
}

fn segment(site: &str, start: &str, end: &str) -> SegmentView {
    SegmentView { site: site.to_owned(), start: at(start), end: at(end), workers: None, power_cap_w: None }
}

fn alternative(label: &str, segment: SegmentView, footprint_g: f64, rejected: &str) -> AlternativeView {
    AlternativeView {
        label: label.to_owned(),
        end: segment.end,
        segments: vec![segment],
        footprint_g,
        rejected: rejected.to_owned(),
    }
}

/// A job that waits for the night.
pub(crate) fn waiting() -> JobView {
    let run_now = alternative(
        "start now at home",
        segment("home", "2026-11-25T13:00:00Z", "2026-11-25T22:10:00Z"),
        3100.0,
        "+1.3 kg",
    );
    JobView {
        id: Some(42),
        name: "train.py".to_owned(),
        state: "waiting".to_owned(),
        state_detail: None,
        state_since: at("2026-11-25T13:00:00Z"),
        policy: "follow-the-tide".to_owned(),
        policy_chosen_by: "job".to_owned(),
        urgency: "normal".to_owned(),
        priority: 0,
        project: Some("vision".to_owned()),
        user: "ada".to_owned(),
        command: vec!["python".to_owned(), "train.py".to_owned(), "--note=a b".to_owned()],
        directory: "/home/ada/vision".to_owned(),
        cpus: 4,
        gpus: 1,
        workers: None,
        gpu_caps: None,
        submitted_at: at("2026-11-25T13:00:00Z"),
        deadline: Some(at("2026-11-27T17:00:00Z")),
        checkpoint: true,
        epochs_done: 0,
        epochs_total: Some(90),
        plan: Some(PlanView {
            made_at: at("2026-11-25T13:00:00Z"),
            reason: "route-and-delay".to_owned(),
            segments: vec![segment("north", "2026-11-25T21:30:00Z", "2026-11-26T06:40:00Z")],
            footprint_g: interval(1800.0, 1300.0, 2600.0),
            end: at("2026-11-26T06:40:00Z"),
            run_now: Some(run_now.clone()),
            alternatives: vec![
                run_now,
                alternative(
                    "Saturday 03:00 at north",
                    segment("north", "2026-11-28T02:00:00Z", "2026-11-28T11:10:00Z"),
                    1400.0,
                    "-400 g, but ends after the deadline",
                ),
            ],
            forecast_issued_at: Some(at("2026-11-25T12:48:00Z")),
            marginal: None,
            cost: None,
            cleanest: None,
            warnings: vec![],
        }),
        estimates: vec![EstimateView {
            at: at("2026-11-25T13:00:00Z"),
            after_epoch: 0,
            source: "history".to_owned(),
            duration_s: interval(33_000.0, 25_200.0, 43_200.0),
            energy_kwh: interval(6.2, 4.9, 8.1),
            footprint_g: interval(1800.0, 1300.0, 2600.0),
        }],
        attempts: vec![],
        epochs: vec![],
        actual: None,
        review: None,
        notes: vec![],
        exit_code: None,
        revision: 1,
    }
}

/// The same job after three epochs, in its first attempt.
pub(crate) fn running() -> JobView {
    let mut job = waiting();
    job.state = "running".to_owned();
    job.state_since = at("2026-11-25T12:30:00Z");
    job.epochs_done = 3;
    job.attempts.push(AttemptView {
        number: 1,
        site: "north".to_owned(),
        start: at("2026-11-25T12:30:00Z"),
        end: None,
        exit: None,
        workers: None,
        power_cap_w: None,
        devices: vec![0],
        energy_kwh: 0.21,
    });
    job.epochs = ["2026-11-25T12:30:00Z", "2026-11-25T12:36:00Z", "2026-11-25T12:42:00Z"]
        .into_iter()
        .zip(1..)
        .map(|(start, index)| EpochView {
            index,
            attempt: 1,
            start: at(start),
            duration_s: 360.0,
            energy_kwh: 0.07,
            energy_source: "measured".to_owned(),
        })
        .collect();
    job.estimates.push(EstimateView {
        at: at("2026-11-25T12:48:00Z"),
        after_epoch: 3,
        source: "measured".to_owned(),
        duration_s: interval(32_400.0, 32_000.0, 33_000.0),
        energy_kwh: interval(6.3, 6.1, 6.5),
        footprint_g: interval(1750.0, 1600.0, 1900.0),
    });
    job.notes.push(NoteView { at: at("2026-11-25T12:31:00Z"), text: "no counter for memory: left out".to_owned() });
    job
}

/// The same job, done.
pub(crate) fn succeeded() -> JobView {
    let mut job = running();
    job.state = "succeeded".to_owned();
    job.state_since = at("2026-11-25T12:48:00Z");
    job.exit_code = Some(0);
    if let Some(attempt) = job.attempts.first_mut() {
        attempt.end = Some(at("2026-11-25T12:48:00Z"));
        attempt.exit = Some(0);
    }
    let actual = ActualView {
        duration_s: 32_600.0,
        energy_kwh: 6.25,
        footprint_g: 1820.0,
        intensity_kind: "measured".to_owned(),
    };
    let prediction = |estimate: &EstimateView| PredictionView {
        after_epoch: estimate.after_epoch,
        duration_s: estimate.duration_s,
        energy_kwh: estimate.energy_kwh,
        footprint_g: estimate.footprint_g,
    };
    job.review = Some(ReviewView {
        at: at("2026-11-25T12:48:00Z"),
        predicted_at_submit: job.estimates.first().map(prediction),
        predicted_after_first_epoch: job.estimates.last().map(prediction),
        actual: actual.clone(),
        run_at_once_g: 3100.0,
        method: "the same energy from submission on at home".to_owned(),
        saving_g: 1280.0,
        saving: Some(0.413),
        error: Some(ErrorView { energy: 0.008, duration: -0.006, intensity: -0.047, footprint: -0.038 }),
    });
    job.actual = Some(actual);
    job
}
