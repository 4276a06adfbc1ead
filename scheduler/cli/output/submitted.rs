//! What `submit` answers: what the job will cost, how sure that is, when and where it runs, instead of what.

use lowtide_api::v1::job::{AlternativeView, EstimateView, JobView, PlanView, SegmentView};

use super::layout::{self, Field, Look};
use super::words::{self, Clock};

/// The answer to a submission, or to a dry run of one.
#[must_use]
pub(crate) fn text(job: &JobView, clock: &Clock, look: Look) -> String {
    let mut text = match job.id {
        Some(id) => {
            format!("Job {id} {}: {}\n", if job.state == "held" { "held" } else { "queued" }, layout::clean(&job.name))
        }
        None => format!("{} would be queued so (a dry run: nothing is)\n", layout::clean(&job.name)),
    };
    let mut fields = Vec::new();
    fields.extend(job.estimates.last().map(footprint_field));
    fields.extend(job.plan.as_ref().map(|plan| plan_fields(plan, clock)).unwrap_or_default());
    fields.extend(job.deadline.map(|at| Field::new("deadline", words::moment(at, clock))));
    fields.extend(job.state_detail.as_ref().filter(|_| job.state == "held").map(|why| Field::new("held", why)));
    text.push_str(&layout::fields(&fields, look.width));
    text
}

/// `footprint  1.8 kgCO2e (1.3–2.6), 6.2 kWh, 9 h 10 min    from earlier jobs like it`.
#[must_use]
pub(crate) fn footprint_field(estimate: &EstimateView) -> Field {
    let EstimateView { at: _, after_epoch, source, duration_s, energy_kwh, footprint_g } = estimate;
    let amounts = format!(
        "{}, {}, {}",
        words::footprint(footprint_g),
        words::energy(energy_kwh.median),
        words::duration(duration_s.median)
    );
    Field::new("footprint", amounts).remark(words::source(source, *after_epoch))
}

/// The stretches of a plan, with what they are instead of, why, and its warnings.
#[must_use]
pub(crate) fn plan_fields(plan: &PlanView, clock: &Clock) -> Vec<Field> {
    let mut fields: Vec<Field> = stretches(&plan.segments, clock)
        .into_iter()
        .enumerate()
        .map(|(number, stretch)| Field::new(if number == 0 { "plan" } else { "" }, stretch))
        .collect();
    if let Some(first) = fields.first_mut()
        && let Some(run_now) = plan.run_now.as_ref().filter(|run_now| run_now.segments != plan.segments)
    {
        *first = first.clone().remark(instead_of(run_now));
    }
    if fields.is_empty() {
        fields.push(Field::new("plan", "none yet: planned again when something changes"));
    }
    fields.push(Field::new("why", reason(&plan.reason)));
    if let Some(lowtide_api::v1::job::CostView { currency, amount, run_now }) = &plan.cost {
        fields.push(Field::new("cost", format!("{amount:.2} {currency}; {run_now:.2} at once")));
    }
    fields.extend(traded(plan, clock));
    if let Some(beside) = &plan.marginal {
        let lowtide_api::v1::job::BesideView { footprint_g, run_now_g, best_g, .. } = beside;
        let amounts = format!(
            "{}; {} at once, {} at best by that signal",
            words::grams(*footprint_g),
            words::grams(*run_now_g),
            words::grams(*best_g)
        );
        fields.push(Field::new("marginal", amounts));
    }
    fields.extend(plan.warnings.iter().map(|warning| Field::new("warning", warning)));
    fields
}

/// The most stretches of a plan that are shown; a plan with more is told by its first ones and its end.
const MOST_STRETCHES: usize = 6;

/// `SE3, today 22:30 to 07:40` for each stretch.
#[must_use]
pub(crate) fn stretches(segments: &[SegmentView], clock: &Clock) -> Vec<String> {
    let stretch = |segment: &SegmentView| {
        let with = words::point(segment.workers, segment.power_cap_w);
        format!("{}{with}, {}", segment.site, words::span(segment.start, segment.end, clock))
    };
    if segments.len() <= MOST_STRETCHES {
        return segments.iter().map(stretch).collect();
    }
    let mut shown: Vec<String> = segments.iter().take(MOST_STRETCHES - 2).map(stretch).collect();
    shown.push(format!("… {} more stretches", segments.len() - shown.len() - 1));
    shown.extend(segments.last().map(stretch));
    shown
}

