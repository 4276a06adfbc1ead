//! From rows of generation and emissions to intensities: all rows are brought to the finest step among them.

use std::collections::BTreeMap;

use lowtide_region_sdk::mix::{Fuel, Mix, Source};
use lowtide_region_sdk::{Basis, Error, Point, Timestamp};

use crate::document::{Channel, Metric};

/// Values by slot.
type Slots = BTreeMap<Timestamp, Option<f64>>;

#[derive(Default)]
struct Plants {
    /// MWh.
    generated: Option<Slots>,
    /// t.
    emitted: Option<Slots>,
}

/// The intensity by slot. What is emitted is told for what burns; where it is not told, factors stand in.
pub(crate) fn points(zone: &str, channels: &[Channel], basis: Basis) -> Result<Vec<Point>, Error> {
    let of_plants: Vec<&Channel> = channels.iter().filter(|channel| generates(&channel.fuel)).collect();
    let step = of_plants
        .iter()
        .map(|channel| channel.step)
        .min()
        .ok_or_else(|| Error::Malformed("OpenElectricity answered nothing that tells generation by fuel".into()))?;
    let mut plants: BTreeMap<&str, Plants> = BTreeMap::new();
    // Energy comes after power, and goes before it.
    for metric in [Metric::Power, Metric::Energy, Metric::Emissions] {
        for channel in of_plants.iter().filter(|channel| channel.metric == metric) {
            let slots = slots(channel, step)?;
            let plants = plants.entry(&channel.fuel).or_default();
            match metric {
                Metric::Power | Metric::Energy => plants.generated = Some(slots),
                // A life-cycle counts more than what burns.
                Metric::Emissions if basis == Basis::Lifecycle => {}
                Metric::Emissions => plants.emitted = Some(slots),
            }
        }
    }
    let mut mix = Mix::default();
    for (fuel, Plants { generated, emitted }) in plants {
        let source = source(fuel);
        for (start, energy) in generated.into_iter().flatten() {
            match &emitted {
                None => mix.add(start, fuel, source, energy, basis),
                Some(emitted) => {
                    let emitted = emitted.get(&start).copied().flatten();
                    let (energy, factor) = told(energy, emitted);
                    mix.add_emitting(start, fuel, source, energy, factor);
                }
            }
        }
    }
    Ok(mix.points(zone, step))
}

/// Energy and factor, from MWh and t: 1 t/MWh is 1000 g/kWh. Energy without its emissions is not told yet.
fn told(energy: Option<f64>, emitted: Option<f64>) -> (Option<f64>, f64) {
    match (energy, emitted) {
        (Some(energy), Some(emitted)) if 0.0 < energy => (Some(energy), emitted.max(0.0) * 1000.0 / energy),
        (Some(energy), None) if 0.0 < energy => (None, 0.0),
        (energy, _) => (energy, 0.0),
    }
}

/// The values of a row in slots of `step` seconds: power lasts, energy and emissions are shared out.
fn slots(channel: &Channel, step: u32) -> Result<Slots, Error> {
    if !channel.step.is_multiple_of(step) {
        return Err(Error::Malformed(format!("OpenElectricity answered steps of {} and {step} s", channel.step)));
    }
    let parts = channel.step / step;
    let share = match channel.metric {
        Metric::Power => f64::from(step) / 3600.0,
        Metric::Energy | Metric::Emissions => 1.0 / f64::from(parts),
    };
    let part = |(start, value): &(Timestamp, Option<f64>)| {
        let (start, value) = (*start, value.map(|value| value * share));
        (0..parts).map(move |part| (start.saturating_add(u64::from(part) * u64::from(step)), value))
    };
    Ok(channel.values.iter().flat_map(part).collect())
}

/// Whether a row counts at all.
fn generates(fuel: &str) -> bool {
    matches!(source(fuel), Source::Plant(_) | Source::Uncoded)
}

/// The fuel technologies of OpenElectricity.
fn source(fuel: &str) -> Source {
    match fuel {
        "coal" | "coal_black" | "coal_brown" => Source::Plant(Fuel::Coal),
        "gas" | "gas_ccgt" | "gas_ocgt" | "gas_recip" | "gas_steam" | "gas_wcmg" => Source::Plant(Fuel::Gas),
        "distillate" => Source::Plant(Fuel::Oil),
        "hydro" => Source::Plant(Fuel::Hydro),
        "nuclear" => Source::Plant(Fuel::Nuclear),
        "wind" | "wind_offshore" => Source::Plant(Fuel::Wind),
        "solar" | "solar_utility" | "solar_rooftop" | "solar_thermal" => Source::Plant(Fuel::Solar),
        "bioenergy" | "bioenergy_biogas" | "bioenergy_biomass" => Source::Plant(Fuel::Biomass),
        "battery" | "battery_charging" | "battery_discharging" | "pumps" => Source::Storage,
        "imports" | "exports" | "interconnector" => Source::Exchange,
        _ => Source::Uncoded,
    }
}
