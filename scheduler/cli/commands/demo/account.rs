//! What the demo shows at its end: predicted beside actual for every job, and a sentence on what was done with it.

use std::collections::BTreeSet;

use lowtide_api::v1::job::{JobView, PredictionView, ReviewView};

use super::jobs::{HOME, Story, paused, waited_first};
use crate::output::layout::{self, Column, Look};
use crate::output::words;

const COLUMNS: [Column; 5] = [
    Column::words("job", 0),
    Column::words("", 0),
    Column::numbers("time", 1),
    Column::numbers("energy", 0),
    Column::numbers("footprint", 0),
];

/// The table of all jobs.
pub(super) fn table(jobs: &[JobView], look: Look) -> String {
    let rows: Vec<Vec<String>> =
        jobs.iter().flat_map(|job| job.review.iter().flat_map(|review| rows(job, review))).collect();
    layout::table(&COLUMNS, &rows, look)
}

fn rows(job: &JobView, review: &ReviewView) -> Vec<Vec<String>> {
    let ReviewView {
        predicted_at_submit,
        predicted_after_first_epoch,
        actual,
        run_at_once_g,
        saving_g,
        saving,
        error,
        at: _,
        method: _,
    } = review;
    let row = |label: &str, time: String, energy: String, footprint: String| {
        vec![String::new(), label.to_owned(), time, energy, footprint]
    };
    let predicted = |label: &str, prediction: &PredictionView| {
        row(
            label,
            words::duration(prediction.duration_s.median),
            words::energy_interval(&prediction.energy_kwh),
            words::footprint(&prediction.footprint_g),
        )
    };
    let mut rows = Vec::new();
    rows.extend(predicted_at_submit.iter().map(|prediction| predicted("predicted at submission", prediction)));
    rows.extend(
        predicted_after_first_epoch
            .iter()
            .map(|prediction| predicted(&format!("predicted after epoch {}", prediction.after_epoch), prediction)),
    );
    rows.push(row(
        "actual",
        words::duration(actual.duration_s),
        words::energy(actual.energy_kwh),
        format!("{}CO2e", words::grams(actual.footprint_g)),
    ));
    let error_of =
        if predicted_after_first_epoch.is_some() { "error of the latter" } else { "error of the prediction" };
    rows.extend(error.iter().map(|error| {
        row(
            error_of,
            words::signed_percent(error.duration),
            words::signed_percent(error.energy),
            words::signed_percent(error.footprint),
        )
    }));
    let none = String::new;
    rows.push(row("run at once", none(), none(), format!("{}CO2e", words::grams(*run_at_once_g))));
    let share = saving.map(|share| format!(", {}", words::percent(share.abs()))).unwrap_or_default();
    let verdict = if *saving_g < 0.0 { "cost" } else { "saved" };
    rows.push(row(verdict, none(), none(), format!("{}CO2e{share}", words::grams(saving_g.abs()))));
    rows[0][0].clone_from(&job.name);
    rows
}

/// What was done with a job and why; `None` where it has no review to tell from.
pub(super) fn sentence(story: Story, job: &JobView) -> Option<String> {
    let review = job.review.as_ref()?;
    let name = &job.name;
    let site = job.attempts.last().map_or("", |attempt| attempt.site.as_str());
    // The mean over the job's energy, PUE included.
    let mean = |grams: f64| words::intensity(grams / review.actual.energy_kwh);
    let (ran_on, at_once) = (mean(review.actual.footprint_g), mean(review.run_at_once_g));
    let what = match story {
        Story::Delayed => {
            let wait =
                waited_first(job).map_or_else(String::new, |wait| format!(" for {}", words::duration(wait.get())));
            format!("{name} was delayed: it waited{wait} at {site} for cleaner hours")
        }
        Story::Routed => format!("{name} was routed: it ran at {site}, where the grid was cleaner than at {HOME}"),
        Story::Paused => match paused(job) {
            Some(pause) => format!(
                "{name} was paused: it ran to the end of epoch {} to be measured, left a checkpoint, stayed away for {} and \
                 went on with epoch {} in cleaner hours",
                pause.after_epoch,
                words::duration(pause.length.get()),
                pause.resumed_with
            ),
            None => format!("{name} ran without a pause"),
        },
    };
    Some(format!("{what}. It ran on {ran_on}; begun at once at {HOME}, {at_once}."))
}

