//! Why a job runs where and when it does: data first, text from the data.
//!
//! Everything is read from the plan as it was made, so an explanation cannot disagree with what was done; only what would change
//! it is decided anew ([`crate::sensitivity`]) and given to this.

use jiff::Timestamp;
use lowtide_model::estimate::EstimateSource;
use lowtide_model::job::Job;
use lowtide_model::plan::{Alternative, Plan, Reason};
use lowtide_model::quantity::{GramsCo2e, Seconds};

use crate::policy::Policy;
use crate::sensitivity::Change;
use crate::wording;

/// The answer to "why".
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The answer in one sentence.
    pub headline: String,
    /// The plan in force.
    pub chosen: Plan,
    /// The same work begun at once.
    pub run_now: Option<Alternative>,
    /// What lost, best first, without what is shown as `run_now`.
    pub rejected: Vec<Alternative>,
    /// What would change the decision.
    pub would_change: Vec<String>,
    /// What the decision rests on: estimate, forecast, policy.
    pub rests_on: Vec<String>,
}

/// Explains the plan of a job as seen at `now`.
#[must_use]
pub fn explain(job: &Job, plan: &Plan, now: Timestamp, policy: &Policy, changes: &[Change]) -> Explanation {
    let rejected = plan
        .alternatives
        .iter()
        .filter(|lost| plan.run_now.as_ref().is_none_or(|run_now| run_now.segments != lost.segments))
        .cloned()
        .collect();
    Explanation {
        headline: headline(job, plan, now, policy),
        chosen: plan.clone(),
        run_now: plan.run_now.clone().filter(|run_now| run_now.segments != plan.segments),
        rejected,
        would_change: would_change(job, plan, policy, changes),
        rests_on: rests_on(job, plan, now, policy),
    }
}

fn headline(job: &Job, plan: &Plan, now: Timestamp, policy: &Policy) -> String {
    let id = job.id;
    let Some(first) = plan.segments.first() else {
        return format!("Job {id} has no plan: no allowed site can take it");
    };
    let site = format!("{}{}", first.site, wording::point(first.point));
    let start = wording::moment(first.window.start());
    let footprint = wording::grams(plan.footprint.median);
    let instead = plan
        .run_now
        .as_ref()
        .map(|run_now| format!(", {} if it ran at once", wording::grams(run_now.footprint)))
        .unwrap_or_default();
    let begun = first.window.start() <= now;
    match plan.reason {
        Reason::RunNow if job.run_now => format!("Job {id} runs at once at {site}, as asked: {footprint}"),
        Reason::RunNow => format!("Job {id} runs as soon as {site} has room: the policy `{}` does not wait", policy.id),
        Reason::Probe => format!("Job {id} runs its first epochs at once at {site}, to be measured"),
        Reason::Delay if begun => format!("Job {id} has waited for this window at {site}: {footprint}"),
        Reason::Delay => format!("Job {id} waits until {start} at {site}: {footprint} then{instead}"),
        Reason::Route => format!("Job {id} runs at {site}: {footprint} there{instead}"),
        Reason::OperatingPoint => format!("Job {id} runs at once at {site}: {footprint} so{instead}"),
        Reason::RouteAndDelay => {
            format!("Job {id} waits until {start} for {site}: {footprint} there and then{instead}")
        }
        Reason::Pauses => {
            format!("Job {id} runs in the cleanest hours, with {}: {footprint}{instead}", pauses(plan.segments.len()))
        }
        Reason::NothingSaved if begun => {
            format!(
                "Job {id} runs at once at {site}: no other window saves {} or more",
                wording::percent(policy.minimum_saving)
            )
        }
        Reason::NothingSaved => {
            format!("Job {id} starts {start} at {site}, as soon as it can: no later window saves enough")
        }
        Reason::Deadline => format!("Job {id} starts {start} at {site}: the deadline leaves no choice"),
        Reason::Continue => format!("Job {id} runs on at {site}: no pause or move saves enough"),
        Reason::NoCapacity => format!("Job {id} waits for room: no allowed site can take it"),
    }
}

