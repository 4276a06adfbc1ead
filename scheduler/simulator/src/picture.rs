//! A replay as a page: cumulative carbon, waiting, and the windows of jobs over the intensity. One HTML file with inline SVG, no
//! script, nothing fetched.
//!
//! What is kept does not grow with the trace: carbon by even stretches of time, waits by class, and a sample of jobs.

use std::fmt::Write as _;

use lowtide_planner::baseline::Series;

use crate::outcome::{Done, Run};

/// Stretches that cumulative carbon is counted in, classes of waiting, and jobs in the Gantt chart.
const STRETCHES: usize = 240;
const CLASSES: usize = 24;
const SAMPLE: usize = 40;

/// Size of a plot, and the margin that its labels stand in.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 56.0;

/// Colours that are told apart on white, also by people who do not see red and green alike (Okabe and Ito).
const POLICY: &str = "#0072b2";
const BASELINE: &str = "#d55e00";
const INTENSITY: &str = "#999999";

/// Counts a replay for its plots.
#[derive(Debug)]
pub struct Picture<'a> {
    series: &'a [Series],
    at_once: Vec<f64>,
    policy: Vec<f64>,
    waits: Vec<f64>,
    sample: Vec<(String, f64, Vec<Run>)>,
    last: f64,
}

impl<'a> Picture<'a> {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(series: &'a [Series]) -> Self {
        let none = vec![0.0; STRETCHES];
        Self { series, at_once: none.clone(), policy: none, waits: vec![], sample: vec![], last: 0.0 }
    }

