//! Electricity prices from the tariffs of the configuration: told at the start for some weeks, and anew well before those are over.

use std::time::Duration;

use jiff::Timestamp;
use lowtide_engine::Event;
use lowtide_model::identity::ZoneId;
use lowtide_model::price::PriceSeries;
use lowtide_model::quantity::Seconds;
use lowtide_planner::tariff::{Tariff, due, to_tell};

use crate::clock::Clock;
use crate::event_loop::Handle;

/// How often they are looked at, at least: timers stand still while the machine sleeps.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The tariffs, and when each has to be told next.
pub(crate) struct Tariffs {
    tariffs: Vec<(ZoneId, Tariff, Option<Timestamp>)>,
    horizon: Seconds,
}

impl Tariffs {
    /// Tariffs for plans that look ahead as far as `horizon`.
    pub(crate) fn new(tariffs: impl IntoIterator<Item = (ZoneId, Tariff)>, horizon: Seconds) -> Self {
        Self { tariffs: tariffs.into_iter().map(|(zone, tariff)| (zone, tariff, None)).collect(), horizon }
    }

    /// The prices that are to be told at `now`.
    pub(crate) fn news(&mut self, now: Timestamp) -> Vec<PriceSeries> {
        let mut told = Vec::new();
        for (zone, tariff, next) in &mut self.tariffs {
            if next.is_some_and(|next| now < next) {
                continue;
            }
            let Some(window) = to_tell(now, self.horizon) else { continue };
            told.push(tariff.series(zone.clone(), window));
            *next = Some(due(window.end(), self.horizon));
        }
        told
    }

    /// Tells until it is aborted.
    pub(crate) async fn watch(mut self, clock: Clock, events: Handle) {
        while let Some(next) = self.tariffs.iter().filter_map(|(_, _, next)| *next).min() {
            let left = clock.real(Seconds::between(clock.now(), next));
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
            for series in self.news(clock.now()) {
                tracing::info!(zone = %series.zone(), "the tariff is told for the weeks to come");
                events.happened(Event::PricesTold(Box::new(series))).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use lowtide_engine::{Settings, World};
    use lowtide_store::Store;
    use tokio::sync::mpsc;

    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn who_watches_them_tells_them_again_and_again_before_they_are_over() {
        /// A day in a thousandth of a second: the weeks between two tellings are over in some hundredths.
        const SCALE: f64 = 86_400_000.0;
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
        let clock = Clock::of(folder.path(), SCALE, None).expect("a clock");
        let (effects, _kept) = mpsc::unbounded_channel();
        let world = World {
            sites: vec![],
            policies: BTreeMap::new(),
            time_zone: None,
            budgets: vec![],
            fair_share: None,
            settings: Settings::default(),
        };
        let (event_loop, handle) = EventLoop::new(store, clock, world, effects).expect("a loop");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let on = runtime.handle().clone();
        let thread = std::thread::spawn(move || event_loop.run(&on));
        let tariff = Tariff::new("EUR", 0.3, "UTC", vec![]).expect("a tariff");
        let mut tariffs = Tariffs::new([(ZoneId::new("DE").expect("a name"), tariff)], Seconds::from_hours(96.0));
        assert_eq!(tariffs.news(clock.now()).len(), 1);
        let told = || {
            let count = |store: &Store| {
                let mut told = 0;
                store.journal(1, |_, entry| told += usize::from(entry.kind == "prices-told"))?;
                Ok(told)
            };
            runtime.block_on(handle.look(count)).expect("a journal")
        };
        let begun = Instant::now();
        let watching = runtime.spawn(tariffs.watch(clock, handle.clone()));
        while told() < 3 {
            assert!(begun.elapsed() < LOOK_EVERY / 2, "it should not have to wait for the next look");
            std::thread::yield_now();
        }
        watching.abort();
        runtime.block_on(handle.stop());
        thread.join().expect("no panic");
    }

    #[test]
    fn a_tariff_is_told_at_once_and_again_when_little_of_it_is_left() {
        let zone = |name| ZoneId::new(name).expect("a name");
        let tariff = Tariff::new("EUR", 0.3, "UTC", vec![]).expect("a tariff");
        let horizon = Seconds::from_hours(96.0);
        let mut tariffs = Tariffs::new([(zone("DE"), tariff.clone()), (zone("GB"), tariff)], horizon);
        let start: Timestamp = "2026-03-02T00:00Z".parse().expect("a time");
        let after = |days: f64| Seconds::from_hours(24.0 * days).after(start);
        let told = tariffs.news(start);
        assert_eq!(told.iter().map(|series| series.zone().as_str()).collect::<Vec<_>>(), ["DE", "GB"]);
        let end = |series: &PriceSeries| series.slots().last().expect("a price").window.end();
        assert_eq!(end(&told[0]), after(4.0 + 56.0));
        assert_eq!(tariffs.news(after(27.9)), []);
        // However late: the machine slept.
        for late in [28.0, 400.0] {
            let told = tariffs.news(after(late));
            assert_eq!((told.len(), end(&told[0])), (2, after(late + 4.0 + 56.0)));
            assert_eq!(tariffs.news(after(late + 1.0)), []);
        }
    }
}
