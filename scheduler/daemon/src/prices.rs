//! Electricity prices from the files that the configuration names: read at the start, and again whenever a file has changed.
//!
//! A file is a table of `time` and one column called after currency and unit, `eur_per_kwh` or `dkk_per_mwh`. A price holds until
//! the next row, the last one as long as the one before it. A file that cannot be read leaves what was known in force.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lowtide_engine::Event;
use lowtide_model::identity::ZoneId;
use lowtide_model::price::{PriceSeries, PriceSlot};
use lowtide_model::window::Window;

use crate::event_loop::Handle;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// A longer file is another file.
const MOST_ROWS: usize = 1_000_000;

/// The price files, and when each was last seen to change.
pub(crate) struct PriceFiles {
    files: Vec<(ZoneId, PathBuf, Option<SystemTime>)>,
}

impl PriceFiles {
    pub(crate) fn new(files: impl IntoIterator<Item = (ZoneId, PathBuf)>) -> Self {
        Self { files: files.into_iter().map(|(zone, path)| (zone, path, None)).collect() }
    }

    /// What is new in the files, and what is wrong with those that are new.
    pub(crate) fn news(&mut self) -> (Vec<PriceSeries>, Vec<String>) {
        let (mut told, mut problems) = (Vec::new(), Vec::new());
        for (zone, path, seen) in &mut self.files {
            let changed = std::fs::metadata(&*path).and_then(|metadata| metadata.modified()).ok();
            if changed.is_some() && changed == *seen {
                continue;
            }
            let text = std::fs::read_to_string(&*path).map_err(|error| error.to_string());
            match text.and_then(|text| series(zone, &text)) {
                Ok(series) => told.push(series),
                Err(error) => {
                    problems.push(format!("the prices of {zone} in {} cannot be used: {error}", path.display()));
                }
            }
            *seen = changed;
        }
        (told, problems)
    }

    /// Looks until it is aborted.
    pub(crate) async fn watch(mut self, events: Handle) {
        if self.files.is_empty() {
            return;
        }
        let mut last = Vec::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (told, problems) = self.news();
            for series in told {
                tracing::info!(zone = %series.zone(), "prices are known anew");
                events.happened(Event::PricesTold(Box::new(series))).await;
            }
            if problems != last {
                for problem in &problems {
                    tracing::warn!("{problem}; what was known of them stays in force");
                }
                last = problems;
            }
        }
    }
}

/// The prices that a file tells.
fn series(zone: &ZoneId, text: &str) -> Result<PriceSeries, String> {
    let mut table =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let head = table.headers().map_err(|error| error.to_string())?.clone();
    let time_at = head.iter().position(|name| name.eq_ignore_ascii_case("time")).ok_or("it has no column `time`")?;
    let unit_of = |(at, name): (usize, &str)| {
        let name = name.to_ascii_lowercase();
        let per_kwh = name.strip_suffix("_per_kwh").map(|currency| (currency.to_uppercase(), 1.0));
        let (currency, share) = per_kwh.or_else(|| Some((name.strip_suffix("_per_mwh")?.to_uppercase(), 1e-3)))?;
        (!currency.is_empty()).then_some((at, currency, share))
    };
    let (price_at, currency, share) =
        head.iter().enumerate().find_map(unit_of).ok_or(
            "it has no column of prices: call it after currency and unit, such as `eur_per_kwh` or `dkk_per_mwh`",
        )?;
    let mut rows: Vec<(Timestamp, f64)> = Vec::new();
    for (number, row) in table.records().take(MOST_ROWS).enumerate() {
        let row = row.map_err(|error| error.to_string())?;
        let (time, price) = (row.get(time_at).unwrap_or_default(), row.get(price_at).unwrap_or_default());
        let line = number + 2;
        let at = time
            .parse()
            .map_err(|_| format!("line {line}: `{time}` is not a time with its zone, such as 2026-11-25T13:00Z"))?;
        let price: f64 = price.parse().map_err(|_| format!("line {line}: `{price}` is not a number"))?;
        rows.push((at, price * share));
    }
    rows.sort_by_key(|(at, _)| *at);
    let step = rows.windows(2).last().map(|pair| pair[1].0.duration_since(pair[0].0));
    let step = step.ok_or("it needs at least two rows, to tell how long a price holds")?;
    let ends = rows.iter().skip(1).map(|(at, _)| *at).chain(rows.last().map(|(at, _)| *at + step));
    let slots = rows.iter().zip(ends).map(|((start, per_kwh), end)| {
        let window = Window::new(*start, end).map_err(|_| format!("the time {start} stands there twice"))?;
        Ok(PriceSlot { window, per_kwh: *per_kwh })
    });
    let slots = slots.collect::<Result<Vec<_>, String>>()?;
    PriceSeries::new(zone.clone(), currency, slots).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PriceSeries, String> {
        series(&ZoneId::new("DK-DK1").expect("a name"), text)
    }

    #[test]
    fn the_head_tells_currency_and_unit_and_a_price_holds_until_the_next() {
        let text = "time,dkk_per_mwh\n2026-11-25T01:00Z,1500\n2026-11-25T00:00Z,-20\n2026-11-25T02:00+00:00,800\n";
        let series = read(text).expect("prices");
        assert_eq!(series.currency(), "DKK");
        let told: Vec<(f64, f64)> =
            series.slots().iter().map(|slot| (slot.window.duration().hours(), slot.per_kwh)).collect();
        assert_eq!(told, [(1.0, -0.02), (1.0, 1.5), (1.0, 0.8)]);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (text, says) in [
            ("", "no column `time`"),
            ("time,price\n", "eur_per_kwh"),
            ("time,eur_per_kwh\n2026-11-25 00:00,1\n", "line 2: `2026-11-25 00:00` is not a time with its zone"),
            ("time,eur_per_kwh\n2026-11-25T00:00Z,x\n", "`x` is not a number"),
            ("time,eur_per_kwh\n2026-11-25T00:00Z,1\n", "at least two rows"),
            ("time,eur_per_kwh\n2026-11-25T00:00Z,1\n2026-11-25T00:00Z,2\n", "twice"),
            ("time,eur_per_kwh\n2026-11-25T00:00Z,1\n2026-11-25T01:00Z,nan\n", "not a finite number"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_is_told_again_only_when_it_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("prices.csv");
        let write = |price: &str| {
            std::fs::write(&path, format!("time,eur_per_kwh\n2026-11-25T00:00Z,{price}\n2026-11-25T01:00Z,2\n"))
                .expect("written");
        };
        write("1");
        let mut files = PriceFiles::new([(ZoneId::new("DE").expect("a name"), path.clone())]);
        assert_eq!(files.news().0.len(), 1);
        assert_eq!(files.news(), (vec![], vec![]));
        write("x");
        let later = SystemTime::now() + Duration::from_secs(10);
        std::fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(later)).expect("touched");
        let (told, problems) = files.news();
        assert!(told.is_empty() && problems[0].contains("`x` is not a number"), "{problems:?}");
    }
}
