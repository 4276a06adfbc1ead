//! The carbon intensity of one zone as a total step function: every moment has a value, and every value says how good
//! it is.
//!
//! A forecast ends, has gaps, or does not exist; a plan has to be made all the same. [`IntensityCurve::build`] is the one
//! ladder by which missing hours are filled: the forecast's own slots, else the mean of the same hour of day in the
//! forecast, else the forecast's mean, else the site's annual mean. What was filled in is labelled so. This module does not
//! correct a forecast's bias and does not judge its age; it only widens the band with the lead time.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::tz::Offset;
use lowtide_model::estimate::Interval;
use lowtide_model::forecast::{Forecast, Kind, Slot};
use lowtide_model::quantity::{GramsCo2e, GramsPerKwh, Joules, Seconds};
use lowtide_model::window::Window;

use crate::cells::{Bounds, Cells, cell_from, cell_of, start_of};

/// Cells of a curve are known up to so many, a hundred days: more hours than any plan looks at.
const MOST_CELLS: i64 = 9600;

/// From the mean absolute percentage error to the half-width of a 90 % interval: for a normal error, 1.645 standard
/// deviations of 1.2533 mean absolute errors each.
const HALF_WIDTH_PER_MAPE: f64 = 1.645 * 1.2533;

/// Mean absolute percentage errors (as shares) of day-ahead forecasts for lead days 1 to 4: the mean of seven regions
/// of CarbonCast's published 96-hour forecasts (CISO, ERCO, PJM, DE, SE, PL, NL; July to December 2021, life cycle)
/// against what came. Leads beyond the fourth day count as the fourth.
const FORECAST_MAPE_BY_DAY: [f64; 4] = [0.050, 0.092, 0.114, 0.128];

/// The same for "as yesterday", on the same data: what a value filled in from other days is worth.
const PERSISTENCE_MAPE_BY_DAY: [f64; 4] = [0.101, 0.128, 0.143, 0.156];

/// Relative half-width of the 90 % band of an annual mean taken for an hour's value. The hours of grids with much wind
/// and sun lie further from their mean, those of hydro and nuclear grids much nearer: a wide middle.
const STATIC_HALF_WIDTH: f64 = 0.5;

/// Carbon intensity over time without gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct IntensityCurve {
    origin: Timestamp,
    /// In order, each beginning where the one before it ends.
    segments: Vec<Segment>,
    /// Integrals from the origin to the start of each segment, and one more to the end of the last.
    integrals: Vec<Levels>,
    /// The value before the first and after the last segment.
    outside: Levels,
    outside_kind: Kind,
    issued_at: Option<Timestamp>,
    /// What a search may know of each quarter of an hour.
    cells: Cells,
}

/// One step of a curve: seconds since the origin, and the level between them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start: f64,
    end: f64,
    level: Levels,
    kind: Kind,
    /// What running in it costs beside that, g/kWh: the worth of its room to others. What the job does at a moment and takes
    /// no room for, as a transfer, does not pay it.
    toll: f64,
}

impl Segment {
    /// What running in it costs.
    fn paid(&self) -> Levels {
        let Levels { low, median, high } = self.level;
        Levels { low: low + self.toll, median: median + self.toll, high: high + self.toll }
    }
}

/// Low, median and high; of an intensity in g/kWh, or of its integral in g/kWh·s.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Levels {
    low: f64,
    median: f64,
    high: f64,
}

/// One step of a curve, as others see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The stretch of time.
    pub window: Window,
    /// The intensity in it with its 90 % interval.
    pub intensity: Interval<GramsPerKwh>,
    /// How the value came about.
    pub kind: Kind,
}

