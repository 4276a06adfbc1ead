//! The account of a finished job: predicted beside actual, and what running at once would have emitted.
//!
//! The counterfactual of a job is not observable; [`Review::method`] says how it was made. It uses the job's own measured
//! energy, less what pauses made it run twice, so that a saving is one of time and place and never of a guess about the
//! work.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lowtide_model::estimate::Estimate;
use lowtide_model::forecast::Kind;
use lowtide_model::identity::SiteId;
use lowtide_model::job::{Attempt, Job};
use lowtide_model::quantity::{GramsCo2e, Joules, Pue, Seconds};
use lowtide_model::review::{Actual, ErrorSplit, Prediction, Review};
use lowtide_model::window::Window;

use crate::curve::IntensityCurve;
use crate::wording;

/// What is known of a site's hours.
#[derive(Debug, Clone, Copy)]
pub struct SiteRecord<'a> {
    /// The site.
    pub site: &'a SiteId,
    /// The intensity of its zone over the time of the job, measured where it is known.
    pub curve: &'a IntensityCurve,
    /// Overhead of its building.
    pub pue: Pue,
}

/// All a review rests on.
#[derive(Debug, Clone, Copy)]
pub struct ReviewInput<'a> {
    /// The job, over.
    pub job: &'a Job,
    /// The present.
    pub at: Timestamp,
    /// The sites it ran at, and the one it would have run at.
    pub sites: &'a [SiteRecord<'a>],
    /// The site that would have taken it at submission; by default the one of its first attempt.
    pub run_at_once_site: Option<&'a SiteId>,
}

/// Makes the account. A job that never ran has one full of nothing.
#[must_use]
pub fn review(input: ReviewInput) -> Review {
    let job = input.job;
    let actual = actual(&input);
    let (run_at_once, method) = run_at_once(&input, &actual);
    let at_submit = job.estimates.iter().find(|estimate| estimate.after_epoch == 0).map(predicted);
    let after_first_epoch = job.estimates.iter().find(|estimate| 0 < estimate.after_epoch).map(predicted);
    let judged = after_first_epoch.as_ref().or(at_submit.as_ref());
    Review {
        at: input.at,
        error: judged.and_then(|prediction| errors(prediction, &actual)),
        at_submit,
        after_first_epoch,
        saving_g: run_at_once.get() - actual.footprint.get(),
        run_at_once,
        method,
        actual,
    }
}

fn predicted(estimate: &Estimate) -> Prediction {
    Prediction {
        after_epoch: estimate.after_epoch,
        duration: estimate.duration,
        energy: estimate.energy,
        footprint: estimate.footprint,
    }
}

fn actual(input: &ReviewInput) -> Actual {
    let mut footprint = GramsCo2e::ZERO;
    let mut kinds = Vec::new();
    for attempt in &input.job.attempts {
        // The energy of an attempt at a site of which nothing is known any more still counts: as that of the first.
        let Some(record) = record(input, &attempt.site).or(input.sites.first()) else { continue };
        let (grams, kind) = footprint_of(attempt, record.curve, record.pue, input.at);
        footprint += grams;
        if Joules::ZERO < attempt.energy_so_far() {
            kinds.push(kind);
        }
    }
    Actual {
        duration: input.job.ran(input.at),
        energy: input.job.energy_so_far(),
        footprint,
        intensity_kind: kinds.into_iter().max().unwrap_or(Kind::Measured),
    }
}

fn record<'a>(input: &ReviewInput<'a>, site: &SiteId) -> Option<&'a SiteRecord<'a>> {
    input.sites.iter().find(|record| record.site == site)
}

/// The operational footprint of an attempt up to `now` and the weakest kind of intensity in it: the energy of each epoch
/// over its own window, the rest of the attempt's energy evenly over the time between its epochs, or over the whole
/// attempt if there is none between.
#[must_use]
pub fn footprint_of(attempt: &Attempt, curve: &IntensityCurve, pue: Pue, now: Timestamp) -> (GramsCo2e, Kind) {
    let mut grams = GramsCo2e::ZERO;
    let mut weakest = Kind::Measured;
    let mut add = |energy: Joules, window: Window| {
        if Joules::ZERO < energy {
            grams += curve.integrate(energy * pue, window).median;
            weakest = weakest.max(curve.weakest_kind(window));
        }
    };
    for epoch in &attempt.epochs {
        add(epoch.energy, epoch.window);
    }
    let in_epochs: Joules = attempt.epochs.iter().map(|epoch| epoch.energy).sum();
    let rest = attempt.energy_so_far().minus(in_epochs);
    let start = attempt.started_at.unwrap_or(attempt.ordered_at);
    let Ok(whole) = Window::new(start, attempt.ended_at.unwrap_or(now)) else { return (grams, weakest) };
    let between = between_epochs(attempt, whole);
    let time: Seconds = between.iter().map(Window::duration).sum();
    if time == Seconds::ZERO {
        add(rest, whole);
    }
    for window in between {
        add(rest.times(window.duration().per(time).unwrap_or(0.0)), window);
    }
    (grams, weakest)
}

