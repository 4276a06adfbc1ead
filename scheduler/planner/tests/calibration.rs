//! Forecasts as they are to be believed: laws that hold for all of them, and what the correction is worth on half a year of
//! real forecasts of seven grids (CarbonCast, July to December 2021), which are not part of the repository.
#![expect(clippy::print_stderr, reason = "a skipped test must be seen, and figures read")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::GramsPerKwh;
use lowtide_model::window::Window;
use lowtide_planner::calibrate::Archive;
use proptest::prelude::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Midnight (UTC) of 1 July 2021.
const MIDNIGHT: i64 = 1_625_097_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// Hourly values from `start` on.
fn slots(start: i64, values: impl IntoIterator<Item = f64>, kind: Kind) -> Vec<Slot> {
    let slot = |(hour, value): (i64, f64)| Slot {
        window: Window::new(at(start + hour * HOUR), at(start + (hour + 1) * HOUR)).expect("an hour"),
        intensity: GramsPerKwh::saturating(value),
        band: None,
        kind,
    };
    (0..).zip(values).map(slot).collect()
}

fn told(issued: i64, slots: Vec<Slot>) -> Forecast {
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let zone = ZoneId::new("SE").expect("a name");
    Forecast::new(zone, tags, at(issued), at(issued), "test".into(), None, slots).expect("in order")
}

/// An archive of `days` issues at midnight, four days ahead, of which all before the last midnight was measured.
fn archive(days: i64, truth: impl Fn(i64) -> f64, forecast: impl Fn(i64, i64) -> f64) -> (Archive, i64) {
    let mut archive = Archive::default();
    for day in 0..days {
        let midnight = MIDNIGHT + day * DAY;
        let hour = (midnight - MIDNIGHT) / HOUR;
        let past = slots(midnight - DAY, (hour - 24..hour).map(&truth), Kind::Measured);
        let ahead = slots(midnight, (0..96).map(|lead| forecast(hour, lead)), Kind::Forecast);
        archive.take_in(&told(midnight, past.into_iter().chain(ahead).collect()));
    }
    (archive, MIDNIGHT + days * DAY)
}

fn day_and_night(hour: i64) -> f64 {
    if hour.rem_euclid(24) < 12 { 100.0 } else { 300.0 }
}

fn values(forecast: &Forecast, kind: Kind) -> Vec<f64> {
    forecast.slots().iter().filter(|slot| slot.kind == kind).map(|slot| slot.intensity.get()).collect()
}

#[test]
fn a_constant_error_is_taken_out() {
    let (mut archive, now) =
        archive(20, day_and_night, |hour, lead| day_and_night(hour + lead) + 40.0 + lead as f64 * 0.1);
    let newest =
        told(now, slots(now, (0..96).map(|lead| day_and_night(lead) + 40.0 + lead as f64 * 0.1), Kind::Forecast));
    archive.take_in(&newest);
    let calibrated = archive.calibrated(&newest, at(now), at(now + 4 * DAY));
    for (hour, value) in (0..).zip(values(&calibrated.forecast, Kind::Forecast)) {
        // Errors of two leads on either side are averaged, and the first and last leads have them on one side alone.
        let bar = if (2..94).contains(&hour) { 1e-3 } else { 0.25 };
        assert!((value - day_and_night(hour)).abs() < bar, "hour {hour}: {value}");
    }
    assert_eq!((calibrated.label.issues, calibrated.label.banded), (16, true));
    assert_eq!(calibrated.label.profile_from, None);
    insta::assert_snapshot!(calibrated.label, @"corrected by the errors of 16 issues, with the 90 % band of their errors");
}

#[test]
fn beyond_the_forecast_come_the_hours_of_the_weeks_before() {
    let (archive, now) = archive(35, |hour| day_and_night(hour) + (hour.rem_euclid(168) / 24) as f64, |_, _| 200.0);
    let newest = told(now, slots(now, [200.0; 10], Kind::Forecast));
    let calibrated = archive.calibrated(&newest, at(now), at(now + 3 * DAY));
    let filled = values(&calibrated.forecast, Kind::Estimated);
    assert_eq!(filled.len(), 62);
    let first = (now - MIDNIGHT) / HOUR + 10;
    for (hour, value) in (first..).zip(filled) {
        let expected = day_and_night(hour) + (hour.rem_euclid(168) / 24) as f64;
        assert!((value - expected).abs() < 1e-3, "hour {hour}: {value}");
    }
    assert!(calibrated.label.weekly && calibrated.label.profile_from == Some(at(now + 10 * HOUR)));
}