impl IntensityCurve {
    /// The curve over `horizon`. Slots of the forecast are used as they are; gaps and the hours before and beyond it
    /// take the mean of the same hour of day (UTC) in the forecast, as [`Kind::Estimated`], or the forecast's mean where
    /// it has no such hour; without a forecast everything is `fallback`, as [`Kind::Static`]. Outside the horizon the
    /// curve has the forecast's mean, or the fallback.
    ///
    /// Where the source gives no 5 % and 95 % quantiles, a band by lead time is assumed: ±10 % on the first day after
    /// the issue, ±19, ±23 and ±26 % on the following days; ±21 to ±32 % for filled-in values, ±50 % for an annual mean,
    /// nothing for a measured value.
    #[must_use]
    pub fn build(forecast: Option<&Forecast>, fallback: GramsPerKwh, now: Timestamp, horizon: Window) -> Self {
        let Some(forecast) = forecast else {
            return Self::flat(fallback, now, horizon);
        };
        let profile = Profile::of(forecast);
        let mut steps = Vec::with_capacity(forecast.slots().len() + 64);
        let mut at = horizon.start();
        for slot in forecast.slots() {
            let Some(window) = slot.window.intersection(&horizon) else { continue };
            profile.fill(at, window.start(), now, &mut steps);
            steps.push(Step { window, intensity: band_of(slot, forecast.issued_at), kind: slot.kind });
            at = window.end();
        }
        profile.fill(at, horizon.end(), now, &mut steps);
        let outside = spread(profile.mean, half_width(Kind::Estimated, horizon.duration()));
        Self::from_steps(horizon.start(), now, &steps, outside, Kind::Estimated, Some(forecast.issued_at))
    }

    /// One value for all time, as an annual mean gives it.
    #[must_use]
    pub fn constant(intensity: GramsPerKwh, horizon: Window) -> Self {
        Self::flat(intensity, horizon.start(), horizon)
    }

    fn flat(intensity: GramsPerKwh, now: Timestamp, horizon: Window) -> Self {
        let intensity = spread(intensity, STATIC_HALF_WIDTH);
        let steps = [Step { window: horizon, intensity, kind: Kind::Static }];
        Self::from_steps(horizon.start(), now, &steps, intensity, Kind::Static, None)
    }

    fn from_steps(
        origin: Timestamp,
        now: Timestamp,
        steps: &[Step],
        outside: Interval<GramsPerKwh>,
        outside_kind: Kind,
        issued_at: Option<Timestamp>,
    ) -> Self {
        let since = |at: Timestamp| at.duration_since(origin).as_secs_f64();
        let segments: Vec<Segment> = steps
            .iter()
            .map(|step| Segment {
                start: since(step.window.start()),
                end: since(step.window.end()),
                level: Levels::of(step.intensity),
                kind: step.kind,
                toll: 0.0,
            })
            .collect();
        Self::from_segments(origin, now, segments, Levels::of(outside), outside_kind, issued_at)
    }

    fn from_segments(
        origin: Timestamp,
        now: Timestamp,
        segments: Vec<Segment>,
        outside: Levels,
        outside_kind: Kind,
        issued_at: Option<Timestamp>,
    ) -> Self {
        let mut integrals = Vec::with_capacity(segments.len() + 1);
        let mut sum = Levels::ZERO;
        integrals.push(sum);
        for segment in &segments {
            sum = sum.plus(segment.paid().times(segment.end - segment.start));
            integrals.push(sum);
        }
        let cells = Cells::default();
        let curve = Self { origin, segments, integrals, outside, outside_kind, issued_at, cells };
        Self { cells: curve.in_cells(now), ..curve }
    }

    /// The curve, higher by a share of itself within these windows.
    pub(crate) fn raised_within(&self, windows: &[Window], share: f64) -> Self {
        let mut edges: Vec<Timestamp> = windows.iter().flat_map(|window| [window.start(), window.end()]).collect();
        edges.sort_unstable();
        let pieces = |step: Window| {
            let inside = edges.iter().copied().filter(move |edge| step.start() < *edge && *edge < step.end());
            let mut pieces = Vec::new();
            let mut at = step.start();
            for end in inside.chain([step.end()]) {
                let Ok(piece) = Window::new(at, end) else { continue };
                let raised = windows.iter().any(|window| window.contains(at));
                pieces.push((piece, if raised { share * self.at(at).get() } else { 0.0 }));
                at = end;
            }
            pieces
        };
        self.weighed(1.0, pieces, 0.0)
    }

