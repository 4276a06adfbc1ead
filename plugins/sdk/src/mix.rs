//! From what plants generate to what a kilowatt-hour emits. Pure but for [`Mix::points`], which logs what it leaves out.
//!
//! Life-cycle factors are the medians of IPCC AR5 WG3 (2014), Annex III, table A.III.2; oil, which is not in that table, is
//! that of the UK Parliamentary Office of Science and Technology. Direct ones count burning alone: coal and gas are of the
//! same annex, oil is a blend of the figures of the EIA (2020) and of the UK (BEIS 2021); biomass counts as 0, as is the
//! custom of direct accounting. What is of unknown make counts as a thermal mix, 700 and 575, the default of Electricity Maps.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Basis, Kind, Level, Point, Timestamp, host};

/// A slot of which more than this share is not accounted for, by codes nobody knows or by plants that told nothing, has no
/// value.
const MOST_UNACCOUNTED: f64 = 0.05;
/// What is told in at least this share of the other slots is expected in all: providers are late by some slots.
const USUAL: f64 = 0.75;
/// So is what is told in at least this share, where much comes from it; but for the sun, which some tell by day only.
const FREQUENT: f64 = 0.5;

/// What is burnt, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they say it")]
pub enum Fuel {
    Biomass,
    Coal,
    Gas,
    Geothermal,
    Hydro,
    Marine,
    Nuclear,
    Oil,
    Solar,
    /// Told by the provider as "other": taken for a thermal mix.
    Unknown,
    Wind,
}

/// What a provider's code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Plants of a fuel.
    Plant(Fuel),
    /// Batteries and pumped storage, charging or discharging: what they give was counted when it was generated.
    Storage,
    /// Imports and exports: not what the zone generates.
    Exchange,
    /// A code that is not known here.
    Uncoded,
}

impl Fuel {
    /// gCO2e/kWh.
    #[must_use]
    pub const fn factor(self, basis: Basis) -> f64 {
        let (lifecycle, direct) = match self {
            Self::Biomass => (230.0, 0.0),
            Self::Coal => (820.0, 760.0),
            Self::Gas => (490.0, 370.0),
            Self::Geothermal => (38.0, 0.0),
            Self::Hydro => (24.0, 0.0),
            Self::Marine => (17.0, 0.0),
            Self::Nuclear => (12.0, 0.0),
            Self::Oil => (650.0, 406.0),
            Self::Solar => (48.0, 0.0),
            Self::Unknown => (700.0, 575.0),
            Self::Wind => (11.0, 0.0),
        };
        match basis {
            Basis::Lifecycle => lifecycle,
            Basis::Direct => direct,
        }
    }
}

/// Generation by slot and provider's code, in any one unit of energy, or of power where all slots are of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mix {
    slots: BTreeMap<Timestamp, Slot>,
    fuels: BTreeMap<String, Fuel>,
    uncoded: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Slot {
    plants: BTreeMap<String, Output>,
    uncoded: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Output {
    amount: f64,
    emitted: f64,
}

/// What became of a mix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Start and gCO2e/kWh, in order.
    pub values: Vec<(Timestamp, f64)>,
    /// Codes that are not known here.
    pub uncoded: BTreeSet<String>,
    /// Slots of which too much comes from such codes.
    pub of_uncoded: usize,
    /// Slots in which plants that usually tell something told nothing.
    pub incomplete: usize,
}

impl Mix {
    /// Adds what the plants of a code gave from `start` on. Nothing told is not 0. Plants that take more than they give (own
    /// use, pumping) give 0.
    pub fn add(&mut self, start: Timestamp, code: &str, source: Source, amount: Option<f64>, basis: Basis) {
        let factor = if let Source::Plant(fuel) = source { fuel.factor(basis) } else { 0.0 };
        self.add_emitting(start, code, source, amount, factor);
    }

