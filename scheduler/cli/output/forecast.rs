//! Carbon intensity as a chart of block characters: one column for each hour, or for some hours where there is no room.

use jiff::{SignedDuration, Timestamp};
use lowtide_api::v1::forecast::{Point, Series};
use unicode_width::UnicodeWidthStr;

use super::layout::{self, Field, Look};
use super::words::{self, Clock};

/// Rows of a chart, and what each can show: eighths.
const ROWS: usize = 6;
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const EIGHTHS: usize = 8;
/// Columns left of the bars: a value and the axis.
const MARGIN: usize = 7;
/// Hours between two labels below a chart, at least so many columns apart.
const LABEL_HOURS: [i64; 4] = [3, 6, 12, 24];
const LABEL_COLUMNS: i64 = 6;

/// The mean intensity of some hours.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    start: Timestamp,
    mean: Option<f64>,
}

/// Head, chart and numbers of a zone.
#[must_use]
pub(crate) fn text(series: &Series, clock: &Clock, look: Look) -> String {
    let Series { zone, signal, basis, accounting, .. } = series;
    let head = layout::clean(&format!("{zone}: {signal} {basis} intensity of its {accounting}"));
    let mut text: String = layout::wrap(&head, look.width).into_iter().map(|line| line + "\n").collect();
    let flat = series.points.iter().all(|point| point.kind == "static");
    if !flat && let Some((lowest, highest)) = extremes(&series.points) {
        text.push_str(&chart(&series.points, lowest, highest, clock, look));
    }
    text.push_str(&layout::fields(&numbers(series, clock, flat), look.width));
    text
}

/// The points of the least and the greatest intensity.
fn extremes(points: &[Point]) -> Option<(&Point, &Point)> {
    let by_intensity = |a: &&Point, b: &&Point| a.intensity_g_per_kwh.total_cmp(&b.intensity_g_per_kwh);
    Some((points.iter().min_by(by_intensity)?, points.iter().max_by(by_intensity)?))
}

fn numbers(series: &Series, clock: &Clock, flat: bool) -> Vec<Field> {
    let Series { source, issued_at, stale, calibration, attribution, problem, points, .. } = series;
    let mut fields = Vec::new();
    let now = points.iter().find(|point| point.start <= clock.now && clock.now < point.end);
    if let Some(now) = now {
        let kind = words::intensity_kind(&now.kind);
        fields.push(Field::new("now", words::intensity(now.intensity_g_per_kwh)).remark(kind));
    }
    match extremes(points) {
        None => fields.push(Field::new("unknown", "nothing is known of the coming hours")),
        Some(_) if flat => fields.push(Field::new("static", "one mean for all hours: waiting saves nothing by it")),
        Some((lowest, highest)) => {
            let told = |point: &Point| {
                format!("{}, {}", words::intensity(point.intensity_g_per_kwh), words::moment(point.start, clock))
            };
            fields.push(Field::new("lowest", told(lowest)).remark(band(lowest)));
            fields.push(Field::new("highest", told(highest)).remark(band(highest)));
        }
    }
    let age = issued_at.map(|at| format!("issued {}", words::relative(at, clock))).unwrap_or_default();
    fields.push(Field::new("source", source).remark(if flat { String::new() } else { age }));
    if let Some(calibration) = calibration.as_ref().filter(|_| !flat) {
        fields.push(Field::new("believed", calibration));
    }
    if *stale {
        fields.push(Field::new("stale", "older than it should be: the provider has not answered since"));
    }
    fields.extend(problem.as_ref().map(|problem| Field::new("problem", problem)));
    fields.extend(attribution.as_ref().map(|attribution| Field::new("data", attribution)));
    fields
}

fn band(point: &Point) -> String {
    match (point.low, point.high) {
        (Some(low), Some(high)) => format!("90 %: {}–{}", words::significant(low), words::significant(high)),
        _ => String::new(),
    }
}

