//! Tests of tariffs: what an hour costs by the clock on the wall.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, ToSpan as _};
use proptest::prelude::*;

use super::*;
use crate::price::PriceCurve;

const NIGHT: (f64, &str, &str) = (0.12, "30 0 * * *", "5h");

fn tariff(clock: &str, bands: &[(f64, &str, &str)]) -> Tariff {
    let band = |(per_kwh, cron, duration): &(f64, &str, &str)| Band::new(*per_kwh, cron, duration).expect(cron);
    Tariff::new("gbp", 0.30, clock, bands.iter().map(band).collect()).expect("a tariff")
}

fn zone() -> ZoneId {
    ZoneId::new("GB").expect("a name")
}

/// The slots between two moments as `price from`, each moment by UTC.
fn told(tariff: &Tariff, from: &str, to: &str) -> Vec<String> {
    let moment = |text: &str| format!("{text}Z").parse::<Timestamp>().expect(text);
    let series = tariff.series(zone(), Window::new(moment(from), moment(to)).expect("in order"));
    assert_eq!(series.currency(), "GBP");
    let slots = series.slots();
    assert!(slots.windows(2).all(|pair| pair[0].window.end() == pair[1].window.start()), "no gaps");
    assert_eq!((slots[0].window.start(), slots[slots.len() - 1].window.end()), (moment(from), moment(to)));
    let told = |slot: &PriceSlot| format!("{} {}", slot.per_kwh, slot.window.start().strftime("%d %H:%M"));
    slots.iter().map(told).collect()
}

#[test]
fn without_bands_all_hours_cost_the_same() {
    assert_eq!(told(&tariff("UTC", &[]), "2026-01-01T00:00", "2026-12-31T00:00"), ["0.3 01 00:00"]);
}

#[test]
fn a_later_band_holds_over_an_earlier_one() {
    let day = (0.40, "0 8 * * *", "12h");
    let noon = (0.05, "0 11 * * *", "2h");
    let on = |bands: &[_]| told(&tariff("UTC", bands), "2026-03-02T00:00", "2026-03-03T00:00");
    assert_eq!(on(&[day, noon]), ["0.3 02 00:00", "0.4 02 08:00", "0.05 02 11:00", "0.4 02 13:00", "0.3 02 20:00"]);
    assert_eq!(on(&[noon, day]), ["0.3 02 00:00", "0.4 02 08:00", "0.3 02 20:00"]);
}

#[test]
fn a_band_passes_midnight_and_belongs_to_the_day_on_which_it_begins() {
    // 6 March 2026 is a Friday.
    let band = (0.10, "0 22 * * FRI", "8h");
    assert_eq!(
        told(&tariff("UTC", &[band]), "2026-03-05T12:00", "2026-03-09T12:00"),
        ["0.3 05 12:00", "0.1 06 22:00", "0.3 07 06:00"]
    );
    // One that has begun before the first moment holds in it.
    assert_eq!(told(&tariff("UTC", &[band]), "2026-03-07T03:00", "2026-03-07T12:00"), ["0.1 07 03:00", "0.3 07 06:00"]);
}

#[test]
fn days_of_the_week_and_months_are_told_apart() {
    let peak = (0.45, "0 16 * 1-3,11-12 MON-FRI", "3h");
    let weekend = (0.20, "0 0 * * SAT", "48h");
    let tariff = tariff("UTC", &[peak, weekend]);
    assert_eq!(
        told(&tariff, "2026-03-06T00:00", "2026-03-09T17:00"),
        ["0.3 06 00:00", "0.45 06 16:00", "0.3 06 19:00", "0.2 07 00:00", "0.3 09 00:00", "0.45 09 16:00"]
    );
    // Summer has no peak: the last one is that of 31 March, a Tuesday, and the first that of 2 November, a Monday.
    let peaks =
        |from, to| told(&tariff, from, to).into_iter().filter(|slot| slot.starts_with("0.45")).collect::<Vec<_>>();
    assert_eq!(peaks("2026-03-31T00:00", "2026-11-03T00:00"), ["0.45 31 16:00", "0.45 02 16:00"]);
}