/// The parts of the attempt that are in no epoch.
fn between_epochs(attempt: &Attempt, whole: Window) -> Vec<Window> {
    let mut parts = Vec::new();
    let mut at = whole.start();
    for epoch in &attempt.epochs {
        parts.extend(Window::new(at, epoch.window.start()));
        at = at.max(epoch.window.end());
    }
    parts.extend(Window::new(at, whole.end()));
    parts
}

/// What running at once would have emitted, and how that was found.
fn run_at_once(input: &ReviewInput, actual: &Actual) -> (GramsCo2e, String) {
    let job = input.job;
    let first_site = job.attempts.first().map(|attempt| &attempt.site);
    let site = input.run_at_once_site.or(first_site);
    let Some(record) = site.and_then(|site| record(input, site)).or(input.sites.first()) else {
        return (actual.footprint, "no site is known that could have run it at once, so nothing is claimed".to_owned());
    };
    let (twice_energy, twice_time) = run_twice(job);
    let energy = actual.energy.minus(twice_energy);
    let duration = actual.duration.minus(twice_time);
    let Ok(window) = Window::new(job.submitted_at, duration.after(job.submitted_at)) else {
        return (actual.footprint, "the job did not run, so nothing is claimed".to_owned());
    };
    let grams = record.curve.integrate(energy * record.pue, window).median;
    let kind = match record.curve.weakest_kind(window) {
        Kind::Measured => "measured intensity",
        Kind::Forecast => "the intensity that was forecast",
        Kind::Estimated => "partly estimated intensity",
        Kind::Static => "an annual mean of the intensity",
    };
    let repeated = if twice_energy == Joules::ZERO { "" } else { ", without the epochs that pauses made it repeat," };
    let method = format!(
        "its own energy of {}{repeated} spread evenly over its own running time of {} from {} on at {}, by {kind}",
        wording::energy(energy),
        wording::duration(duration),
        wording::moment(job.submitted_at),
        record.site,
    );
    (grams, method)
}

/// Energy and time of epochs that ran again after a pause.
fn run_twice(job: &Job) -> (Joules, Seconds) {
    let mut seen = BTreeSet::new();
    let again: Vec<_> = job.epochs().filter(|epoch| !seen.insert(epoch.index)).collect();
    (again.iter().map(|epoch| epoch.energy).sum(), again.iter().map(|epoch| epoch.window.duration()).sum())
}

/// `None` where nothing was used, so that there is nothing to be relative to.
fn errors(prediction: &Prediction, actual: &Actual) -> Option<ErrorSplit> {
    let energy = prediction.energy.median.per(actual.energy)?;
    let duration = prediction.duration.median.per(actual.duration)?;
    let footprint = prediction.footprint.median.per(actual.footprint)?;
    // Footprint is energy times mean intensity (with PUE), so the errors multiply: (1 + e)(1 + i) = 1 + f.
    let intensity = if 0.0 < energy { footprint / energy } else { return None };
    Some(ErrorSplit {
        energy: energy - 1.0,
        duration: duration - 1.0,
        intensity: intensity - 1.0,
        footprint: footprint - 1.0,
    })
}

#[cfg(test)]
mod tests {
    use lowtide_model::estimate::{EstimateSource, Interval};
    use lowtide_model::forecast::Forecast;
    use lowtide_model::identity::AttemptNumber;
    use lowtide_model::job::Exit;
    use lowtide_model::operating_point::OperatingPoint;
    use lowtide_model::quantity::GramsPerKwh;

    use super::*;
    use crate::testing::{epochs, forecast, hour, job, site_id, spec, window};

    fn kwh(kwh: f64) -> Joules {
        Joules::from_kwh(kwh).expect("positive")
    }

    /// 400 g/kWh up to hour 6, then 100.
    fn tide() -> Forecast {
        forecast("GB", &(0..24).map(|hour| if hour < 6 { 400.0 } else { 100.0 }).collect::<Vec<_>>())
    }

    fn curve() -> IntensityCurve {
        IntensityCurve::build(Some(&tide()), GramsPerKwh::ZERO, hour(0.0), window(0.0, 24.0))
    }

    /// Ran from hour 6 to hour 9.5: two epochs of an hour with 1 kWh each, a start of an hour and an end of half an hour
    /// with 0.3 kWh between them.
    fn attempt() -> Attempt {
        let mut list = epochs(&[1.0, 1.0]);
        (list[0].window, list[1].window) = (window(7.0, 8.0), window(8.0, 9.0));
        Attempt {
            number: AttemptNumber(1),
            site: site_id("home"),
            point: OperatingPoint::default(),
            devices: vec![],
            ordered_at: hour(6.0),
            started_at: Some(hour(6.0)),
            ended_at: Some(hour(9.5)),
            exit: Some(Exit::Code(0)),
            epochs: list,
            progress: None,
            energy: Some(kwh(2.3)),
            reports_seen: 4,
        }
    }

