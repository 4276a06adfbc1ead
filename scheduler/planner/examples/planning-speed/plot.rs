//! Jobs against seconds, both by their logarithm, beside lines of n log n.

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 2] = ["#1f6f8b", "#c2572b"];

/// A plot as SVG: one line for each named series of jobs and seconds, and a dashed one of n log n from its first point.
#[expect(clippy::format_push_string, reason = "it is written once")]
pub(crate) fn growth(series: &[(&str, Vec<(f64, f64)>)]) -> String {
    let all = || series.iter().flat_map(|(_, points)| points.iter().copied());
    let reach = |of: fn((f64, f64)) -> f64| {
        let logs = || all().map(move |point| of(point).log10());
        (logs().fold(f64::INFINITY, f64::min).floor(), logs().fold(f64::NEG_INFINITY, f64::max).ceil())
    };
    let ((left, right), (low, high)) = (reach(|point| point.0), reach(|point| point.1));
    let x = |jobs: f64| MARGIN + (jobs.log10() - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
    let y = |seconds: f64| HEIGHT - MARGIN - (seconds.log10() - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let mut tick = |horizontal: bool, power: f64| {
        let value = 10.0_f64.powf(power);
        let (line, text) = if horizontal {
            let at = x(value);
            (
                format!("x1=\"{at:.1}\" y1=\"{MARGIN}\" x2=\"{at:.1}\" y2=\"{:.1}\"", HEIGHT - MARGIN),
                format!("x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\"", HEIGHT - MARGIN + 18.0),
            )
        } else {
            let at = y(value);
            (
                format!("x1=\"{MARGIN}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"", WIDTH - MARGIN),
                format!("x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\"", MARGIN - 6.0, at + 4.0),
            )
        };
        svg += &format!("<line {line} stroke=\"#dddddd\"/>\n<text {text}>{value}</text>\n");
    };
    let mut power = left;
    while power <= right {
        tick(true, power);
        power += 1.0;
    }
    power = low;
    while power <= high {
        tick(false, power);
        power += 1.0;
    }
    svg += &format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">jobs</text>\n", WIDTH / 2.0, HEIGHT - 14.0);
    svg += &format!("<text x=\"{MARGIN}\" y=\"{:.1}\">seconds; dashed: n log n</text>\n", MARGIN - 14.0);
    for (at, (name, points)) in series.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let line = |points: &[(f64, f64)]| {
            points.iter().map(|(jobs, s)| format!("{:.1},{:.1}", x(*jobs), y(*s))).collect::<Vec<_>>().join(" ")
        };
        let Some(first) = points.first() else { continue };
        let grows = |jobs: f64| first.1 * jobs * jobs.log2() / (first.0 * first.0.log2());
        let as_n_log_n: Vec<(f64, f64)> = points.iter().map(|(jobs, _)| (*jobs, grows(*jobs))).collect();
        svg +=
            &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n", line(points));
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-dasharray=\"5 4\"/>\n",
            line(&as_n_log_n)
        );
        let y = MARGIN + 18.0 + 18.0 * at as f64;
        svg += &format!("<text x=\"{:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>\n", MARGIN + 12.0);
    }
    svg + "</svg>\n"
}