#[test]
fn a_band_keeps_its_hours_on_the_wall_when_the_clock_changes() {
    // Great Britain puts the clock forward at 01:00 UTC on 29 March 2026, and back at 01:00 UTC on 25 October.
    let night = tariff("Europe/London", &[NIGHT]);
    assert_eq!(
        told(&night, "2026-03-28T00:00", "2026-03-30T12:00"),
        [
            "0.3 28 00:00",
            "0.12 28 00:30",
            "0.3 28 05:30",
            "0.12 29 00:30", // an hour shorter
            "0.3 29 04:30",
            "0.12 29 23:30",
            "0.3 30 04:30"
        ]
    );
    assert_eq!(
        told(&night, "2026-10-24T12:00", "2026-10-26T12:00"),
        ["0.3 24 12:00", "0.12 24 23:30", "0.3 25 05:30", "0.12 26 00:30", "0.3 26 05:30"],
        "an hour longer"
    );
}

#[test]
fn hours_that_are_skipped_cost_nothing_and_hours_that_come_twice_cost_the_same_twice() {
    let skipped = tariff("Europe/London", &[(0.10, "0 1 * * *", "1h")]);
    assert_eq!(told(&skipped, "2026-03-28T12:00", "2026-03-29T12:00"), ["0.3 28 12:00"]);
    // From 01:15 to 01:45, by both of the clock's runs through that hour.
    let twice = tariff("Europe/London", &[(0.10, "15 1 * * *", "30min")]);
    assert_eq!(
        told(&twice, "2026-10-24T12:00", "2026-10-25T12:00"),
        ["0.3 24 12:00", "0.1 25 00:15", "0.3 25 00:45", "0.1 25 01:15", "0.3 25 01:45"]
    );
}

#[test]
fn a_tariff_by_the_local_clock_follows_the_machine() {
    let here = tariff("local", &[NIGHT]);
    let on = |tariff: &Tariff| told(tariff, "2026-03-02T12:00", "2026-03-03T00:00");
    assert_eq!(on(&here), ["0.3 02 12:00"]);
    let tokyo = TimeZoneDatabase::bundled().get("Asia/Tokyo").expect("a zone");
    assert_eq!(on(&here.in_local_zone(&tokyo)), ["0.3 02 12:00", "0.12 02 15:30", "0.3 02 20:30"]);
    assert_eq!(on(&tariff("UTC", &[NIGHT]).in_local_zone(&tokyo)), ["0.3 02 12:00"], "it named its clock");
}

#[test]
fn what_is_no_tariff_says_why() {
    let band = |per_kwh, cron, duration| Band::new(per_kwh, cron, duration).expect_err(cron).to_string();
    for (error, says) in [
        (band(f64::NAN, "0 16 * * *", "3h"), "`per_kwh` is NaN"),
        (band(2000.0, "0 16 * * *", "3h"), "between -1000 and 1000"),
        (band(0.1, "0 16 * *", "3h"), "`0 16 * *` has 4"),
        (band(0.1, "0 25 * * *", "3h"), "`0 25 * * *` is not a cron expression"),
        (band(0.1, "0 16 * * *", "three hours"), "`\"36h\"`"),
        (band(0.1, "0 16 * * *", "5min"), "from 15 minutes to 7 days, this one 5min"),
        (band(0.1, "0 16 * * *", "8d"), "from 15 minutes to 7 days, this one 8d"),
    ] {
        assert!(error.contains(says), "{error} does not say {says}");
    }
    let tariff =
        |currency, per_kwh, clock, bands| Tariff::new(currency, per_kwh, clock, bands).expect_err(currency).to_string();
    assert!(tariff("£", 0.3, "UTC", vec![]).contains("`£` is not a currency"));
    assert!(tariff("GBP", f64::INFINITY, "UTC", vec![]).contains("`per_kwh` is inf"));
    assert!(tariff("GBP", 0.3, "Europe/Lodon", vec![]).contains("did you mean `Europe/London`?"));
    let many = vec![Band::new(0.1, "0 16 * * *", "3h").expect("a band"); 51];
    assert!(tariff("GBP", 0.3, "UTC", many).contains("at most 50 bands, this one has 51"));
}