#[test]
fn a_new_archive_changes_nothing() {
    let newest = told(MIDNIGHT, slots(MIDNIGHT, [200.0; 48], Kind::Forecast));
    let calibrated = Archive::default().calibrated(&newest, at(MIDNIGHT), at(MIDNIGHT + 4 * DAY));
    assert_eq!(calibrated.forecast, newest);
    insta::assert_snapshot!(calibrated.label, @"as issued: fewer than 3 earlier issues have come true yet");
}

#[test]
fn the_error_of_the_hour_at_hand_tells_of_the_next_hours() {
    // Every day lies as a whole above or below what is forecast of it, and no midnight knows which.
    let side = |hour: i64| if (hour.div_euclid(24) * 7 % 5) < 2 { 50.0 } else { -50.0 };
    let truth = |hour: i64| 200.0 + side(hour);
    let (mut archive, midnight) = archive(32, truth, |_, _| 200.0);
    let issue = told(midnight, slots(midnight, [200.0; 96], Kind::Forecast));
    archive.take_in(&issue);
    let first = (midnight - MIDNIGHT) / HOUR;
    let now = midnight + 5 * HOUR;
    let mut seen = told(midnight, slots(midnight, (first..first + 6).map(truth), Kind::Measured));
    seen.fetched_at = at(now);
    archive.take_in(&seen);
    let believed = values(&archive.calibrated(&issue, at(now), at(midnight + 4 * DAY)).forecast, Kind::Forecast);
    let toward = |lead: usize| (believed[lead] - 200.0) / side(first);
    assert!(0.5 < toward(6) && toward(6) < 1.1, "the next hour: {:?}", &believed[..24]);
    assert!(toward(47).abs() < 0.5 * toward(6), "the next day is another: {}", toward(47));
    assert!(0.0 < archive.drift().spread && archive.drift().spread < 100.0, "{:?}", archive.drift());
}

#[test]
fn what_is_told_as_measured_in_days_to_come_is_not_believed() {
    let (mut archive, now) = archive(20, day_and_night, |hour, lead| day_and_night(hour + lead) + 40.0);
    let newest = told(now, slots(now, (0..96).map(|lead| day_and_night(lead) + 40.0), Kind::Forecast));
    archive.take_in(&newest);
    let before = archive.calibrated(&newest, at(now), at(now + 4 * DAY));
    for years in [1, 900, 7000] {
        archive.take_in(&told(now, slots(now + years * 365 * DAY, [1.0; 24], Kind::Measured)));
    }
    assert_eq!(archive.calibrated(&newest, at(now), at(now + 4 * DAY)), before);
}

#[test]
fn numbers_that_count_something_else_begin_anew() {
    let (mut archive, now) = archive(20, day_and_night, |hour, lead| day_and_night(hour + lead) + 40.0);
    let mut other = told(now, slots(now, [200.0; 48], Kind::Forecast));
    other.tags.signal = Signal::Marginal;
    archive.take_in(&other);
    assert_eq!(archive.calibrated(&other, at(now), at(now + 2 * DAY)).forecast, other);
}

#[test]
fn verification_tells_bias_coverage_and_regret() {
    // A forecast that is 40 too high in the night and right by day confuses nothing here; one that is turned over does.
    let turned = |hour: i64| 400.0 - day_and_night(hour);
    let (archive, now) = archive(30, day_and_night, |hour, lead| turned(hour + lead));
    let told = archive.verify(at(now));
    let first = told.leads[0];
    assert_eq!((first.from, first.to), (0, 6));
    assert!((first.bias - 200.0).abs() < 1e-3 && (first.absolute - 200.0).abs() < 1e-3);
    assert!(first.corrected.is_some_and(|corrected| corrected < 1e-3));
    let regret: Vec<(&str, f64)> = told.regret.iter().map(|regret| (regret.of, regret.interruptible)).collect();
    assert_eq!(regret[0].0, "as issued");
    assert!((regret[0].1 - 2.0).abs() < 1e-6, "12 h at 300 instead of 100: {regret:?}");
    assert!(regret[1].1.abs() < 1e-6 && regret[2].1.abs() < 1e-6, "{regret:?}");
}