    /// So many times the curve.
    pub(crate) fn times(&self, share: f64) -> Self {
        self.weighed(share, |window| [(window, 0.0)], 0.0)
    }

    /// `share` times the curve, plus what is added to each stretch of it; `outside` is added before its begin and after its end.
    /// What comes out ranks plans and is no intensity: it may lie below zero.
    pub(crate) fn weighed<I>(&self, share: f64, added: impl Fn(Window) -> I, outside: f64) -> Self
    where
        I: IntoIterator<Item = (Window, f64)>,
    {
        let plus = |level: Levels, more: f64| level.times(share).plus(Levels { low: more, median: more, high: more });
        let since = |at: Timestamp| self.since(at);
        let segments = self.segments().zip(&self.segments).flat_map(|(step, segment)| {
            added(step.window).into_iter().map(move |(piece, more)| Segment {
                start: since(piece.start()),
                end: since(piece.end()),
                level: plus(segment.level, more),
                kind: segment.kind,
                toll: share * segment.toll,
            })
        });
        Self::from_segments(
            self.origin,
            self.cells.begin(),
            segments.collect(),
            plus(self.outside, outside),
            self.outside_kind,
            self.issued_at,
        )
    }

    /// Cells from now on: nothing is planned before.
    fn in_cells(&self, now: Timestamp) -> Cells {
        let end = self.segments.last().map_or(0.0, |last| last.end);
        let end = Seconds::saturating(end).after(self.origin);
        let first = cell_of(self.origin.max(now));
        let behind = cell_from(end).min(first + MOST_CELLS);
        let mut at = 0;
        let cells = (first..behind).map(|cell| {
            let (from, until) = (self.since(start_of(cell)), self.since(start_of(cell + 1)));
            while self.segments.get(at).is_some_and(|segment| segment.end <= from) {
                at += 1;
            }
            let inside = self.segments[at..].iter().take_while(|segment| segment.start < until);
            let least = inside.map(|segment| segment.paid().median).fold(f64::INFINITY, f64::min);
            let covered = 0.0 <= from && self.segments.last().is_some_and(|last| until <= last.end);
            (self.integral(until).median, if covered { least } else { least.min(self.outside.median) })
        });
        Cells::new(first, self.integral(self.since(start_of(first))).median, cells)
    }

    /// Whether it does from now on: no intensity does, but what plans are ranked by may.
    pub(crate) fn falls_below_zero(&self) -> bool {
        self.outside.median < 0.0 || self.cells.fall_below_zero()
    }