/// What the numbers are worth.
pub(super) fn caveats(jobs: &[JobView], time_scale: f64, grid: &str) -> Vec<String> {
    let sources: BTreeSet<&str> =
        jobs.iter().flat_map(|job| &job.epochs).map(|epoch| epoch.energy_source.as_str()).collect();
    let energy = if sources.iter().all(|source| *source == "measured") {
        "Energy was measured by the counters of this machine."
    } else if sources.contains("measured") || sources.contains("mixed") {
        "Energy is measured where this machine has counters and modelled elsewhere; `lowtide doctor` says which."
    } else {
        "Energy is modelled from processor time: no energy counter is readable here; `lowtide doctor` says why."
    };
    vec![
        energy.to_owned(),
        format!(
            "Time runs {time_scale} times faster than the wall's: an hour of the grid passes in {}. Power is as it is, \
             so energies are {time_scale} times those really used.",
            words::duration(3600.0 / time_scale)
        ),
        format!("Grid: {grid}. The same day again and again, so the forecast is always right."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::{at, look, succeeded};

    #[test]
    fn predicted_stands_beside_actual() {
        insta::assert_snapshot!(table(&[succeeded(), succeeded()], look(100)), @r"
        job                                      time             energy              footprint
        train.py  predicted at submission  9 h 10 min  6.2 kWh (4.9–8.1)   1.8 kgCO2e (1.3–2.6)
                  predicted after epoch 3         9 h  6.3 kWh (6.1–6.5)  1.75 kgCO2e (1.6–1.9)
                  actual                    9 h 3 min           6.25 kWh            1.82 kgCO2e
                  error of the latter          -0.6 %             +0.8 %                 -3.8 %
                  run at once                                                        3.1 kgCO2e
                  saved                                                     1.28 kgCO2e, 41.3 %
        train.py  predicted at submission  9 h 10 min  6.2 kWh (4.9–8.1)   1.8 kgCO2e (1.3–2.6)
                  predicted after epoch 3         9 h  6.3 kWh (6.1–6.5)  1.75 kgCO2e (1.6–1.9)
                  actual                    9 h 3 min           6.25 kWh            1.82 kgCO2e
                  error of the latter          -0.6 %             +0.8 %                 -3.8 %
                  run at once                                                        3.1 kgCO2e
                  saved                                                     1.28 kgCO2e, 41.3 %
        ");
    }

    #[test]
    fn a_job_without_review_has_no_row() {
        let mut job = succeeded();
        job.review = None;
        assert_eq!(table(&[job.clone()], look(100)).lines().count(), 1);
        assert_eq!(sentence(Story::Delayed, &job), None);
    }

    #[test]
    fn each_story_has_its_sentence() {
        let mut job = succeeded();
        job.submitted_at = at("2026-11-25T10:00:00Z");
        let mut second = job.attempts[0].clone();
        second.number = 2;
        second.start = at("2026-11-25T20:00:00Z");
        job.attempts.push(second);
        job.epochs.last_mut().expect("it has epochs").attempt = 2;
        let sentences =
            [Story::Delayed, Story::Routed, Story::Paused].map(|story| sentence(story, &job).expect("reviewed"));
        insta::assert_snapshot!(sentences.join("\n"), @r"
        train.py was delayed: it waited for 2 h 30 min at north for cleaner hours. It ran on 291 g/kWh; begun at once at home, 496 g/kWh.
        train.py was routed: it ran at north, where the grid was cleaner than at home. It ran on 291 g/kWh; begun at once at home, 496 g/kWh.
        train.py was paused: it ran to the end of epoch 2 to be measured, left a checkpoint, stayed away for 7 h 12 min and went on with epoch 3 in cleaner hours. It ran on 291 g/kWh; begun at once at home, 496 g/kWh.
        ");
    }

    #[test]
    fn modelled_energy_is_said_to_be_modelled() {
        let mut job = succeeded();
        assert!(caveats(&[job.clone()], 1440.0, "a day")[0].contains("measured by the counters"));
        job.epochs[0].energy_source = "modelled".to_owned();
        assert!(caveats(&[job.clone()], 1440.0, "a day")[0].contains("modelled elsewhere"));
        for epoch in &mut job.epochs {
            epoch.energy_source = "modelled".to_owned();
        }
        let caveats = caveats(&[job], 1440.0, "a day");
        assert!(caveats[0].contains("no energy counter is readable"));
        assert!(caveats[1].contains("1440 times faster than the wall's: an hour of the grid passes in 2.5 s"));
    }
}