proptest! {
    #[test]
    fn what_comes_out_can_always_be(
        truth in prop::collection::vec(0.0..900.0_f64, 24), bias in -900.0..900.0_f64, days in 1_i64..25, reach in 1_i64..120,
    ) {
        let of = |hour: i64| truth[usize::try_from(hour.rem_euclid(24)).expect("an hour")];
        let (archive, now) = archive(days, of, |hour, lead| (of(hour + lead) * 0.7 + bias).max(0.0));
        let newest = told(now, slots(now, (0..reach).map(|lead| (of(lead) * 0.9 + bias).max(0.0)), Kind::Forecast));
        // That a forecast could be made of it says: in order, no overlap, every value in its band. None is negative.
        let calibrated = archive.calibrated(&newest, at(now), at(now + 6 * DAY));
        prop_assert!(newest.slots().len() <= calibrated.forecast.slots().len());
        if days > 20 {
            prop_assert!(calibrated.forecast != newest || bias.abs() < 1e-9);
        }
    }

    /// Measured values come late, in part, or not at all.
    #[test]
    fn days_that_were_not_measured_are_passed_over(
        hours in prop::collection::vec(prop::option::weighted(0.7, 1.0..900.0_f64), 24 * 30), late in 0_i64..40,
    ) {
        let mut archive = Archive::default();
        for (day, hours) in (0..).zip(hours.chunks(24)) {
            let midnight = MIDNIGHT + day * DAY;
            let past = (0..).zip(hours).filter_map(|(hour, value)| {
                Some(slots(midnight - DAY + (hour - late) * HOUR, [(*value)?], Kind::Measured))
            });
            let ahead = slots(midnight, (0_u32..60).map(|lead| 300.0 + f64::from(lead)), Kind::Forecast);
            let mut all: Vec<Slot> = past.flatten().collect();
            all.extend(ahead);
            archive.take_in(&told(midnight, all));
        }
        let now = MIDNIGHT + 29 * DAY;
        let newest = told(now, slots(now, (0_u32..60).map(|lead| 300.0 + f64::from(lead)), Kind::Forecast));
        let believed = archive.calibrated(&newest, at(now + 3 * HOUR), at(now + 4 * DAY));
        for value in values(&believed.forecast, Kind::Forecast) {
            prop_assert!(value < 3000.0, "{value}");
        }
        prop_assert!(archive.drift().spread < 3000.0);
    }

    /// Nothing that was measured after `now` changes anything.
    #[test]
    fn nothing_looks_ahead(later in prop::collection::vec(0.0..900.0_f64, 48)) {
        let (mut archive, now) = archive(20, day_and_night, |hour, lead| day_and_night(hour + lead) + 30.0);
        let newest = told(now, slots(now, [200.0; 60], Kind::Forecast));
        archive.take_in(&newest);
        let before = archive.calibrated(&newest, at(now), at(now + 4 * DAY));
        // The hour at hand may be known already.
        let mut later = told(now, slots(now + HOUR, later, Kind::Measured));
        later.fetched_at = at(now + 49 * HOUR);
        archive.take_in(&later);
        prop_assert_eq!(archive.calibrated(&newest, at(now), at(now + 4 * DAY)), before);
    }
}

/// One region of the real data: hourly actual values, and the issues of each midnight.
struct Region {
    actual: BTreeMap<i64, f64>,
    issues: Vec<(i64, Vec<f64>)>,
}

fn data() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = repository.parent()?.join("shared/data");
    folder.join("forecast/carboncast").is_dir().then_some(folder)
}

fn region(folder: &Path, name: &str) -> Region {
    let read = |path: PathBuf| fs::read_to_string(&path).expect("the data are complete");
    let time = |text: &str| text.parse::<Timestamp>().expect("a time").as_second();
    let actual = read(folder.join(format!("carbon/carboncast/{name}_2020-2021.csv")));
    let actual = actual.lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        Some((time(columns.next()?), columns.next()?.parse().ok()?))
    });
    let issues = read(folder.join(format!("forecast/carboncast/{name}_lifecycle_96h.csv")));
    let issues = issues.lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        Some((time(columns.next()?), columns.map(|value| value.parse().expect("a number")).collect()))
    });
    Region { actual: actual.collect(), issues: issues.collect() }
}