    /// Counts a job: its carbon where it ran, without what starts and stops cost.
    pub fn add(&mut self, done: &Done) {
        let home = &self.series[0];
        let (start, end) = (done.task.arrival, done.task.arrival + done.task.length);
        spread(&mut self.at_once, home, home.end(), start, end, done.job.kilowatts);
        for run in &done.runs {
            spread(&mut self.policy, &self.series[run.zone], home.end(), run.start, run.end, run.kilowatts);
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
        let days = self.series[0].end() / 24.0;
        let sums = |grams: &[f64]| -> Vec<f64> {
            let mut sum = 0.0;
            let running = grams.iter().map(|grams| {
                sum += grams / 1000.0;
                sum
            });
            std::iter::once(0.0).chain(running).collect()
        };
        let (at_once, policy) = (sums(&self.at_once), sums(&self.policy));
        let top = at_once.iter().chain(&policy).copied().fold(0.0, f64::max);
        let mut plot = frame("kg", top, "days", days);
        for (values, color) in [(&at_once, BASELINE), (&policy, POLICY)] {
            let points =
                values.iter().enumerate().map(|(at, value)| (at as f64 / STRETCHES as f64, *value / top.max(1e-12)));
            plot.push_str(&line(points, color));
        }
        plot.push_str(&legend(&[("at once", BASELINE), ("policy", POLICY)]));
        plot + "</svg>"
    }

    fn waiting(&self) -> String {
        let top = self.waits.iter().copied().fold(0.0, f64::max);
        let classes = self.waits.len().max(1) as f64;
        let mut plot = frame(
            "jobs",
            top,
            "hours from arrival to end beyond the length (the last class holds all longer ones)",
            classes,
        );
        for (class, count) in self.waits.iter().enumerate() {
            let (x, width) = (across(class as f64 / classes), (WIDTH - MARGIN - 8.0) / classes);
            let y = down(count / top.max(1e-12));
            let height = down(0.0) - y;
            let _ = write!(
                plot,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{POLICY}\"><title>{count} jobs</title></rect>",
                width * 0.9
            );
        }
        plot + "</svg>"
    }

    fn gantt(&self) -> String {
        let from = self.sample.iter().map(|(_, arrival, _)| *arrival).fold(f64::INFINITY, f64::min).min(self.last);
        let span = (self.last - from).max(1e-9);
        let top = self.series[0].bounds().1;
        let mut plot = frame("g/kWh", top, "hours", span);
        let step = span / STRETCHES as f64;
        let points = (0..=STRETCHES).map(|at| {
            let share = at as f64 / STRETCHES as f64;
            (share, self.series[0].at(from + at as f64 * step) / top.max(1e-12))
        });
        plot.push_str(&line(points, INTENSITY));
        let row = (HEIGHT - 40.0) / self.sample.len().max(1) as f64;
        for (place, (name, arrival, runs)) in self.sample.iter().enumerate() {
            let y = 12.0 + place as f64 * row;
            let at = |hour: f64| across((hour - from) / span);
            let end = runs.last().map_or(*arrival, |run| run.end);
            let middle = y + row * 0.35;
            let _ = write!(
                plot,
                "<path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"{POLICY}\" stroke-opacity=\"0.3\"/>",
                at(*arrival),
                at(end)
            );
            for run in runs {
                let (x, width) = (at(run.start), (at(run.end) - at(run.start)).max(0.5));
                let _ = write!(
                    plot,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{POLICY}\"><title>{}</title></rect>",
                    row * 0.7,
                    escaped(name)
                );
            }
        }
        plot.push_str(&legend(&[("intensity", INTENSITY), ("runs, and the wait before them", POLICY)]));
        plot + "</svg>"
    }
}

/// Adds a run's carbon to the stretches of time it lies in.
fn spread(stretches: &mut [f64], series: &Series, end_of_all: f64, from: f64, to: f64, kilowatts: f64) {
    let width = end_of_all / stretches.len() as f64;
    let count = stretches.len();
    for (place, sum) in stretches.iter_mut().enumerate().skip(place_of(from / width, count)) {
        let start = from.max(place as f64 * width);
        // What runs beyond the end of the intensity counts in the last stretch.
        let end = if place + 1 == count { to } else { to.min((place + 1) as f64 * width) };
        if end <= start {
            break;
        }
        *sum += kilowatts * series.integral(start, end);
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

fn across(share: f64) -> f64 {
    MARGIN + share * (WIDTH - MARGIN - 8.0)
}

fn down(share: f64) -> f64 {
    HEIGHT - 28.0 - share * (HEIGHT - 40.0)
}

/// Axes with their ends labelled.
fn frame(vertical: &str, top: f64, horizontal: &str, right: f64) -> String {
    let (x, y, bottom, end) = (across(0.0), down(1.0), down(0.0), across(1.0));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><path d=\"M{x} {y}V{bottom}H{end}\" fill=\"none\" stroke=\"#bbb\"/>\
         <text x=\"4\" y=\"{:.0}\">{top:.0}</text><text x=\"4\" y=\"{:.0}\">{vertical}</text><text x=\"{:.0}\" y=\"{bottom:.0}\">0</text>\
         <text x=\"{x:.0}\" y=\"{:.0}\">{horizontal}</text><text x=\"{end:.0}\" y=\"{:.0}\" text-anchor=\"end\">{right:.0}</text>",
        y + 4.0,
        y + 18.0,
        x - 12.0,
        HEIGHT - 8.0,
        HEIGHT - 8.0,
    )
}

fn line(points: impl Iterator<Item = (f64, f64)>, color: &str) -> String {
    let mut path = String::new();
    for (share, height) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{:.1} {:.1}", across(share), down(height));
    }
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>")
}

fn legend(entries: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (place, (name, color)) in entries.iter().enumerate() {
        let x = MARGIN + 12.0 + place as f64 * 90.0;
        let _ = write!(
            text,
            "<rect x=\"{x}\" y=\"2\" width=\"9\" height=\"9\" fill=\"{color}\"/><text x=\"{}\" y=\"11\">{name}</text>",
            x + 13.0
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
        assert!((picture.policy.iter().sum::<f64>() - 100.0).abs() < 1e-6);
        assert!((picture.at_once.iter().sum::<f64>() - 600.0).abs() < 1e-6);
        let page = picture.page("a & b", &[("jobs", "1".to_owned())]);
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>") && page.contains("a &amp; b"));
    }
}
