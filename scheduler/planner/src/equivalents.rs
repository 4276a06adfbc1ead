//! What a footprint and an energy compare with: things people have a feeling for. Each says what it rests on.

use lowtide_model::quantity::{GramsCo2e, Joules};

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equivalent {
    /// How many of the unit.
    pub amount: f64,
    /// What is counted.
    pub unit: &'static str,
    /// What one of it is taken to be.
    pub factor: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// Of when that is.
    pub year: u16,
}

/// A new passenger car registered in the European Union in 2024, on average, in gCO2 a km.
const CAR_GRAMS_A_KM: f64 = 106.8;
/// Electricity of a Danish home of 100 m2 and two people, heating apart, in kWh a year: 530 + 12 a m2 + 690 a person.
const HOME_KWH_A_YEAR: f64 = 530.0 + 12.0 * 100.0 + 690.0 * 2.0;
const DAYS_A_YEAR: f64 = 365.25;
/// One charge of a phone, in kWh: 14.46 Wh a day less 22 h of 0.13 W that keep a full battery full.
const CHARGE_KWH: f64 = 0.0116;

/// Kilometres by car for the footprint; days of a Danish home's electricity and charges of a phone for the energy.
#[must_use]
pub fn equivalents(footprint: Option<GramsCo2e>, energy: Joules) -> Vec<Equivalent> {
    let car = footprint.map(|grams| Equivalent {
        amount: grams.get() / CAR_GRAMS_A_KM,
        unit: "km by car",
        factor: "106.8 gCO2 a km, a new car in the European Union",
        source: "European Environment Agency",
        year: 2024,
    });
    let home = Equivalent {
        amount: energy.kwh() / (HOME_KWH_A_YEAR / DAYS_A_YEAR),
        unit: "days of a Danish home's electricity",
        factor: "3110 kWh a year, 100 m2 and two people, heating apart",
        source: "Gram-Hanssen, Danish Building Research Institute",
        year: 2005,
    };
    let phone = Equivalent {
        amount: energy.kwh() / CHARGE_KWH,
        unit: "charges of a phone",
        factor: "11.6 Wh a charge",
        source: "US EPA, Greenhouse Gas Equivalencies Calculator",
        year: 2021,
    };
    car.into_iter().chain([home, phone]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kilowatt_hour_and_a_kilogram_are_what_the_sources_say() {
        let footprint = GramsCo2e::saturating(1000.0);
        let energy = Joules::from_kwh(1.0).expect("an energy");
        let amounts: Vec<f64> = equivalents(Some(footprint), energy).iter().map(|one| one.amount).collect();
        let near = |amount: f64, expected: f64| (amount - expected).abs() < 0.005 * expected;
        assert!(near(amounts[0], 9.36) && near(amounts[1], 0.1174) && near(amounts[2], 86.2), "{amounts:?}");
        assert_eq!(equivalents(None, energy).len(), 2, "no footprint, no kilometres");
    }
}