/// A 24-hour pausable job within 72 hours, begun at every third hour of each day and planned once by that day's issue: the
/// share of the possible saving that is kept, by the forecast as issued and as corrected; and how many measured hours lay
/// in the band, of how many.
fn kept(region: &Region) -> (f64, f64, [usize; 2]) {
    let mut archive = Archive::default();
    let (mut at_once, mut best, mut raw, mut corrected) = (0.0, 0.0, 0.0, 0.0);
    let mut covered = [0, 0];
    for (issued, values) in &region.issues {
        let past = (issued - 7 * DAY..*issued).step_by(3600).filter_map(|hour| region.actual.get(&hour).copied());
        let mut all = slots(issued - 7 * DAY, past, Kind::Measured);
        all.extend(slots(*issued, values.iter().copied(), Kind::Forecast));
        let forecast = told(*issued, all);
        archive.take_in(&forecast);
        let believed = archive.calibrated(&forecast, at(*issued), at(issued + 4 * DAY)).forecast;
        let ahead: Vec<&Slot> = believed.slots().iter().filter(|slot| slot.kind == Kind::Forecast).collect();
        let actual: Option<Vec<f64>> =
            (0..96).map(|lead| region.actual.get(&(issued + lead * HOUR)).copied()).collect();
        // The last days of the data end before their forecasts do.
        let Some(actual) = actual else { continue };
        for (slot, actual) in ahead.iter().zip(&actual) {
            if let Some(band) = slot.band {
                covered[0] += usize::from((band.low.get()..=band.high.get()).contains(actual));
                covered[1] += 1;
            }
        }
        let values: [Vec<f64>; 3] =
            [actual.clone(), values.clone(), ahead.iter().map(|slot| slot.intensity.get()).collect()];
        for arrival in (0..24).step_by(3) {
            at_once += actual[arrival..arrival + 24].iter().sum::<f64>();
            let cost = |by: &[f64]| {
                let mut hours: Vec<usize> = (arrival..arrival + 72).collect();
                hours.sort_by(|a, b| by[*a].total_cmp(&by[*b]));
                hours[..24].iter().map(|hour| actual[*hour]).sum::<f64>()
            };
            best += cost(&values[0]);
            raw += cost(&values[1]);
            corrected += cost(&values[2]);
        }
    }
    let share = |cost: f64| (at_once - cost) / (at_once - best);
    (share(raw), share(corrected), covered)
}

#[test]
fn on_real_forecasts_the_correction_keeps_more_of_the_saving() {
    let Some(folder) = data() else {
        eprintln!("SKIPPED: the recorded forecasts are not here");
        return;
    };
    let (mut raw_sum, mut corrected_sum, mut covered) = (0.0, 0.0, [0, 0]);
    let regions = ["CISO", "ERCO", "PJM", "DE", "SE", "PL", "NL"];
    // The shares of the possible saving that others measured with the plain mean error of fourteen issues.
    let published = [0.900, 0.449, 0.585, 0.827, 0.648, 0.828, 0.669];
    for (name, published) in regions.into_iter().zip(published) {
        let (raw, corrected, inside) = kept(&region(&folder, name));
        let share = inside[0] as f64 / inside[1] as f64;
        eprintln!("{name}: {raw:.3} of the saving as issued, {corrected:.3} corrected; {share:.3} in the 90 % band");
        assert!(published - 0.01 < corrected, "{name}: {corrected}, published {published}");
        raw_sum += raw;
        corrected_sum += corrected;
        covered = [covered[0] + inside[0], covered[1] + inside[1]];
    }
    let (raw, corrected) = (raw_sum / 7.0, corrected_sum / 7.0);
    let share = covered[0] as f64 / covered[1] as f64;
    eprintln!("mean: {raw:.3} as issued, {corrected:.3} corrected; {share:.3} in the 90 % band");
    // By the mean error alone it is 0.693.
    assert!(raw < 0.54 && 0.72 < corrected, "{raw} {corrected}");
    assert!((0.87..0.93).contains(&share), "{share}");
}

#[test]
fn forecasts_that_cost_more_than_they_save_are_given_up_for_the_bounds_of_a_month() {
    // Each day turns the one before it over, and each forecast repeats the day before it: nothing that is past tells the hours.
    let turning = |hour: i64| if (hour.rem_euclid(24) < 12) == (hour.div_euclid(24) % 2 == 0) { 100.0 } else { 400.0 };
    let (bad, now) = archive(30, turning, |hour, lead| turning(hour + lead - 24));
    let (good, _) = archive(30, turning, |hour, lead| turning(hour + lead));
    assert_eq!(good.misled(at(now)), None);
    assert_eq!(Archive::default().misled(at(now)), None);
    let regret = bad.verify(at(now)).regret;
    if let Some(misled) = bad.misled(at(now)) {
        assert_eq!((misled.least, misled.most, misled.threshold()), (100.0, 400.0, 200.0));
    } else {
        panic!("{regret:?}");
    }
}