fn pauses(segments: usize) -> String {
    match segments {
        0 | 1 => "a pause before".to_owned(),
        2 => "one pause".to_owned(),
        more => format!("{} pauses", more - 1),
    }
}

fn would_change(job: &Job, plan: &Plan, policy: &Policy, found: &[Change]) -> Vec<String> {
    let mut changes: Vec<String> = found.iter().map(Change::in_words).collect();
    if plan.segments.is_empty() {
        changes.push("a site with enough processors and GPUs that the job and its policy allow".to_owned());
        return changes;
    }
    if let Some(run_now) = &plan.run_now
        && plan.footprint.median < run_now.footprint
    {
        if found.is_empty() {
            changes.push(format!(
                "starts at once if the forecast of its hours rises by more than {}",
                wording::percent(rise_to(plan.footprint.median, run_now.footprint, policy.minimum_saving))
            ));
        }
        if plan.delay(plan.made_at).is_some_and(|delay| Seconds::ZERO < delay) {
            changes.push(format!("starts at once with `lowtide run-now {}`", job.id));
        }
    }
    let later = |lost: &&Alternative| lost.footprint < plan.footprint.median;
    if plan.alternatives.iter().filter(later).any(|lost| lost.rejected.contains("waits longer")) {
        changes.push("a longer delay (`--max-delay`)".to_owned());
    }
    if !found.is_empty() {
        return changes;
    }
    if plan.reason == Reason::NothingSaved
        && let Some(best) = plan.alternatives.iter().find(|lost| lost.footprint < plan.footprint.median)
    {
        changes.push(format!("a minimum saving below that of the policy would allow: {}", best.label));
    }
    if plan.alternatives.iter().filter(later).any(|lost| lost.rejected.contains("deadline")) {
        changes.push("a later deadline".to_owned());
    }
    if job.spec.checkpoint.is_none() && policy.pausable && policy.delay {
        changes.push("checkpoints (`--checkpoint`) would let it pause in dirty hours and move".to_owned());
    }
    changes
}

/// How much the plan's hours may rise before it no longer saves the minimum against running at once.
fn rise_to(plan: GramsCo2e, run_now: GramsCo2e, minimum_saving: f64) -> f64 {
    run_now.times(1.0 - minimum_saving).per(plan).map_or(0.0, |ratio| (ratio - 1.0).max(0.0))
}

fn rests_on(job: &Job, plan: &Plan, now: Timestamp, policy: &Policy) -> Vec<String> {
    let mut rests = Vec::new();
    if let Some(estimate) = job.estimates.last() {
        let source = match estimate.source {
            EstimateSource::Measured => format!("measured over {} epochs", estimate.after_epoch),
            EstimateSource::History => "from earlier jobs of the same family".to_owned(),
            EstimateSource::Declared => "as declared".to_owned(),
            EstimateSource::Default => "guessed, as nothing is known of it".to_owned(),
        };
        rests.push(format!(
            "{} to run ({}–{}), {} in all: {source}",
            wording::duration(estimate.remaining.median),
            wording::duration(estimate.remaining.low),
            wording::duration(estimate.remaining.high),
            wording::energy(estimate.energy.median)
        ));
    }
    rests.push(match plan.forecast_issued_at {
        Some(issued) => format!(
            "forecasts issued {} ({} ago) or later",
            wording::moment(issued),
            wording::duration(Seconds::between(issued, now))
        ),
        None if plan.segments.is_empty() => "no forecast".to_owned(),
        None => "an annual mean, as there is no forecast".to_owned(),
    });
    rests.push(format!("the policy `{}`", policy.id));
    if let Some(deadline) = job.spec.deadline {
        rests.push(format!("the deadline {}", wording::moment(deadline)));
    }
    rests.extend(plan.warnings.iter().cloned());
    rests
}

