//! A replay as a page: cumulative carbon, waiting, and the windows of jobs over the intensity. One HTML file with inline SVG, no
//! script, nothing fetched.
//!
//! What is kept does not grow with the jobs: carbon by even stretches of time, waits by class, and a sample of jobs.

use std::fmt::Write as _;

use lowtide_planner::baseline::Series;

use crate::chart::{BLUE, Chart, GREY, ORANGE, escaped};
use crate::outcome::{Done, Run};

/// Stretches of time that carbon is counted in, hours.
const STRETCH_H: f64 = 0.25;
/// Points of a line, classes of waiting, and jobs in the Gantt chart.
const POINTS: usize = 240;
const CLASSES: usize = 24;
const SAMPLE: usize = 40;

const POLICY: &str = BLUE;
const BASELINE: &str = ORANGE;
const INTENSITY: &str = GREY;

/// Counts a replay for its plots.
#[derive(Debug)]
pub struct Picture<'a> {
    series: &'a [Series],
    at_once: Ledger,
    policy: Ledger,
    waits: Vec<f64>,
    sample: Vec<(String, f64, Vec<Run>)>,
    last: f64,
}

impl<'a> Picture<'a> {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(series: &'a [Series]) -> Self {
        let empty = Ledger { grams: vec![], end: series[0].end() };
        Self { series, at_once: empty.clone(), policy: empty, waits: vec![], sample: vec![], last: 0.0 }
    }

    /// Counts a job: its carbon where it ran, without what starts and stops cost.
    pub fn add(&mut self, done: &Done) {
        let home = &self.series[0];
        let (start, end) = (done.task.arrival, done.task.arrival + done.task.length);
        self.at_once.add(home, start, end, done.job.kilowatts);
        for run in &done.runs {
            self.policy.add(&self.series[run.zone], run.start, run.end, run.kilowatts);
        }
        let class = class_of(done.wait_h());
        if self.waits.len() <= class {
            self.waits.resize(class + 1, 0.0);
        }
        self.waits[class] += 1.0;
        if self.sample.len() < SAMPLE {
            self.last = self.last.max(done.end()).max(end);
            self.sample.push((done.job.name.clone(), done.task.arrival, done.runs.clone()));
        }
    }

    /// The page. `head` is its heading, `facts` labels and values for the table.
    #[must_use]
    pub fn page(&self, head: &str, facts: &[(&str, String)]) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{head}</title><style>\
             body{{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;color:#222}}\
             th{{text-align:left;padding-right:2rem;font-weight:500}}svg{{width:100%;height:auto}}text{{font-size:11px;fill:#444}}\
             </style></head><body>\n<h1>{head}</h1>\n<table>",
            head = escaped(head)
        );
        for (label, value) in facts {
            let _ = write!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(label), escaped(value));
        }
        page.push_str("</table>\n");
        let _ = writeln!(page, "<h2>Cumulative carbon</h2>\n{}", self.cumulative());
        let _ = writeln!(page, "<h2>Waiting</h2>\n{}", self.waiting());
        let _ = writeln!(page, "<h2>The first {} jobs over the intensity</h2>\n{}", self.sample.len(), self.gantt());
        page.push_str("</body></html>\n");
        page
    }

    fn cumulative(&self) -> String {
        let stretches = self.at_once.grams.len().max(self.policy.grams.len()).max(1);
        let (at_once, policy) = (self.at_once.running_kg(stretches), self.policy.running_kg(stretches));
        let top = at_once.iter().chain(&policy).copied().fold(0.0, f64::max);
        let mut chart = Chart::new(("days", stretches as f64 * STRETCH_H / 24.0), ("kg", top))
            .legend(&[("at once", BASELINE), ("policy", POLICY)]);
        let every = stretches.div_ceil(POINTS);
        for (values, color) in [(&at_once, BASELINE), (&policy, POLICY)] {
            let shown = values.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == stretches);
            chart.line(shown.map(|(at, value)| (at as f64 * STRETCH_H / 24.0, *value)), color);
        }
        chart.svg()
    }

    fn waiting(&self) -> String {
        let top = self.waits.iter().copied().fold(0.0, f64::max);
        let classes = self.waits.len().max(1) as f64;
        let label = "hours from arrival to end beyond the length (the last class holds all longer ones)";
        let mut chart = Chart::new((label, classes), ("jobs", top));
        for (class, count) in self.waits.iter().enumerate() {
            let left = class as f64;
            chart.bar((left + 0.05, left + 0.95), (0.0, *count), POLICY, &format!("{count} jobs"));
        }
        chart.svg()
    }