#[test]
fn a_year_is_told_in_few_tellings_and_never_too_short() {
    let (start, horizon) = (crate::testing::hour(0.0), Seconds::from_hours(96.0));
    let night = tariff("Europe/London", &[NIGHT]);
    let (mut curve, mut due_at, mut tellings) = (None, start, 0);
    for hours in 0..365 * 24 {
        let now = crate::testing::hour(f64::from(hours));
        if due_at <= now {
            let window = to_tell(now, horizon).expect("it is not the end of time");
            curve = Some(PriceCurve::of(&night.series(zone(), window)));
            due_at = due(window.end(), horizon);
            tellings += 1;
        }
        let needed = Window::new(now, Seconds::from_hours(96.0 + 28.0 * 24.0).after(now)).expect("in order");
        assert!(curve.as_ref().is_some_and(|curve| curve.tells(needed)), "at {now}");
    }
    assert_eq!(tellings, 14, "at once, then every 28 days");
}

/// A band as a property test makes it up: its first minute of the day, its quarters of an hour, its days from Sunday on.
type Drawn = (i64, i64, [bool; 7]);

/// Whether the clock on the wall shows a moment of the band, by the calendar alone.
fn covers((minute, quarters, days): &Drawn, civil: DateTime) -> bool {
    (0..=3).any(|back| {
        let day = civil.date() - back.days();
        let begins = day.to_datetime(jiff::civil::Time::midnight()) + minute.minutes();
        let ends = begins + (15 * quarters).minutes();
        let at = usize::try_from(day.weekday().since(Weekday::Sunday)).expect("not negative");
        days[at] && begins <= civil && civil < ends
    })
}

proptest! {
    #[test]
    fn every_moment_costs_what_the_clock_on_the_wall_shows(
        bands in prop::collection::vec((0..1440_i64, 1..=192_i64, prop::array::uniform7(any::<bool>())), 0..5),
        clock in prop::sample::select(
            vec!["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "UTC"]
        ),
        from in 0..365 * 1440_i64, minutes in 1..20 * 1440_i64,
        at in prop::collection::vec(0.0..1.0_f64, 100),
    ) {
        let bands: Vec<Drawn> = bands.into_iter().filter(|(_, _, days)| days.contains(&true)).collect();
        let written = |(number, (minute, quarters, days)): (usize, &Drawn)| {
            let days: Vec<String> = (0..7).filter(|day| days[*day]).map(|day| day.to_string()).collect();
            let cron = format!("{} {} * * {}", minute % 60, minute / 60, days.join(","));
            Band::new(number as f64, &cron, &format!("{}min", 15 * quarters)).expect("a band")
        };
        let tariff = Tariff::new("EUR", -1.0, clock, bands.iter().enumerate().map(written).collect()).expect("a tariff");
        let start = crate::testing::hour(0.0) + SignedDuration::from_mins(from);
        let within = Window::new(start, start + SignedDuration::from_mins(minutes)).expect("in order");
        let series = tariff.series(zone(), within);
        let slots = series.slots();
        prop_assert_eq!((slots[0].window.start(), slots[slots.len() - 1].window.end()), (within.start(), within.end()));
        let zone = TimeZoneDatabase::bundled().get(clock).expect("a zone");
        // The edges, where it is likely to go wrong, and moments anywhere.
        let anywhere = at.iter().map(|share| Seconds::from_hours(share * within.duration().hours()).after(start));
        for moment in slots.iter().map(|slot| slot.window.start()).chain(anywhere) {
            let expected = bands.iter().rposition(|band| covers(band, zone.to_datetime(moment)));
            let slot = slots.iter().find(|slot| slot.window.contains(moment)).expect("every moment has a price");
            prop_assert!((slot.per_kwh - expected.map_or(-1.0, |band| band as f64)).abs() < 1e-9, "{} {:?}", moment, slot);
        }
    }
}