fn chart(points: &[Point], lowest: &Point, highest: &Point, clock: &Clock, look: Look) -> String {
    let room = look.width.saturating_sub(MARGIN).max(12);
    let (bars, hours_each) = bars(points, room);
    let top = highest.intensity_g_per_kwh.max(1.0);
    let mut text = String::new();
    for row in (0..ROWS).rev() {
        let label = match row {
            _ if row == ROWS - 1 => words::significant(top),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        let blocks: String = bars.iter().map(|bar| block(bar.mean, top, row)).collect();
        text.push_str(format!("{label:>5} │{blocks}").trim_end());
        text.push('\n');
    }
    let column_of = |at: Timestamp| bars.iter().rposition(|bar| bar.start <= at).unwrap_or(0);
    let labels = hours(&bars, hours_each, clock);
    let marks = [("now", clock.now), ("min", lowest.start), ("max", highest.start)];
    for line in [
        line_of(labels, bars.len()),
        line_of(marks.map(|(name, at)| (column_of(at), name.to_owned())).into(), bars.len()),
    ] {
        text.push_str(format!("{:MARGIN$}{line}", "").trim_end());
        text.push('\n');
    }
    text
}

/// Columns from the first point's hour to the last point's end, each for the same whole number of hours.
fn bars(points: &[Point], room: usize) -> (Vec<Bar>, i64) {
    let hour = SignedDuration::from_hours(1);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (vec![], 1) };
    let start = Timestamp::from_second(first.start.as_second().div_euclid(3600) * 3600).unwrap_or(first.start);
    let hours = (last.end.duration_since(start).as_secs() + 3599) / 3600;
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    let hours_each = ((hours + room - 1) / room).max(1);
    let mut bars = Vec::new();
    let mut from = start;
    while from < last.end {
        let Ok(to) = from.checked_add(hour * i32::try_from(hours_each).unwrap_or(i32::MAX)) else { break };
        bars.push(Bar { start: from, mean: mean(points, from, to) });
        from = to;
    }
    (bars, hours_each)
}

/// The mean over the part of `[from, to)` that is known.
fn mean(points: &[Point], from: Timestamp, to: Timestamp) -> Option<f64> {
    let (mut sum, mut seconds) = (0.0, 0.0);
    for point in points {
        let overlap = point.end.min(to).duration_since(point.start.max(from)).as_secs_f64();
        if 0.0 < overlap {
            sum += point.intensity_g_per_kwh * overlap;
            seconds += overlap;
        }
    }
    (0.0 < seconds).then(|| sum / seconds)
}

fn block(mean: Option<f64>, top: f64, row: usize) -> char {
    let Some(mean) = mean else { return if row == 0 { '·' } else { ' ' } };
    let eighths = (mean / top * (ROWS * EIGHTHS) as f64).round();
    // What is not nothing is seen: the least of the blocks. The count of eighths is small and not negative.
    let eighths = eighths.clamp(1.0, (ROWS * EIGHTHS) as f64);
    let below = (row * EIGHTHS) as f64;
    let filled = (1..=EIGHTHS).rev().find(|eighth| *eighth as f64 <= eighths - below).unwrap_or(0);
    BLOCKS[filled]
}

/// Hours of the reader's day, midnight as its weekday.
fn hours(bars: &[Bar], hours_each: i64, clock: &Clock) -> Vec<(usize, String)> {
    let step = LABEL_HOURS.into_iter().find(|hours| LABEL_COLUMNS <= hours / hours_each).unwrap_or(24);
    let label = |(column, bar): (usize, &Bar)| {
        let there = bar.start.to_zoned(clock.zone.clone());
        let since_step = i64::from(there.hour()) % step;
        (since_step < hours_each).then(|| {
            let midnight = i64::from(there.hour()) < hours_each;
            (column, there.strftime(if midnight { "%a" } else { "%H:00" }).to_string())
        })
    };
    bars.iter().enumerate().filter_map(label).collect()
}