    /// Lower bounds of the integral over runs of this length, in g/kWh·s.
    pub(crate) fn bounds(&self, length: Seconds) -> Bounds<'_> {
        self.cells.bounds(length.get())
    }

    /// The footprint of `energy` used evenly over `window`, with its 90 % interval. The interval takes the errors of
    /// all hours to be alike, as a forecast that is off is mostly off in one direction for hours; it is therefore rather
    /// too wide than too narrow. O(log n).
    #[must_use]
    pub fn integrate(&self, energy: Joules, window: Window) -> Interval<GramsCo2e> {
        self.mean_interval(window).map(|intensity| energy * intensity)
    }

    /// The mean intensity over `window`. O(log n).
    #[must_use]
    pub fn mean(&self, window: Window) -> GramsPerKwh {
        self.mean_interval(window).median
    }

    /// The mean intensity over `window` with its 90 % interval. O(log n).
    #[must_use]
    pub fn mean_interval(&self, window: Window) -> Interval<GramsPerKwh> {
        let (start, end) = (self.since(window.start()), self.since(window.end()));
        let length = end - start;
        let mean = self.integral(end).plus(self.integral(start).times(-1.0)).times(1.0 / length);
        let low = GramsPerKwh::saturating(mean.low);
        let median = GramsPerKwh::saturating(mean.median).max(low);
        Interval { low, median, high: GramsPerKwh::saturating(mean.high).max(median) }
    }

    /// The intensity at a moment.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> GramsPerKwh {
        let at = self.since(at);
        let level = self.segment_at(at).map_or(self.outside, |index| self.segments[index].level);
        GramsPerKwh::saturating(level.median)
    }

    /// The weakest kind of value that `window` rests on.
    #[must_use]
    pub fn weakest_kind(&self, window: Window) -> Kind {
        let (start, end) = (self.since(window.start()), self.since(window.end()));
        let first = self.segments.partition_point(|segment| segment.end <= start);
        let last = self.segments.partition_point(|segment| segment.start < end);
        let inside = self.segments[first..last].iter().map(|segment| segment.kind).max();
        let covered = self.segments.first().is_some_and(|segment| segment.start <= start)
            && self.segments.last().is_some_and(|segment| end <= segment.end);
        match inside {
            Some(kind) if covered => kind,
            Some(kind) => kind.max(self.outside_kind),
            None => self.outside_kind,
        }
    }

    /// Its steps, in order, over the horizon it was built for.
    pub fn segments(&self) -> impl Iterator<Item = Step> + '_ {
        self.segments.iter().map(|segment| Step {
            window: Window::new(
                Seconds::saturating(segment.start).after(self.origin),
                Seconds::saturating(segment.end).after(self.origin),
            )
            .expect("built from windows, which are not empty"),
            intensity: segment.level.interval(),
            kind: segment.kind,
        })
    }

    /// The moments in `[from, end)` at which a step begins.
    pub(crate) fn steps_between(&self, from: Timestamp, end: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let (first, last) = (self.since(from), self.since(end));
        let at = self.segments.partition_point(|segment| segment.start < first);
        self.segments[at..]
            .iter()
            .take_while(move |segment| segment.start < last)
            .map(|segment| Seconds::saturating(segment.start).after(self.origin))
    }

    /// The same curve with so many g/kWh more in each slot from `start` on, `slot` long each: a toll for room that others want.
    #[must_use]
    pub fn with_tolls(&self, start: Timestamp, slot: Seconds, tolls: &[f64]) -> Self {
        let (first, length) = (self.since(start), slot.get().max(1.0));
        let edges: Vec<f64> = (0..=tolls.len()).map(|number| first + length * number as f64).collect();
        let toll_at = |at: f64| {
            let behind = edges.partition_point(|edge| *edge <= at);
            behind.checked_sub(1).and_then(|number| tolls.get(number)).copied().unwrap_or_default()
        };
        let pieces = |segment: &Segment| {
            let from = edges.partition_point(|edge| *edge <= segment.start);
            let inside = edges[from..].iter().copied().take_while(|edge| *edge < segment.end);
            let mut at = segment.start;
            let mut pieces = Vec::new();
            for end in inside.chain([segment.end]) {
                pieces.push(Segment { start: at, end, toll: segment.toll + toll_at(at), ..*segment });
                at = end;
            }
            pieces
        };
        let segments = self.segments.iter().flat_map(pieces).collect();
        let (outside, kind) = (self.outside, self.outside_kind);
        Self::from_segments(self.origin, self.cells.begin(), segments, outside, kind, self.issued_at)
    }

    /// When the forecast it rests on was issued; `None` where it rests on a fallback.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// The integral of the median from the origin to `at`, in g/kWh·s: for planning over many windows.
    pub(crate) fn integral_to(&self, at: Timestamp) -> f64 {
        self.integral(self.since(at)).median
    }

    fn since(&self, at: Timestamp) -> f64 {
        at.duration_since(self.origin).as_secs_f64()
    }

    fn segment_at(&self, at: f64) -> Option<usize> {
        let next = self.segments.partition_point(|segment| segment.start <= at);
        next.checked_sub(1).filter(|index| at < self.segments[*index].end)
    }

    fn integral(&self, at: f64) -> Levels {
        let Some(last) = self.segments.last() else { return self.outside.times(at) };
        if at < 0.0 {
            return self.outside.times(at);
        }
        if last.end <= at {
            return self.integrals[self.segments.len()].plus(self.outside.times(at - last.end));
        }
        let index = self.segment_at(at).expect("segments leave no gap between the origin and the end of the last");
        let segment = &self.segments[index];
        self.integrals[index].plus(segment.paid().times(at - segment.start))
    }
}