/// What the plan emits beyond the cleanest one, and what for: `350 g more than Tue 04:00 to 05:00, for 0.45 EUR less`.
#[must_use]
pub(crate) fn traded(plan: &PlanView, clock: &Clock) -> Option<Field> {
    let cleanest = plan.cleanest.as_ref()?;
    let more = words::grams(plan.footprint_g.median - cleanest.footprint_g);
    let money = plan.cost.as_ref().zip(cleanest.cost).map(|(cost, other)| {
        let less = other - cost.amount;
        let amount = format!("{:.2} {}", less.abs(), cost.currency);
        if less < 0.0 { format!("{amount} more") } else { format!("{amount} less") }
    });
    let earlier = cleanest.end.duration_since(plan.end).as_secs_f64();
    let time = (60.0 <= earlier.abs()).then(|| {
        let side = if earlier < 0.0 { "later" } else { "earlier" };
        format!("an end {} {side}", words::duration(earlier.abs()))
    });
    let gained: Vec<String> = money.into_iter().chain(time).collect();
    let instead = stretches(&cleanest.segments, clock).into_iter().next().unwrap_or_default();
    let gained = if gained.is_empty() { String::new() } else { format!(", for {}", gained.join(" and ")) };
    Some(Field::new("traded", format!("{more} more than the cleanest ({instead}){gained}")))
}

fn instead_of(run_now: &AlternativeView) -> String {
    let place = run_now.segments.first().map(|segment| format!(" at {}", segment.site)).unwrap_or_default();
    format!("instead of now{place}: {}CO2e", words::grams(run_now.footprint_g))
}

/// A plan's reason in a sentence.
#[must_use]
pub(crate) fn reason(reason: &str) -> String {
    let sentence = match reason {
        "run-now" => "it runs at once, as its policy or its user wants",
        "probe" => "its first epochs run at once to be measured; then it is planned again",
        "delay" => "a cleaner window comes later",
        "route" => "another site is cleaner now",
        "route-and-delay" => "another site is cleaner later",
        "operating-point" => "so it takes less energy, and nothing is gained by waiting",
        "pauses" => "it runs in several clean windows, with pauses between them",
        "nothing-saved" => "no other window or site saves enough",
        "deadline" => "the deadline leaves no other choice",
        "continue" => "it already runs in the best window",
        "no-capacity" => "no allowed site has room for it now",
        other => other,
    };
    sentence.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn an_answer_fits_every_width() {
        let job = testing::waiting();
        insta::assert_snapshot!(text(&job, &testing::clock(), testing::look(120)), @r"
        Job 42 queued: train.py
          footprint  1.8 kgCO2e (1.3–2.6), 6.2 kWh, 9 h 10 min    from earlier jobs like it
          plan       north, today 22:30 to 07:40                  instead of now at home: 3.1 kgCO2e
          why        another site is cleaner later
          deadline   Fri 18:00
        ");
        insta::assert_snapshot!(text(&job, &testing::clock(), testing::look(80)), @r"
        Job 42 queued: train.py
          footprint  1.8 kgCO2e (1.3–2.6), 6.2 kWh, 9 h 10 min
                     from earlier jobs like it
          plan       north, today 22:30 to 07:40    instead of now at home: 3.1 kgCO2e
          why        another site is cleaner later
          deadline   Fri 18:00
        ");
        insta::assert_snapshot!(text(&job, &testing::clock(), testing::look(60)), @r"
        Job 42 queued: train.py
          footprint  1.8 kgCO2e (1.3–2.6), 6.2 kWh, 9 h 10 min
                     from earlier jobs like it
          plan       north, today 22:30 to 07:40
                     instead of now at home: 3.1 kgCO2e
          why        another site is cleaner later
          deadline   Fri 18:00
        ");
    }

    #[test]
    fn a_dry_run_says_so() {
        let job = JobView { id: None, ..testing::waiting() };
        assert!(text(&job, &testing::clock(), testing::look(80)).starts_with("train.py would be queued so"));
    }

    #[test]
    fn a_plan_of_many_stretches_is_cut() {
        let segment = testing::waiting().plan.expect("planned").segments.remove(0);
        let lines = stretches(&vec![segment; 20], &testing::clock());
        assert_eq!((lines.len(), lines[4].as_str()), (MOST_STRETCHES, "… 15 more stretches"));
    }
}
