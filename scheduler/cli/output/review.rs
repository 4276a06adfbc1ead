//! Predicted beside actual, and what waiting and moving were good for.

use lowtide_api::v1::job::{ActualView, ErrorView, PredictionView, ReviewView};

use super::layout::{self, Column, Field, Look};
use super::words;

const COLUMNS: [Column; 4] =
    [Column::words("", 0), Column::numbers("time", 0), Column::numbers("energy", 0), Column::numbers("footprint", 0)];

/// Tables with all ranges need so many columns.
const NARROW: usize = 70;

/// The account of a finished job.
#[must_use]
pub(crate) fn text(review: &ReviewView, look: Look) -> String {
    let ReviewView {
        at: _,
        predicted_at_submit,
        predicted_after_first_epoch,
        actual,
        run_at_once_g,
        method,
        saving_g,
        saving: _,
        error,
    } = review;
    // Where there is little room the footprint alone keeps its range.
    let narrow = look.width < NARROW;
    let mut rows = Vec::new();
    rows.extend(predicted_at_submit.as_ref().map(|prediction| predicted("predicted first", prediction, narrow)));
    rows.extend(predicted_after_first_epoch.as_ref().map(|prediction| {
        let epochs = if prediction.after_epoch == 1 { "epoch" } else { "epochs" };
        predicted(&format!("after {} {epochs}", prediction.after_epoch), prediction, narrow)
    }));
    let ActualView { duration_s, energy_kwh, footprint_g, intensity_kind } = actual;
    rows.push(vec![
        "actual".to_owned(),
        words::duration(*duration_s),
        words::energy(*energy_kwh),
        format!("{}CO2e", words::grams(*footprint_g)),
    ]);
    rows.extend(error.as_ref().map(error_row));
    let mut text = layout::table(&COLUMNS, &rows, look);
    let against = format!("against {} run at once", words::grams(*run_at_once_g));
    let verdict = match words::saving(saving_g.abs(), *run_at_once_g) {
        None => Field::new("saved", "nothing").remark(against),
        Some((amount, share)) => {
            let share = share.map(|share| format!(", {share}")).unwrap_or_default();
            let word = if *saving_g < 0.0 { "cost" } else { "saved" };
            Field::new(word, format!("{amount}CO2e{share}")).remark(against)
        }
    };
    let mut fields =
        vec![verdict, Field::new("method", method), Field::new("intensity", words::intensity_kind(intensity_kind))];
    if let Some(ErrorView { intensity, .. }) = error
        && words::NOTHING < intensity.abs()
    {
        let side = if *intensity < 0.0 { "low" } else { "high" };
        fields.push(Field::new("", format!("predicted {} too {side}", words::percent(intensity.abs()))));
    }
    text.push_str(&layout::fields(&fields, look.width));
    text
}

fn predicted(label: &str, prediction: &PredictionView, narrow: bool) -> Vec<String> {
    let PredictionView { after_epoch: _, duration_s, energy_kwh, footprint_g } = prediction;
    vec![
        label.to_owned(),
        words::duration(duration_s.median),
        if narrow { words::energy(energy_kwh.median) } else { words::energy_interval(energy_kwh) },
        words::footprint(footprint_g),
    ]
}

fn error_row(error: &ErrorView) -> Vec<String> {
    vec![
        "error".to_owned(),
        words::signed_percent(error.duration),
        words::signed_percent(error.energy),
        words::signed_percent(error.footprint),
    ]
}

#[cfg(test)]
mod tests {
    use crate::output::testing;

    #[test]
    fn predicted_stands_beside_actual() {
        let review = testing::succeeded().review.expect("reviewed");
        insta::assert_snapshot!(super::text(&review, testing::look(80)), @r"
                               time             energy              footprint
        predicted first  9 h 10 min  6.2 kWh (4.9–8.1)   1.8 kgCO2e (1.3–2.6)
        after 3 epochs          9 h  6.3 kWh (6.1–6.5)  1.75 kgCO2e (1.6–1.9)
        actual            9 h 3 min           6.25 kWh            1.82 kgCO2e
        error                -0.6 %             +0.8 %                 -3.8 %
          saved      1.28 kgCO2e, 41.3 %    against 3.1 kg run at once
          method     the same energy from submission on at home
          intensity  measured
                     predicted 4.7 % too low
        ");
    }

    #[test]
    fn a_job_that_waited_for_nothing_says_what_that_cost() {
        let mut review = testing::succeeded().review.expect("reviewed");
        review.saving_g = -310.0;
        assert!(super::text(&review, testing::look(80)).contains("cost       310 gCO2e, 10 %"));
    }
}