impl Levels {
    const ZERO: Self = Self { low: 0.0, median: 0.0, high: 0.0 };

    fn of(interval: Interval<GramsPerKwh>) -> Self {
        Self { low: interval.low.get(), median: interval.median.get(), high: interval.high.get() }
    }

    fn interval(self) -> Interval<GramsPerKwh> {
        Interval { low: self.low, median: self.median, high: self.high }.map(GramsPerKwh::saturating)
    }

    fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, median: self.median + other.median, high: self.high + other.high }
    }

    fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, median: self.median * factor, high: self.high * factor }
    }
}

/// The mean day of a forecast, by which its gaps are filled.
struct Profile {
    by_hour: [Option<GramsPerKwh>; 24],
    mean: GramsPerKwh,
    issued_at: Timestamp,
}

impl Profile {
    fn of(forecast: &Forecast) -> Self {
        let (mut sums, mut times) = ([0.0; 24], [0.0; 24]);
        for slot in forecast.slots() {
            for piece in hours_of(slot.window.start(), slot.window.end()) {
                let seconds = piece.duration().get();
                sums[hour_of_day(piece.start())] += slot.intensity.get() * seconds;
                times[hour_of_day(piece.start())] += seconds;
            }
        }
        let mut by_hour = [None; 24];
        for hour in 0..24 {
            by_hour[hour] = (times[hour] > 0.0).then(|| GramsPerKwh::saturating(sums[hour] / times[hour]));
        }
        let (sum, time): (f64, f64) = (sums.iter().sum(), times.iter().sum());
        Self { by_hour, mean: GramsPerKwh::saturating(sum / time), issued_at: forecast.issued_at }
    }

    /// Steps from `start` up to `end`, hour by hour.
    fn fill(&self, start: Timestamp, end: Timestamp, now: Timestamp, steps: &mut Vec<Step>) {
        for window in hours_of(start, end) {
            let value = self.by_hour[hour_of_day(window.start())].unwrap_or(self.mean);
            let lead = Seconds::between(self.issued_at.min(now), window.start());
            let intensity = spread(value, half_width(Kind::Estimated, lead));
            steps.push(Step { window, intensity, kind: Kind::Estimated });
        }
    }
}

fn hour_of_day(at: Timestamp) -> usize {
    usize::try_from(Offset::UTC.to_datetime(at).hour()).expect("hours of a day are 0 to 23")
}

/// The stretch from `start` to `end`, cut at every full hour (UTC). Nothing where `end` is not after `start`.
fn hours_of(start: Timestamp, end: Timestamp) -> impl Iterator<Item = Window> {
    let mut at = start;
    std::iter::from_fn(move || {
        let next_hour = (at.as_second().div_euclid(3600) + 1) * 3600;
        let next = Timestamp::from_second(next_hour).map_or(end, |next| next.min(end));
        let window = Window::new(at, next).ok()?;
        at = next;
        Some(window)
    })
}

fn band_of(slot: &Slot, issued_at: Timestamp) -> Interval<GramsPerKwh> {
    match slot.band {
        Some(band) => Interval { low: band.low, median: slot.intensity, high: band.high },
        None => spread(slot.intensity, half_width(slot.kind, Seconds::between(issued_at, slot.window.start()))),
    }
}

/// The relative half-width of the 90 % band of a value of this kind at this lead.
fn half_width(kind: Kind, lead: Seconds) -> f64 {
    let day = [24.0, 48.0, 72.0]
        .iter()
        .position(|hours| lead.hours().total_cmp(hours) == Ordering::Less)
        .unwrap_or(FORECAST_MAPE_BY_DAY.len() - 1);
    match kind {
        Kind::Measured => 0.0,
        Kind::Forecast => HALF_WIDTH_PER_MAPE * FORECAST_MAPE_BY_DAY[day],
        Kind::Estimated => HALF_WIDTH_PER_MAPE * PERSISTENCE_MAPE_BY_DAY[day],
        Kind::Static => STATIC_HALF_WIDTH,
    }
}