/// Words at their columns. One that would touch an earlier one is left out: the numbers below tell it too.
fn line_of(words: Vec<(usize, String)>, width: usize) -> String {
    let mut line: Vec<char> = vec![' '; width + MARGIN];
    for (column, word) in words {
        let column = column.min(width.saturating_sub(word.width()));
        let touched = line[column.saturating_sub(1)..(column + word.width() + 1).min(line.len())].iter();
        if touched.clone().all(|c| *c == ' ') {
            for (place, c) in line[column..].iter_mut().zip(word.chars()) {
                *place = c;
            }
        }
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::testing;

    fn series(hours: i32, kind: &str, intensity: impl Fn(i32) -> f64) -> Series {
        let start = testing::at("2026-11-25T13:00:00Z");
        let hour = SignedDuration::from_hours(1);
        Series {
            zone: "GB".to_owned(),
            signal: "average".to_owned(),
            basis: "lifecycle".to_owned(),
            accounting: "consumption".to_owned(),
            source: "gb-neso".to_owned(),
            issued_at: Some(testing::at("2026-11-25T12:48:00Z")),
            stale: false,
            calibration: None,
            attribution: Some("NESO Carbon Intensity API, CC BY 4.0".to_owned()),
            problem: None,
            points: (0..hours)
                .map(|number| Point {
                    start: start + hour * number,
                    end: start + hour * (number + 1),
                    intensity_g_per_kwh: intensity(number),
                    low: None,
                    high: None,
                    kind: kind.to_owned(),
                })
                .collect(),
        }
    }

    fn daily(hour: i32) -> f64 {
        150.0 - 100.0 * (f64::from(hour - 12) / 24.0 * std::f64::consts::TAU).cos()
    }

    #[test]
    fn two_days_in_eighty_columns() {
        insta::assert_snapshot!(text(&series(48, "forecast", daily), &testing::clock(), testing::look(80)), @r"
        GB: average lifecycle intensity of its consumption
          250 │█▇▅▂                 ▂▅▇█▇▅▂                 ▂▅▇
              │████▆▂             ▂▆███████▆▂             ▂▆███
              │██████▅           ▅███████████▅           ▅█████
              │████████▃       ▃███████████████▃       ▃███████
              │█████████▇▄▂▂▂▄▇█████████████████▇▄▂▂▂▄▇████████
            0 │████████████████████████████████████████████████
                   18:00 Thu   06:00 12:00 18:00 Fri   06:00
               now         min         max
          now      250 g/kWh    forecast
          lowest   50 g/kWh, tomorrow 02:00
          highest  250 g/kWh, tomorrow 14:00
          source   gb-neso      issued 12 min ago
          data     NESO Carbon Intensity API, CC BY 4.0
        ");
    }

    #[test]
    fn four_days_in_sixty_columns() {
        insta::assert_snapshot!(text(&series(96, "forecast", daily), &testing::clock(), testing::look(60)), @r"
        GB: average lifecycle intensity of its consumption
          250 │█▄         ▆█▄         ▆█▄         ▆█▄         ▆
              │██▄       ████▄       ████▄       ████▄       ██
              │███▂     ▇█████▂     ▇█████▂     ▇█████▂     ▇██
              │████▁   ▆███████▁   ▆███████▁   ▆███████▁   ▆███
              │█████▃▂▆█████████▃▂▆█████████▃▂▆█████████▃▂▆████
            0 │████████████████████████████████████████████████
                    Thu   12:00 Fri   12:00 Sat   12:00 Sun
               now   min                           max
          now      250 g/kWh    forecast
          lowest   50 g/kWh, tomorrow 02:00
          highest  250 g/kWh, Sat 14:00
          source   gb-neso      issued 12 min ago
          data     NESO Carbon Intensity API, CC BY 4.0
        ");
    }

    #[test]
    fn an_annual_mean_is_no_forecast_and_says_so() {
        let mut flat = series(48, "static", |_| 230.0);
        flat.problem = Some("no provider serves GB without a key".to_owned());
        insta::assert_snapshot!(text(&flat, &testing::clock(), testing::look(80)), @r"
        GB: average lifecycle intensity of its consumption
          now      230 g/kWh    annual mean
          static   one mean for all hours: waiting saves nothing by it
          source   gb-neso
          problem  no provider serves GB without a key
          data     NESO Carbon Intensity API, CC BY 4.0
        ");
    }

    #[test]
    fn old_data_is_called_stale() {
        let old = Series { stale: true, ..series(24, "forecast", daily) };
        assert!(text(&old, &testing::clock(), testing::look(80)).contains("stale"));
    }

    proptest! {
        #[test]
        fn a_chart_of_anything_fits(hours in 0_i32..400, width in 40_usize..120, scale in 0.0..5000.0_f64) {
            let series = series(hours, "forecast", |hour| scale * f64::from(hour % 7));
            for line in text(&series, &testing::clock(), testing::look(width)).lines() {
                prop_assert!(line.width() <= width, "{line:?}");
            }
        }
    }
}
