//! CSV files of CodeCarbon, of every set of columns it has had. Columns are found by name, never by place: they came, went and
//! were renamed. Energies are kWh, emissions kg; `pue`, where the column is there, is in both.

use lowtide_model::quantity::{GramsCo2e, Joules, Pue, Seconds};

use super::{ImportedRun, Refused};

/// Columns without which a file is not one of CodeCarbon's.
const NEEDED: [&str; 3] = ["duration", "emissions", "energy_consumed"];
/// Columns of which one says what hardware was measured; a file with neither tells a total of unknown make.
const MAKE: [&str; 3] = ["cpu_power", "cpu_energy", "experiment_id"];

/// A row of a file: its number, from 1 on, and its run or why it is left out.
pub type Row = (usize, Result<ImportedRun, Refused>);

/// What a file holds, or why nothing can be read from it.
pub fn rows(bytes: &[u8]) -> Result<Vec<Row>, Refused> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let head = reader.headers().map_err(|error| Refused::because(format!("it is no CSV: {error}")))?.clone();
    let place = |name: &str| head.iter().position(|column| column.trim() == name);
    if let Some(missing) = NEEDED.into_iter().find(|name| place(name).is_none()) {
        return Err(Refused::because(format!("it has no column `{missing}`: it is no file of CodeCarbon")));
    }
    if MAKE.into_iter().all(|name| place(name).is_none()) {
        return Err(Refused::because(
            "it has columns of no version of CodeCarbon: neither the power of a part nor an experiment",
        ));
    }
    let mut rows = Vec::new();
    for (number, record) in (1..).zip(reader.records()) {
        let row = match record {
            Err(error) => Err(Refused::because(format!("it cannot be read: {error}"))),
            Ok(record) => {
                let cell = |name: &str| {
                    place(name).and_then(|at| record.get(at)).map(str::trim).filter(|cell| !cell.is_empty())
                };
                run(&cell)
            }
        };
        rows.push((number, row));
    }
    if rows.is_empty() { Err(Refused::because("it has a head and no rows")) } else { Ok(rows) }
}

fn run<'a>(cell: &impl Fn(&str) -> Option<&'a str>) -> Result<ImportedRun, Refused> {
    let number = |name: &str| {
        let text = cell(name).ok_or_else(|| Refused::because(format!("`{name}` is empty")))?;
        text.parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() && 0.0 <= *value)
            .ok_or_else(|| Refused::because(format!("`{name}` is `{text}`, which no amount can be")))
    };
    let mut notes = Vec::new();
    let pue = cell("pue").and_then(|text| text.parse::<f64>().ok()).filter(|pue| Pue::new(*pue).is_ok());
    let pue = match pue {
        Some(pue) => pue,
        None => {
            notes.push("of a version without PUE".to_owned());
            1.0
        }
    };
    let bad = |error: &dyn std::fmt::Display| Refused::because(error.to_string());
    let energy = Joules::from_kwh(number("energy_consumed")? / pue).map_err(|error| bad(&error))?;
    let tool =
        cell("codecarbon_version").map_or_else(|| "codecarbon".to_owned(), |version| format!("codecarbon {version}"));
    Ok(ImportedRun {
        tool,
        label: cell("project_name").map(str::to_owned),
        began: cell("timestamp").map(str::to_owned),
        epochs: Vec::new(),
        epochs_run: None,
        epochs_planned: None,
        stopped_early: false,
        duration: Seconds::new(number("duration")?).map_err(|error| bad(&error))?,
        energy,
        footprint: Some(GramsCo2e::new(number("emissions")? * 1000.0).map_err(|error| bad(&error))?),
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let file = "\u{feff},timestamp,experiment_id,energy_consumed,emissions,duration,project_name,pue\n\
            0,26:11.7,x,2.0,0.5,3600,mine,2.0\n1,26:11.7,x,,0.5,3600,mine,2.0\n2,26:11.7,x,1,0.5,-5,mine,\n";
        let rows = rows(file.as_bytes()).expect("a file of CodeCarbon");
        let run = rows[0].1.as_ref().expect("a run");
        assert_eq!((run.energy.kwh(), run.duration.get(), run.label.as_deref()), (1.0, 3600.0, Some("mine")));
        assert_eq!(run.footprint.map(GramsCo2e::get), Some(500.0));
        assert!(rows[1].1.as_ref().is_err_and(|refused| refused.0.contains("energy_consumed")));
        assert!(rows[2].1.as_ref().is_err_and(|refused| refused.0.contains("duration")));
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_its_reason() {
        for (file, reason) in [
            ("a,b\n1,2\n", "no column `duration`"),
            ("duration,emissions,energy_consumed,experiment_id\n", "no rows"),
            ("timestamp,duration,emissions,energy_consumed\nx,1,2,3\n", "no version"),
        ] {
            let refused = rows(file.as_bytes()).expect_err(file);
            assert!(refused.0.contains(reason), "{refused}");
        }
    }
}
