//! From what plants gave to intensities, in the finest step among them.

use lowtide_region_sdk::mix::{Fuel, Mix, Source};
use lowtide_region_sdk::{Basis, Error, Point};

use crate::document::Output;

/// The intensity by slot. Power told for an hour is that of each quarter of it.
pub(crate) fn points(zone: &str, outputs: &[Output], basis: Basis) -> Result<Vec<Point>, Error> {
    let step = outputs.iter().map(|output| output.step).min().ok_or(Error::OutOfRange)?;
    let mut mix = Mix::default();
    for Output { kind, start, step: own, power } in outputs {
        if !own.is_multiple_of(step) {
            return Err(Error::Malformed(format!("ENTSO-E answered steps of {own} and {step} s")));
        }
        for part in 0..own / step {
            mix.add(start + u64::from(part) * u64::from(step), kind, source(kind), Some(*power), basis);
        }
    }
    Ok(mix.points(zone, step))
}

/// Types of production units, EIC code list "Asset type".
fn source(kind: &str) -> Source {
    match kind {
        // Waste is burnt like biomass here.
        "B01" | "B17" => Source::Plant(Fuel::Biomass),
        // Lignite, hard coal, oil shale, peat.
        "B02" | "B05" | "B07" | "B08" => Source::Plant(Fuel::Coal),
        // Gas from coal, natural gas.
        "B03" | "B04" => Source::Plant(Fuel::Gas),
        "B06" => Source::Plant(Fuel::Oil),
        "B09" => Source::Plant(Fuel::Geothermal),
        "B11" | "B12" => Source::Plant(Fuel::Hydro),
        "B13" => Source::Plant(Fuel::Marine),
        "B14" => Source::Plant(Fuel::Nuclear),
        "B16" => Source::Plant(Fuel::Solar),
        "B18" | "B19" => Source::Plant(Fuel::Wind),
        // "Other renewable", "Other".
        "B15" | "B20" => Source::Plant(Fuel::Unknown),
        "B10" | "B25" => Source::Storage,
        _ => Source::Uncoded,
    }
}