impl Explanation {
    /// As text for a terminal of that many columns, times in UTC. Lines are cut to the width, at 40 columns at least.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = vec![self.headline.clone()];
        for segment in &self.chosen.segments {
            lines.push(format!(
                "  plan      {} to {} at {}",
                wording::moment(segment.window.start()),
                wording::moment(segment.window.end()),
                segment.site
            ));
        }
        if !self.chosen.segments.is_empty() {
            let footprint = self.chosen.footprint;
            lines.push(format!(
                "  footprint {} ({}–{})",
                wording::grams(footprint.median),
                wording::grams(footprint.low),
                wording::grams(footprint.high)
            ));
        }
        let rejected = self.run_now.iter().chain(&self.rejected);
        let label_width = rejected.clone().map(|lost| lost.label.chars().count()).max().unwrap_or(0);
        for lost in rejected {
            lines.push(format!(
                "  rejected  {:label_width$}  {:>8}  {}",
                lost.label,
                wording::grams(lost.footprint),
                lost.rejected
            ));
        }
        lines.extend(self.would_change.iter().map(|change| format!("  changes   {change}")));
        lines.extend(self.rests_on.iter().map(|rest| format!("  rests on  {rest}")));
        let width = width.max(40);
        let cut = |line: &String| -> String {
            if line.chars().count() <= width {
                return line.clone();
            }
            line.chars().take(width - 1).chain(['…']).collect()
        };
        lines.iter().map(cut).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::identity::PolicyId;
    use lowtide_model::quantity::GramsPerKwh;

    use super::*;
    use crate::capacity::Occupancy;
    use crate::curve::IntensityCurve;
    use crate::plan::{Overhead, PlanningInput, SiteView, plan};
    use crate::testing::{TAGS, certain, forecast, hour, job, site, spec, window};
    use crate::{policy, wording};

    fn explained(change: impl FnOnce(&mut Job)) -> Explanation {
        let mut job = job(spec());
        job.spec.checkpoint = None;
        change(&mut job);
        let levels: Vec<f64> =
            (0..48).map(|hour| if (6..9).contains(&hour) { 100.0 } else { 400.0 - f64::from(hour) }).collect();
        let forecast = forecast("GB", &levels);
        let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, hour(0.0), window(0.0, 48.0));
        let policy = policy::parse(PolicyId::new("patient").expect("a name"), "max_delay = \"24h\"").expect("a policy");
        let site = site("home", 4);
        let occupancy = Occupancy::new(site.capacity);
        let plan = plan(&PlanningInput {
            now: hour(0.0),
            job: &job,
            prediction: &certain(3.0),
            policy: &policy,
            sites: &[SiteView { tags: Some(TAGS), ..SiteView::of(&site, &curve, &occupancy) }],
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(48.0),
            slot: Seconds::from_hours(1.0),
            probing: false,
            comparable: false,
            seed: 0,
        });
        explain(&job, &plan, hour(0.5), &policy, &[])
    }

    #[test]
    fn a_delay_is_explained_beside_running_at_once() {
        let text = explained(|_| {}).to_text(200);
        insta::assert_snapshot!(text, @"
        Job 42 waits until Mon 2 Mar 06:00 UTC at home: 300 g then, 1.2 kg if it ran at once
          plan      Mon 2 Mar 06:00 UTC to Mon 2 Mar 09:00 UTC at home
          footprint 300 g (269 g–331 g)
          rejected  start now at home    1.2 kg  +897 g
          changes   starts at once if the forecast of its hours rises by more than 279 %
          changes   starts at once with `lowtide run-now 42`
          changes   checkpoints (`--checkpoint`) would let it pause in dirty hours and move
          rests on  forecasts issued Mon 2 Mar 00:00 UTC (30 min ago) or later
          rests on  the policy `patient`
        ");
    }

    #[test]
    fn a_deadline_that_costs_something_is_named_as_what_would_change() {
        let explanation = explained(|job| job.spec.deadline = Some(hour(8.0)));
        assert!(explanation.would_change.iter().any(|change| change == "a later deadline"), "{explanation:?}");
        let lost = &explanation.rejected[0];
        assert_eq!(wording::grams(lost.footprint), "300 g");
        assert!(lost.rejected.ends_with("but ends after the deadline (Mon 2 Mar 08:00 UTC)"), "{lost:?}");
    }

    #[test]
    fn text_keeps_to_the_width() {
        let text = explained(|_| {}).to_text(60);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }
}