fn spread(value: GramsPerKwh, half_width: f64) -> Interval<GramsPerKwh> {
    Interval { low: value.times(1.0 - half_width), median: value, high: value.times(1.0 + half_width) }
}

#[cfg(test)]
mod tests {
    use lowtide_model::forecast::Band;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{forecast, hour, window};

    fn day_and_night(at: u32) -> f64 {
        if at % 24 < 12 { 100.0 } else { 300.0 }
    }

    #[test]
    fn hours_beyond_the_forecast_take_the_same_hour_of_an_earlier_day() {
        let forecast = forecast("GB", &(0..24).map(day_and_night).collect::<Vec<_>>());
        let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::saturating(7.0), hour(0.0), window(0.0, 72.0));
        for (at, intensity, kind) in [
            (3.0, 100.0, Kind::Forecast),
            (23.0, 300.0, Kind::Forecast),
            (27.0, 100.0, Kind::Estimated),
            (60.5, 300.0, Kind::Estimated),
            (500.0, 200.0, Kind::Estimated),
        ] {
            assert!((curve.at(hour(at)).get() - intensity).abs() < 1e-9, "at hour {at}");
            assert_eq!(curve.weakest_kind(window(at, at + 0.1)), kind, "at hour {at}");
        }
    }

    #[test]
    fn without_a_forecast_the_fallback_holds_and_says_so() {
        let curve = IntensityCurve::build(None, GramsPerKwh::saturating(420.0), hour(0.0), window(0.0, 24.0));
        assert_eq!(curve.weakest_kind(window(3.0, 4.0)), Kind::Static);
        assert_eq!(curve.issued_at(), None);
        let grams = curve.integrate(Joules::from_kwh(2.0).expect("positive"), window(20.0, 30.0));
        assert!((grams.median.get() - 840.0).abs() < 1e-9);
        assert!(grams.low < grams.median && grams.median < grams.high);
    }

    #[test]
    fn the_assumed_band_grows_with_the_lead_and_a_given_band_is_kept() {
        let mut slots = forecast("GB", &[200.0; 96]).slots().to_vec();
        slots[0].band = Some(Band { low: GramsPerKwh::saturating(150.0), high: GramsPerKwh::saturating(260.0) });
        let original = forecast("GB", &[200.0; 96]);
        let banded = Forecast::new(
            original.zone.clone(),
            original.tags,
            original.issued_at,
            original.fetched_at,
            original.source.clone(),
            None,
            slots,
        )
        .expect("in order");
        let curve = IntensityCurve::build(Some(&banded), GramsPerKwh::ZERO, hour(0.0), window(0.0, 96.0));
        let given = curve.mean_interval(window(0.0, 1.0));
        assert!((given.low.get() - 150.0).abs() < 1e-9 && (given.high.get() - 260.0).abs() < 1e-9);
        let widths: Vec<f64> = [10.0, 30.0, 60.0, 90.0]
            .iter()
            .map(|at| {
                let band = curve.mean_interval(window(*at, at + 1.0));
                band.high.get() - band.low.get()
            })
            .collect();
        assert!(widths.is_sorted() && widths[0] < widths[3], "{widths:?}");
    }

    proptest! {
        /// The prefix sums against the sum over all steps.
        #[test]
        fn the_integral_is_the_sum_over_the_steps(
            levels in prop::collection::vec(0.0..900.0_f64, 1..40), start in -5.0..60.0_f64, length in 0.01..60.0_f64,
        ) {
            let forecast = forecast("GB", &levels);
            let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, hour(0.0), window(0.0, 48.0));
            let window = window(start, start + length);
            let inside: f64 = curve.segments().filter_map(|step| {
                step.window.intersection(&window).map(|part| step.intensity.median.get() * part.duration().get())
            }).sum();
            let covered: f64 = curve.segments().filter_map(|step| {
                step.window.intersection(&window).map(|part| part.duration().get())
            }).sum();
            let outside = curve.at(hour(1000.0)).get() * (window.duration().get() - covered);
            let expected = (inside + outside) / window.duration().get();
            prop_assert!((curve.mean(window).get() - expected).abs() < 1e-6 * (1.0 + expected));
        }
    }
}