    /// As [`add`](Self::add), where the provider tells what these plants emit: `factor` gCO2e for each kWh.
    pub fn add_emitting(&mut self, start: Timestamp, code: &str, source: Source, amount: Option<f64>, factor: f64) {
        let slot = self.slots.entry(start).or_default();
        let Some(amount) = amount.filter(|amount| amount.is_finite() && factor.is_finite()) else { return };
        let amount = amount.max(0.0);
        match source {
            Source::Plant(fuel) => {
                self.fuels.insert(code.to_owned(), fuel);
                let output = slot.plants.entry(code.to_owned()).or_default();
                output.amount += amount;
                output.emitted += amount * factor;
            }
            Source::Uncoded => {
                self.uncoded.insert(code.to_owned());
                slot.uncoded += amount;
            }
            Source::Storage | Source::Exchange => {}
        }
    }

    /// The intensity of each slot.
    ///
    /// Providers tell one plant after the other, and an hour of sun alone looks clean: the newest slots are left out until all
    /// that is usually told is there, and so is any slot of sun alone where there are other plants, and any where more than 5 %
    /// is missing by what the plants usually give. A slot without generation has no value.
    #[must_use]
    pub fn told(self) -> Told {
        let expected = self.expected();
        let all: f64 = expected.values().map(|(amount, _)| amount).sum();
        let mut told = Told { uncoded: self.uncoded, ..Told::default() };
        let others = self.fuels.values().any(|fuel| *fuel != Fuel::Solar);
        let mut newest = true;
        for (start, slot) in self.slots.into_iter().rev() {
            let missing = expected.iter().filter(|(code, _)| !slot.plants.contains_key(code.as_str()));
            let (amounts, usual): (Vec<f64>, Vec<bool>) = missing.map(|(_, expected)| *expected).unzip();
            newest &= usual.contains(&true);
            let sun_alone = others && slot.plants.keys().all(|code| self.fuels.get(code) == Some(&Fuel::Solar));
            if newest || sun_alone || MOST_UNACCOUNTED * all < amounts.iter().sum() {
                told.incomplete += 1;
                continue;
            }
            let generated: f64 = slot.plants.values().map(|output| output.amount).sum();
            if MOST_UNACCOUNTED * (generated + slot.uncoded) < slot.uncoded {
                told.of_uncoded += 1;
            } else if 0.0 < generated {
                let emitted: f64 = slot.plants.values().map(|output| output.emitted).sum();
                told.values.push((start, emitted / generated));
            }
        }
        told.values.reverse();
        told
    }

    /// The same as measured points of one length, in seconds; what was left out is logged.
    #[must_use]
    pub fn points(self, of: &str, duration: u32) -> Vec<Point> {
        let told = self.told();
        for code in &told.uncoded {
            host::log(Level::Warn, &format!("{of}: the source `{code}` is not known and was left out"));
        }
        if 0 < told.of_uncoded {
            let what = format!("{of}: {} slots left out, more than 5 % of unknown sources", told.of_uncoded);
            host::log(Level::Warn, &what);
        }
        if 0 < told.incomplete {
            host::log(Level::Debug, &format!("{of}: {} slots left out, not all plants told yet", told.incomplete));
        }
        let point = |(start, intensity)| Point { start, duration, intensity, uncertainty: None, kind: Kind::Measured };
        told.values.into_iter().map(point).collect()
    }

