//! The journal folded back into the engine that wrote it, restarts of the daemon included.
//!
//! Every event is stepped at its own moment. A daemon that starts begins with [`Event::Configured`]: what the one before it had in
//! memory alone was lost there, so the replay loses it, too, and goes on from what is written down: jobs, recurring jobs, imported
//! runs, and the forecasts a daemon reads back.

use std::collections::{BTreeMap, btree_map};

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::history::ImportedRun;
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::Seconds;

use crate::engine::Engine;
use crate::event::Event;

/// A daemon that starts reads back so many days of the forecasts it was told: five weeks of measured values, and issues to correct
/// the next one by.
pub const DAYS_READ_BACK: f64 = 35.0;

/// An engine on its way through a journal.
#[derive(Debug, Default)]
pub struct Replay {
    engine: Engine,
    begun: bool,
    told: Vec<(Role, Forecast)>,
    imported: Vec<ImportedRun>,
}

impl Replay {
    /// Takes in the next event of the journal.
    pub fn take(&mut self, at: Timestamp, event: Event) {
        match &event {
            Event::Configured(_) if self.begun => self.restart(at),
            Event::ForecastArrived(forecast) => self.keep(Role::Main, forecast),
            Event::MarginalArrived(forecast) => self.keep(Role::Beside, forecast),
            Event::Imported { runs } => self.imported.extend(runs.iter().cloned()),
            _ => {}
        }
        self.begun = true;
        self.engine.step(at, event);
    }

    /// The engine as it was after the last event taken in.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps what was told as the archive does: once.
    fn keep(&mut self, role: Role, forecast: &Forecast) {
        let again = self.told.iter().rev().take_while(|(_, known)| forecast.fetched_at <= known.fetched_at);
        if !again.into_iter().any(|(known_role, known)| *known_role == role && known == forecast) {
            self.told.push((role, forecast.clone()));
        }
    }

    fn restart(&mut self, at: Timestamp) {
        let ended = std::mem::take(&mut self.engine);
        let recurring = ended.recurring().cloned().collect();
        let jobs = ended.jobs().cloned().collect();
        let told = read_back(&self.told, Seconds::from_hours(24.0 * DAYS_READ_BACK).before(at));
        self.engine = Engine::restore(jobs, told, self.imported.clone()).with_recurring(recurring);
    }
}

/// Of what was told the first of each zone, role and hour from `since` on and the last of each, in the order they were fetched: what
/// a daemon reads back from the archive.
fn read_back(told: &[(Role, Forecast)], since: Timestamp) -> Vec<(Role, Forecast)> {
    let mut chosen: BTreeMap<(ZoneId, Role, Option<i64>), usize> = BTreeMap::new();
    for (at, (role, forecast)) in told.iter().enumerate() {
        let zone = || forecast.zone.clone();
        chosen.insert((zone(), *role, None), at);
        let milliseconds = forecast.fetched_at.as_millisecond();
        if since.as_millisecond() <= milliseconds
            && let btree_map::Entry::Vacant(first) = chosen.entry((zone(), *role, Some(milliseconds / 3_600_000)))
        {
            first.insert(at);
        }
    }
    let mut places: Vec<usize> = chosen.into_values().collect();
    places.sort_unstable();
    places.dedup();
    let mut read: Vec<(Role, Forecast)> = places.into_iter().map(|at| told[at].clone()).collect();
    read.sort_by_key(|(_, forecast)| forecast.fetched_at.as_millisecond());
    read
}
