//! Why a job runs where and when it does: what `explain` prints.

use lowtide_api::v1::explain::{AsOfView, ExplanationView};
use lowtide_api::v1::job::AlternativeView;

use super::layout::{self, Field, Look};
use super::submitted::{stretches, traded};
use super::words::{self, Clock};

/// What `explain` prints.
#[must_use]
pub(crate) fn text(explanation: &ExplanationView, clock: &Clock, look: Look) -> String {
    let ExplanationView {
        id: _,
        name: _,
        state: _,
        headline,
        chosen,
        run_now,
        rejected,
        would_change,
        rests_on,
        as_of,
    } = explanation;
    let mut text: String =
        layout::wrap(&layout::clean(headline), look.width).into_iter().map(|line| line + "\n").collect();
    let mut fields = Vec::new();
    if let Some(plan) = chosen {
        let mut lines = stretches(&plan.segments, clock).into_iter();
        if let Some(first) = lines.next() {
            fields.push(Field::new("chosen", first).remark(words::footprint(&plan.footprint_g)));
        }
        fields.extend(lines.map(|line| Field::new("", line)));
        fields.extend(traded(plan, clock));
    }
    // Running at once is told even where it did not come near.
    let unlisted = run_now.iter().filter(|run_now| !rejected.iter().any(|other| other.segments == run_now.segments));
    let at_once_chosen =
        |alternative: &AlternativeView| chosen.as_ref().is_some_and(|plan| plan.segments == alternative.segments);
    let lost = rejected.iter().chain(unlisted).filter(|alternative| !at_once_chosen(alternative));
    fields.extend(lost.map(|alternative| {
        let AlternativeView { label, segments: _, footprint_g, end: _, rejected } = alternative;
        let why = if rejected.is_empty() { String::new() } else { format!(", {rejected}") };
        Field::new("rejected", label).remark(words::grams(*footprint_g) + &why)
    }));
    text.push_str(&layout::fields(&fields, look.width));
    for (title, sentences) in [("What would change it", would_change), ("It rests on", rests_on)] {
        if !sentences.is_empty() {
            text.extend(["\n", title, "\n"]);
            text.push_str(&layout::bullets(sentences, look.width));
        }
    }
    if let Some(as_of) = as_of {
        text.extend(["\n", &layout::wrap(&decided_again(as_of, clock), look.width).join("\n"), "\n"]);
    }
    text
}

/// Whether the past decided the same.
fn decided_again(as_of: &AsOfView, clock: &Clock) -> String {
    let AsOfView { at, events, forgotten, identical, in_force: _ } = as_of;
    let missing = match forgotten {
        0 => String::new(),
        1 => "; one forecast among them is no longer kept".to_owned(),
        more => format!("; {more} forecasts among them are no longer kept"),
    };
    let outcome = match identical {
        Some(true) => "identical to what was in force",
        Some(false) => "NOT what was in force",
        None => "what was in force then is no longer kept",
    };
    format!(
        "Decided again as of {} from {events} events of the journal{missing}: {outcome}.",
        words::moment(*at, clock)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    fn explanation() -> ExplanationView {
        let plan = testing::waiting().plan.expect("planned");
        ExplanationView {
            id: 42,
            name: "train.py".to_owned(),
            state: "waiting".to_owned(),
            headline: "Job 42 waits until Wed 22:30 because north is forecast at 24 g/kWh then, 61 now".to_owned(),
            run_now: plan.run_now.clone(),
            rejected: plan.alternatives.clone(),
            chosen: Some(plan),
            would_change: vec!["it starts at once if the forecast of its hours rises by more than 72 %".to_owned()],
            as_of: None,
            rests_on: vec!["the forecast of gb-neso, issued 12 min ago".to_owned(), "earlier jobs like it".to_owned()],
        }
    }

    #[test]
    fn what_lost_stands_with_its_numbers() {
        insta::assert_snapshot!(text(&explanation(), &testing::clock(), testing::look(100)), @r"
        Job 42 waits until Wed 22:30 because north is forecast at 24 g/kWh then, 61 now
          chosen    north, today 22:30 to 07:40    1.8 kgCO2e (1.3–2.6)
          rejected  start now at home              3.1 kg, +1.3 kg
          rejected  Saturday 03:00 at north        1.4 kg, -400 g, but ends after the deadline

        What would change it
          - it starts at once if the forecast of its hours rises by more than 72 %

        It rests on
          - the forecast of gb-neso, issued 12 min ago
          - earlier jobs like it
        ");
        insta::assert_snapshot!(text(&explanation(), &testing::clock(), testing::look(60)), @r"
        Job 42 waits until Wed 22:30 because north is forecast at 24
        g/kWh then, 61 now
          chosen    north, today 22:30 to 07:40
                    1.8 kgCO2e (1.3–2.6)
          rejected  start now at home    3.1 kg, +1.3 kg
          rejected  Saturday 03:00 at north
                    1.4 kg, -400 g, but ends after the deadline

        What would change it
          - it starts at once if the forecast of its hours rises by
            more than 72 %

        It rests on
          - the forecast of gb-neso, issued 12 min ago
          - earlier jobs like it
        ");
    }

    #[test]
    fn running_at_once_is_told_even_if_nothing_else_lost() {
        let explanation = ExplanationView { rejected: vec![], ..explanation() };
        assert!(text(&explanation, &testing::clock(), testing::look(80)).contains("start now at home"));
    }
}