    /// What each slot should tell: how much each code gives when it is told, and whether it usually is.
    fn expected(&self) -> BTreeMap<String, (f64, bool)> {
        // All but one must have told it: with few slots the share alone would let it go.
        let others = self.slots.len().saturating_sub(1) as f64;
        let expected = |(code, fuel): (&String, &Fuel)| {
            let outputs = self.slots.values().filter_map(|slot| slot.plants.get(code));
            let amounts: Vec<f64> = outputs.map(|output| output.amount).collect();
            let times = amounts.len() as f64;
            let usual = (USUAL * others).max(1.0) <= times;
            let frequent = *fuel != Fuel::Solar && (FREQUENT * others).max(1.0) <= times;
            (usual || frequent).then(|| (code.clone(), (amounts.iter().sum::<f64>() / times, usual)))
        };
        self.fuels.iter().filter_map(expected).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAS: Source = Source::Plant(Fuel::Gas);
    const SUN: Source = Source::Plant(Fuel::Solar);

    fn mix(rows: &[(Timestamp, &str, Source, Option<f64>)]) -> Mix {
        let mut mix = Mix::default();
        for (start, code, source, amount) in rows {
            mix.add(*start, code, *source, *amount, Basis::Lifecycle);
        }
        mix
    }

    #[test]
    fn the_intensity_is_the_mean_weighted_by_generation() {
        let told = mix(&[(0, "gas", GAS, Some(30.0)), (0, "sun", SUN, Some(10.0))]).told();
        // (30 x 490 + 10 x 48) / 40
        assert_eq!(told.values, [(0, 379.5)]);
    }

    #[test]
    fn the_newest_slots_wait_until_all_plants_told() {
        let mut rows: Vec<_> =
            (0..24).flat_map(|at| [(at, "gas", GAS, Some(50.0)), (at, "sun", SUN, Some(1.0))]).collect();
        rows.extend([(24, "sun", SUN, Some(9.0)), (25, "gas", GAS, None), (25, "sun", SUN, Some(9.0))]);
        let told = mix(&rows).told();
        assert_eq!((told.values.len(), told.incomplete), (24, 2));
        let told = mix(&[(0, "gas", GAS, Some(1.0)), (0, "sun", SUN, Some(1.0)), (1, "sun", SUN, Some(1.0))]).told();
        assert_eq!(told.values, [(0, 269.0)], "two slots are enough to see it");
    }

    #[test]
    fn what_gives_much_is_missed_though_it_is_told_in_half_the_slots_only() {
        let mut rows = vec![(1, "gas", GAS, Some(90.0)), (2, "gas", GAS, Some(90.0))];
        rows.extend((0..4).map(|at| (at, "sun", SUN, Some(10.0))));
        let told = mix(&rows).told();
        assert_eq!(told.values.iter().map(|(start, _)| *start).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_sun_may_be_told_by_day_only() {
        let mut rows: Vec<_> = (0..24).map(|at| (at, "gas", GAS, Some(50.0))).collect();
        rows.extend((0..13).map(|at| (at, "sun", SUN, Some(50.0))));
        let told = mix(&rows).told();
        assert_eq!((told.values.len(), told.incomplete), (24, 0));
    }

    #[test]
    fn a_slot_among_the_others_needs_its_large_plants_only() {
        let told = mix(&[
            (0, "gas", GAS, Some(99.0)),
            (0, "sun", SUN, Some(1.0)),
            (1, "gas", GAS, Some(99.0)),
            (2, "sun", SUN, Some(1.0)),
            (3, "gas", GAS, Some(99.0)),
            (3, "sun", SUN, Some(1.0)),
        ]);
        let starts: Vec<_> = told.told().values.iter().map(|(start, _)| *start).collect();
        assert_eq!(starts, [0, 1, 3]);
    }

    #[test]
    fn storage_and_exchange_do_not_count_and_taking_is_giving_nothing() {
        let told = mix(&[
            (0, "gas", GAS, Some(10.0)),
            (0, "hydro", Source::Plant(Fuel::Hydro), Some(-500.0)),
            (0, "battery", Source::Storage, Some(400.0)),
            (0, "imports", Source::Exchange, Some(300.0)),
        ])
        .told();
        assert_eq!(told.values, [(0, 490.0)]);
    }

    #[test]
    fn nothing_generated_is_no_value() {
        assert!(mix(&[(0, "gas", GAS, Some(0.0))]).told().values.is_empty());
        assert!(mix(&[(0, "gas", GAS, None)]).told().values.is_empty());
        assert!(mix(&[(0, "gas", GAS, Some(f64::NAN))]).told().values.is_empty());
    }

    #[test]
    fn unknown_codes_are_left_out_and_too_much_of_them_is_no_value() {
        let rows = |unknown| mix(&[(0, "gas", GAS, Some(95.0)), (0, "FUS", Source::Uncoded, Some(unknown))]).told();
        assert_eq!(rows(5.0).values, [(0, 490.0)]);
        assert_eq!(rows(5.0).uncoded.into_iter().collect::<Vec<_>>(), ["FUS"]);
        assert_eq!((rows(5.1).values.len(), rows(5.1).of_uncoded), (0, 1));
    }

    #[test]
    fn what_a_provider_tells_of_emissions_goes_before_the_table() {
        let mut mix = Mix::default();
        mix.add_emitting(0, "gas", GAS, Some(10.0), 600.0);
        mix.add(0, "sun", SUN, Some(10.0), Basis::Direct);
        assert_eq!(mix.told().values, [(0, 300.0)]);
    }
}
