//! A chart as SVG: two axes with round ticks, lines, bars, a legend. It knows nothing of jobs.
//!
//! No script and nothing fetched; it can stand in a page or as a file of its own.

use std::fmt::Write as _;

/// Colours that are told apart on white, also by people who do not see red and green alike (Okabe and Ito).
pub const BLUE: &str = "#0072b2";
/// See [`BLUE`].
pub const ORANGE: &str = "#d55e00";
/// See [`BLUE`].
pub const GREEN: &str = "#009e73";
/// See [`BLUE`].
pub const GREY: &str = "#999999";

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 36.0;
/// About so many ticks on the horizontal and on the vertical axis.
const TICKS: (f64, f64) = (10.0, 5.0);

/// A chart from 0 to the ends of its axes.
#[derive(Debug, Clone)]
pub struct Chart {
    right: f64,
    top: f64,
    /// Where the legend begins, beside the label of the vertical axis.
    legend_from: f64,
    body: String,
}

impl Chart {
    /// Axes with their labels and where they end; an end that is not positive is taken for 1.
    #[must_use]
    pub fn new(horizontal: (&str, f64), vertical: (&str, f64)) -> Self {
        let mut chart = Self::empty(horizontal.1, vertical);
        let bottom = HEIGHT - BOTTOM;
        for tick in ticks(chart.right, TICKS.0) {
            let at = chart.x(tick);
            let _ = write!(chart.body, "<path d=\"M{at:.1} {bottom}v4\" stroke=\"#bbb\"/>");
            chart.text_below(at, &tick.to_string());
        }
        let _ = write!(
            chart.body,
            "<text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            HEIGHT - 6.0,
            escaped(horizontal.0),
        );
        chart
    }

    /// A chart of kinds side by side, each 1 wide, from 0 on.
    #[must_use]
    pub fn of_kinds(kinds: &[&str], vertical: (&str, f64)) -> Self {
        let mut chart = Self::empty(kinds.len() as f64, vertical);
        for (place, kind) in kinds.iter().enumerate() {
            let middle = chart.x(place as f64 + 0.5);
            chart.text_below(middle, kind);
        }
        chart
    }

    fn empty(right: f64, vertical: (&str, f64)) -> Self {
        let end = |end: f64| if end.is_finite() && end > 0.0 { end } else { 1.0 };
        // A letter of this size is some 6 wide.
        let legend_from = LEFT.max(6.0 * vertical.0.chars().count() as f64) + 12.0;
        let mut chart = Self { right: end(right), top: end(vertical.1), legend_from, body: String::new() };
        let (x, y, bottom, far) = (LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
        let _ = write!(chart.body, "<path d=\"M{x} {y}V{bottom}H{far}\" fill=\"none\" stroke=\"#bbb\"/>");
        for tick in ticks(chart.top, TICKS.1) {
            let at = chart.y(tick);
            let _ = write!(
                chart.body,
                "<path d=\"M{x} {at:.1}H{far}\" stroke=\"#eee\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                x - 6.0,
                at + 4.0
            );
        }
        let _ = write!(chart.body, "<text x=\"4\" y=\"12\">{}</text>", escaped(vertical.0));
        chart
    }

    fn text_below(&mut self, at: f64, text: &str) {
        let _ = write!(
            self.body,
            "<text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM + 15.0,
            escaped(text)
        );
    }

    /// With a legend of names and colours above the plot.
    #[must_use]
    pub fn legend(mut self, entries: &[(&str, &str)]) -> Self {
        let mut x = self.legend_from;
        for (name, color) in entries {
            let _ = write!(
                self.body,
                "<rect x=\"{x:.0}\" y=\"3\" width=\"9\" height=\"9\" fill=\"{color}\"/><text x=\"{:.0}\" y=\"12\">{}</text>",
                x + 13.0,
                escaped(name)
            );
            x += 34.0 + 6.0 * name.chars().count() as f64;
        }
        self
    }

    /// A line through points.
    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, color: &str) {
        let mut path = String::new();
        for (right, up) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(right), self.y(up));
        }
        let _ = write!(self.body, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>");
    }

    /// A band between a lower and an upper line: each point is (right, lower, upper).
    pub fn band(&mut self, points: &[(f64, f64, f64)], color: &str) {
        let mut path = String::new();
        let upper = points.iter().map(|(right, _, upper)| (*right, *upper));
        let lower = points.iter().rev().map(|(right, lower, _)| (*right, *lower));
        for (right, up) in upper.chain(lower) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(right), self.y(up));
        }
        let _ = write!(self.body, "<path d=\"{path}Z\" fill=\"{color}\" fill-opacity=\"0.2\"/>");
    }

    /// A bar that tells a text when it is pointed at; at least half a pixel wide.
    pub fn bar(&mut self, across: (f64, f64), up: (f64, f64), color: &str, told: &str) {
        let (x, y) = (self.x(across.0), self.y(up.1));
        let (width, height) = ((self.x(across.1) - x).max(0.5), self.y(up.0) - y);
        let _ = write!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{color}\"><title>{}</title></rect>",
            escaped(told)
        );
    }

    /// A faint horizontal line.
    pub fn rule(&mut self, across: (f64, f64), up: f64, color: &str) {
        let (from, to, y) = (self.x(across.0), self.x(across.1), self.y(up));
        let _ = write!(self.body, "<path d=\"M{from:.1} {y:.1}H{to:.1}\" stroke=\"{color}\" stroke-opacity=\"0.3\"/>");
    }

    /// The chart, complete.
    #[must_use]
    pub fn svg(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"#444\">{}</svg>",
            self.body
        )
    }

    fn x(&self, right: f64) -> f64 {
        LEFT + right / self.right * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, up: f64) -> f64 {
        HEIGHT - BOTTOM - up / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

/// Round numbers from 0 to `end`, about so many: 1, 2 or 5 times a power of ten apart.
fn ticks(end: f64, about: f64) -> Vec<f64> {
    let rough = end / about;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| rough <= *step * (1.0 + 1e-9));
    let step = step.unwrap_or(10.0 * power);
    // Rounded, so that 3 times 0.1 is written as 0.3.
    let round = |tick: f64| (tick / power).round() * power;
    let tidy = |tick: f64| if power < 1.0 { (tick * (1.0 / power)).round() / (1.0 / power) } else { tick };
    let mut ticks = Vec::new();
    let mut tick = 0.0;
    while tick <= end * (1.0 + 1e-9) {
        ticks.push(tidy(round(tick)));
        tick += step;
    }
    ticks
}

/// Text as it may stand in a page.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_end_within_the_axis() {
        assert_eq!(ticks(725.0, 5.0), [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(ticks(0.5, 5.0), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(ticks(9.0, 10.0), (0..=9).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn the_ends_of_the_axes_are_the_corners_of_the_plot() {
        let mut chart = Chart::new(("hours", 10.0), ("kg", 4.0));
        chart.line([(0.0, 0.0), (10.0, 4.0)], BLUE);
        assert!(chart.svg().contains("d=\"M56.0 224.0L844.0 24.0\""), "{}", chart.svg());
    }

    #[test]
    fn names_are_escaped_and_an_empty_axis_is_no_fault() {
        let mut chart = Chart::new(("a & b", 0.0), ("<kg>", f64::NAN));
        chart.bar((0.0, 0.5), (0.0, 1.0), ORANGE, "<script>");
        let svg = chart.svg();
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;script&gt;") && !svg.contains("<script>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
