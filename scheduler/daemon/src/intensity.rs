//! What is known about the watching of the grid, to look at: who tells of each zone, how old that is, what is wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use lowtide_api::v1::forecast::{Point, Series};
use lowtide_model::forecast::Role;
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Site;

use crate::catalogue::PluginFacts;

/// What is known about the watching, to look at.
#[derive(Debug, Default)]
pub(crate) struct Intensity {
    sources: Mutex<BTreeMap<(ZoneId, Role), Source>>,
    plugins: Mutex<Vec<PluginFacts>>,
}

/// Who tells of a zone.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) plugin: String,
    pub(crate) problem: Option<String>,
    pub(crate) told_at: Option<Timestamp>,
    pub(crate) refresh: Seconds,
    pub(crate) stale: bool,
}

impl Intensity {
    /// The plugin that serves a zone.
    #[must_use]
    pub(crate) fn plugin_of(&self, zone: &ZoneId) -> Option<String> {
        self.source(zone).map(|source| source.plugin)
    }

    /// What is wrong with a zone's source, for people.
    #[must_use]
    pub(crate) fn problem_of(&self, zone: &ZoneId) -> Option<String> {
        self.source(zone).and_then(|source| source.problem)
    }

    /// Whether what is known of a zone is older than it should be.
    #[must_use]
    pub(crate) fn is_stale(&self, zone: &ZoneId) -> bool {
        self.source(zone).is_some_and(|source| source.stale)
    }

    /// All that is wrong.
    #[must_use]
    pub(crate) fn problems(&self) -> Vec<String> {
        let sources = self.sources.lock().expect("no holder panics");
        sources
            .iter()
            .filter_map(|((zone, _), source)| source.problem.as_ref().map(|problem| format!("{zone}: {problem}")))
            .collect()
    }

    /// The plugins there are, each with the zones of this daemon it serves.
    #[must_use]
    pub(crate) fn plugins(&self) -> Vec<(PluginFacts, Vec<String>)> {
        let sources = self.sources.lock().expect("no holder panics");
        let served = |id: &str| {
            let zones = sources.iter().filter(|(_, source)| source.plugin == id);
            zones.map(|((zone, _), _)| zone.to_string()).collect()
        };
        let plugins = self.plugins.lock().expect("no holder panics");
        plugins.iter().map(|facts| (facts.clone(), served(&facts.manifest.id))).collect()
    }

    /// Begins with these sources and plugins; what was known of a source that stays is kept.
    pub(crate) fn begin(&self, sources: BTreeMap<(ZoneId, Role), Source>, plugins: Vec<PluginFacts>) {
        let mut known = self.sources.lock().expect("no holder panics");
        let kept = |(key, new): ((ZoneId, Role), Source)| {
            let source = known.get(&key).filter(|old| old.plugin == new.plugin).cloned().unwrap_or(new);
            (key, source)
        };
        *known = sources.into_iter().map(kept).collect();
        *self.plugins.lock().expect("no holder panics") = plugins;
    }

    fn source(&self, zone: &ZoneId) -> Option<Source> {
        self.source_as(zone, Role::Main)
    }

    /// Who tells of a zone in this role.
    pub(crate) fn source_as(&self, zone: &ZoneId, role: Role) -> Option<Source> {
        self.sources.lock().expect("no holder panics").get(&(zone.clone(), role)).cloned()
    }

    /// Changes what is known of a source.
    pub(crate) fn edit(&self, zone: &ZoneId, role: Role, edit: impl FnOnce(&mut Source)) {
        if let Some(source) = self.sources.lock().expect("no holder panics").get_mut(&(zone.clone(), role)) {
            edit(source);
        }
    }
}

/// The series of a zone of which nothing was ever told: its annual mean, said plainly.
#[must_use]
pub(crate) fn fallback_series(site: &Site, start: Timestamp, end: Timestamp) -> Series {
    Series {
        zone: site.zone.to_string(),
        signal: "average".to_owned(),
        basis: "lifecycle".to_owned(),
        accounting: "production".to_owned(),
        source: site.fallback_source.clone(),
        issued_at: None,
        stale: false,
        calibration: None,
        attribution: None,
        problem: None,
        points: vec![Point {
            start,
            end,
            intensity_g_per_kwh: site.fallback_intensity.get(),
            low: None,
            high: None,
            kind: "static".to_owned(),
        }],
    }
}