    fn gantt(&self) -> String {
        let from = self.sample.iter().map(|(_, arrival, _)| *arrival).fold(f64::INFINITY, f64::min).min(self.last);
        let span = (self.last - from).max(1e-9);
        let (_, top) = self.series[0].bounds();
        let mut chart = Chart::new(("hours", span), ("g/kWh", top))
            .legend(&[("intensity", INTENSITY), ("runs, and the wait before them", POLICY)]);
        let step = span / POINTS as f64;
        chart.line((0..=POINTS).map(|at| (at as f64 * step, self.series[0].at(from + at as f64 * step))), INTENSITY);
        // The first job stands at the top.
        let row = top / self.sample.len().max(1) as f64;
        for (place, (name, arrival, runs)) in self.sample.iter().enumerate() {
            let bottom = top - (place + 1) as f64 * row;
            let end = runs.last().map_or(*arrival, |run| run.end);
            chart.rule((arrival - from, end - from), bottom + row * 0.5, POLICY);
            for run in runs {
                chart.bar((run.start - from, run.end - from), (bottom + row * 0.15, bottom + row * 0.85), POLICY, name);
            }
        }
        chart.svg()
    }
}

/// Carbon by even stretches of time, as far as anything ran.
#[derive(Debug, Clone)]
struct Ledger {
    grams: Vec<f64>,
    /// The end of the intensity, hours: what runs beyond it counts in the last stretch.
    end: f64,
}

impl Ledger {
    /// Adds a run's carbon to the stretches it lies in.
    fn add(&mut self, series: &Series, from: f64, to: f64, kilowatts: f64) {
        let most = place_of((self.end / STRETCH_H).ceil(), usize::MAX).max(1);
        let last = place_of((to / STRETCH_H).ceil(), most + 1).max(1);
        if self.grams.len() < last {
            self.grams.resize(last, 0.0);
        }
        for place in place_of(from / STRETCH_H, last)..last {
            let start = from.max(place as f64 * STRETCH_H);
            let end = if place + 1 == most { to } else { to.min((place + 1) as f64 * STRETCH_H) };
            if start < end {
                self.grams[place] += kilowatts * series.integral(start, end);
            }
        }
    }

    /// The sum up to each end of a stretch, kilograms, from 0 on.
    fn running_kg(&self, stretches: usize) -> Vec<f64> {
        let mut sum = 0.0;
        let grams = self.grams.iter().copied().chain(std::iter::repeat(0.0)).take(stretches);
        let running = grams.map(|grams| {
            sum += grams / 1000.0;
            sum
        });
        std::iter::once(0.0).chain(running).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "kept between the first place and the last"
)]
fn place_of(place: f64, count: usize) -> usize {
    place.floor().clamp(0.0, (count - 1) as f64) as usize
}

/// Whole hours, all beyond the last class together.
fn class_of(wait_h: f64) -> usize {
    place_of(wait_h + 1e-6, CLASSES + 1)
}

#[cfg(test)]
mod tests {
    use lowtide_planner::baseline::Task;

    use super::*;
    use crate::jobs::TraceJob;

    #[test]
    fn a_page_shows_three_plots_and_escapes_names() {
        let series = [Series::new(1.0, vec![300.0, 100.0, 200.0, 50.0]).expect("numbers")];
        let job = TraceJob { name: "<b>".into(), arrival: 0.0, length: 1.0, deadline: None, cpus: 1.0, kilowatts: 2.0 };
        let task = Task { arrival: 0.0, length: 1.0, latest_end: 4.0 };
        let runs = vec![Run { start: 3.0, end: 4.0, kilowatts: 2.0, nodes: 1, zone: 0 }];
        let mut picture = Picture::new(&series);
        picture.add(&Done { job: &job, task, runs, grams: 100.0, baseline_g: 600.0 });
        assert!((picture.policy.grams.iter().sum::<f64>() - 100.0).abs() < 1e-6);
        assert!((picture.at_once.grams.iter().sum::<f64>() - 600.0).abs() < 1e-6);
        let page = picture.page("a & b", &[("jobs", "1".to_owned())]);
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>") && page.contains("a &amp; b"));
    }
}