    fn estimate(after_epoch: u32, hours: f64, energy: f64, grams: f64) -> Estimate {
        Estimate {
            at: hour(0.0),
            after_epoch,
            source: EstimateSource::Measured,
            duration: Interval::exactly(Seconds::from_hours(hours)),
            remaining: Interval::exactly(Seconds::from_hours(hours)),
            energy: Interval::exactly(kwh(energy)),
            remaining_energy: Interval::exactly(kwh(energy)),
            footprint: Interval::exactly(GramsCo2e::saturating(grams)),
        }
    }

    #[test]
    fn a_delayed_job_is_set_against_running_at_once() {
        let (curve, home) = (curve(), site_id("home"));
        let mut job = job(spec());
        job.attempts = vec![attempt()];
        job.estimates = vec![estimate(0, 7.0, 4.6, 460.0), estimate(1, 3.5, 2.3, 345.0)];
        let sites = [SiteRecord { site: &home, curve: &curve, pue: Pue::new(1.5).expect("a ratio") }];
        let review = review(ReviewInput { job: &job, at: hour(10.0), sites: &sites, run_at_once_site: None });
        assert!((review.actual.footprint.get() - 345.0).abs() < 1e-6, "{:?}", review.actual);
        assert!((review.run_at_once.get() - 4.0 * 345.0).abs() < 1e-6);
        assert!((review.saving_g - 3.0 * 345.0).abs() < 1e-6);
        assert_eq!(review.actual.intensity_kind, Kind::Forecast);
        let error = review.error.expect("there are predictions");
        assert!(error.energy.abs() < 1e-9 && error.intensity.abs() < 1e-9 && error.footprint.abs() < 1e-9);
        assert!(review.method.contains("2.3 kWh") && review.method.contains("at home"), "{}", review.method);
        assert_eq!(review.at_submit.map(|prediction| prediction.after_epoch), Some(0));
    }

    #[test]
    fn errors_of_energy_and_intensity_multiply_to_that_of_the_footprint() {
        let (curve, home) = (curve(), site_id("home"));
        let mut job = job(spec());
        job.attempts = vec![attempt()];
        job.estimates = vec![estimate(0, 7.0, 3.0, 900.0)];
        let sites = [SiteRecord { site: &home, curve: &curve, pue: Pue::NONE }];
        let error = review(ReviewInput { job: &job, at: hour(10.0), sites: &sites, run_at_once_site: None }).error;
        let error = error.expect("there is a prediction");
        assert!(((1.0 + error.energy) * (1.0 + error.intensity) - (1.0 + error.footprint)).abs() < 1e-9);
        assert!((error.duration - 1.0).abs() < 1e-9);
    }

    #[test]
    fn energy_outside_epochs_counts_in_the_hours_outside_epochs() {
        let mut early = attempt();
        (early.started_at, early.ended_at) = (Some(hour(5.0)), Some(hour(9.0)));
        // 0.3 kWh over hours 5 to 7, half of it at 400.
        let (grams, _) = footprint_of(&early, &curve(), Pue::NONE, hour(10.0));
        assert!((grams.get() - (200.0 + 0.15 * 400.0 + 0.15 * 100.0)).abs() < 1e-6, "{grams:?}");
    }

    #[test]
    fn epochs_that_ran_twice_do_not_count_for_running_at_once() {
        let (curve, home) = (curve(), site_id("home"));
        let mut job = job(spec());
        let mut again = attempt();
        again.number = AttemptNumber(2);
        again.energy = None;
        job.attempts = vec![Attempt { energy: None, ..attempt() }, again];
        let sites = [SiteRecord { site: &home, curve: &curve, pue: Pue::NONE }];
        let review = review(ReviewInput { job: &job, at: hour(10.0), sites: &sites, run_at_once_site: None });
        assert!((review.actual.energy.kwh() - 4.0).abs() < 1e-9);
        assert!(review.method.starts_with("its own energy of 2 kWh, without the epochs"), "{}", review.method);
    }

    #[test]
    fn a_job_that_never_ran_claims_nothing() {
        let (curve, home) = (curve(), site_id("home"));
        let sites = [SiteRecord { site: &home, curve: &curve, pue: Pue::NONE }];
        let job = job(spec());
        let review = review(ReviewInput { job: &job, at: hour(10.0), sites: &sites, run_at_once_site: Some(&home) });
        assert_eq!((review.actual.footprint, review.saving_g, review.error), (GramsCo2e::ZERO, 0.0, None));
    }
}
