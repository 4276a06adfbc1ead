//! What lost, in words: the plans a reader would ask about.

use lowtide_model::plan::Alternative;
use lowtide_model::quantity::GramsCo2e;

use super::course::Course;
use super::situation::{Place, Rules, Situation};
use crate::wording;

/// More are not read.
const MOST: usize = 6;

const NONE: Rules = Rules { windows: false, delay: false, deadline: false, reserve: true };

/// Running now, beside the plan.
pub(super) fn run_now(situation: &Situation, chosen: &Course, run_now: &Course) -> Alternative {
    alternative(situation, chosen, run_now, run_now)
}

/// Of running now at each site, what was compared, and the best single window of each site without the rules: those that
/// differ from the plan, the cleanest first.
pub(super) fn list(
    situation: &Situation,
    chosen: &Course,
    baseline: &Course,
    compared: impl Iterator<Item = Course>,
) -> Vec<Alternative> {
    let mut courses: Vec<Course> = compared.collect();
    if situation.input.policy.delay {
        let places = 0..situation.places.len();
        courses.extend(places.filter_map(|place| situation.best_contiguous(place, NONE)));
    }
    courses.sort_by(|a, b| a.grams.total_cmp(&b.grams).then(a.start().cmp(&b.start())));
    let mut seen: Vec<&Course> = vec![chosen];
    let mut list = Vec::new();
    for course in &courses {
        if list.len() == MOST {
            break;
        }
        if seen.iter().any(|seen| seen.stretches == course.stretches) {
            continue;
        }
        seen.push(course);
        list.push(alternative(situation, chosen, course, baseline));
    }
    list
}

fn alternative(situation: &Situation, chosen: &Course, course: &Course, baseline: &Course) -> Alternative {
    Alternative {
        label: label(situation, course),
        segments: situation.segments(course),
        footprint: GramsCo2e::saturating(course.grams),
        end: course.end(),
        rejected: rejected(situation, chosen, course, baseline),
    }
}

fn label(situation: &Situation, course: &Course) -> String {
    let first = course.stretches[0];
    let Place { view, point, .. } = situation.places[first.place];
    let site = format!("{}{}", view.site.id, wording::point(point));
    let now = course.start() == situation.places[first.place].earliest;
    let pauses = course.stretches.len() - 1;
    let start = match (situation.current == Some(first.place), now) {
        (true, true) => format!("go on at {site}"),
        (true, false) => format!("pause until {} at {site}", wording::moment(course.start())),
        (false, true) => format!("start now at {site}"),
        (false, false) => format!("start {} at {site}", wording::moment(course.start())),
    };
    match pauses {
        0 => start,
        1 => format!("{start}, with a pause"),
        _ => format!("{start}, with {pauses} pauses"),
    }
}

/// Why it lost: a rule it breaks, else what it costs more, else what it saves too little.
fn rejected(situation: &Situation, chosen: &Course, course: &Course, baseline: &Course) -> String {
    if course.stretches == chosen.stretches {
        return "this is the plan".to_owned();
    }
    let difference = wording::difference(GramsCo2e::saturating(course.grams), GramsCo2e::saturating(chosen.grams));
    let cleaner = course.grams < chosen.grams;
    let though = |breaks: String| if cleaner { format!("{difference}, but {breaks}") } else { difference.clone() };
    let last = course.stretches[course.stretches.len() - 1].place;
    if let Some(deadline) = situation.deadline {
        let only_deadline = Rules { deadline: true, ..NONE };
        if deadline < course.end() {
            return though(format!("ends after the deadline ({})", wording::moment(deadline)));
        }
        if situation.bound(last, only_deadline) < course.end() {
            return though(format!("might end after the deadline ({})", wording::moment(deadline)));
        }
    }
    if !situation.admits(course, Rules { windows: true, ..NONE }) {
        return format!("{difference}, outside the policy's windows");
    }
    if situation.bound(last, Rules { delay: true, ..NONE }) < course.end() {
        return though("waits longer than allowed".to_owned());
    }
    if !cleaner {
        return difference;
    }
    let saving = if 0.0 < baseline.grams { 1.0 - course.grams / baseline.grams } else { 0.0 };
    if saving < situation.input.policy.minimum_saving {
        let asked = wording::percent(situation.input.policy.minimum_saving);
        return format!("saves only {}, less than the {asked} asked for", wording::percent(saving.max(0.0)));
    }
    let scored = |course: &Course| situation.score(course, baseline);
    let policy = situation.input.policy;
    if 0.0 < policy.spread && policy.weights.ranks_by_footprint() && scored(course) < scored(chosen) {
        return format!("{difference}: too little for all jobs to start at once (`spread`)");
    }
    let weighs =
        if situation.input.policy.weights.ranks_by_footprint() { "its delay weighs" } else { "money or delay weigh" };
    format!("{difference}, but {weighs} more")
}
