//! The two forms of OpenElectricity's documents: `data[].results[].data`, pairs of time and value, and the older
//! `data[].history`, a start, a step and values. Both become rows of one kind.

use lowtide_region_sdk::{Error, Timestamp, parse_time};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Document {
    data: Vec<Block>,
}

/// One metric, or in the older form one row.
#[derive(Deserialize)]
struct Block {
    #[serde(alias = "type")]
    metric: Option<String>,
    #[serde(alias = "units")]
    unit: Option<String>,
    interval: Option<String>,
    #[serde(default)]
    results: Vec<Row>,
    fuel_tech: Option<String>,
    region: Option<String>,
    history: Option<History>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    columns: Columns,
    #[serde(default)]
    data: Vec<(String, Option<f64>)>,
}

#[derive(Default, Deserialize)]
struct Columns {
    #[serde(alias = "network_region")]
    region: Option<String>,
    fueltech: Option<String>,
}

#[derive(Deserialize)]
struct History {
    start: String,
    interval: String,
    data: Vec<Option<f64>>,
}

/// What a row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// MW.
    Power,
    /// MWh a step.
    Energy,
    /// t a step.
    Emissions,
}

/// One row of one fuel.
pub(crate) struct Channel {
    pub(crate) metric: Metric,
    /// The provider's code, in small letters.
    pub(crate) fuel: String,
    /// The length of a value in seconds.
    pub(crate) step: u32,
    /// Start and value.
    pub(crate) values: Vec<(Timestamp, Option<f64>)>,
}

impl Document {
    /// The rows that tell generation or emissions of a region by fuel. Times without an offset are `offset` seconds ahead of UTC.
    pub(crate) fn channels(self, region: Option<&str>, offset: u64) -> Result<Vec<Channel>, Error> {
        let elsewhere =
            |told: Option<&str>| region.zip(told).is_some_and(|(asked, told)| !asked.eq_ignore_ascii_case(told));
        let mut channels = Vec::new();
        for block in self.data {
            // Demand, prices, temperatures and the like are of no use here.
            let Some(metric) = block.metric.as_deref().and_then(metric) else { continue };
            let scale = scale(metric, block.unit.as_deref().unwrap_or_default())?;
            if let (Some(history), Some(fuel)) = (block.history, &block.fuel_tech)
                && !elsewhere(block.region.as_deref())
            {
                let (step, start) = (seconds(&history.interval)?, moment(&history.start, offset)?);
                let times = (0..).map(|index: u64| start.saturating_add(index.saturating_mul(u64::from(step))));
                let values = times.zip(history.data).map(|(at, value)| (at, value.map(|value| value * scale)));
                channels.push(Channel { metric, fuel: fuel.to_ascii_lowercase(), step, values: values.collect() });
            }
            for Row { columns, data } in block.results {
                let Some(fuel) = columns.fueltech else { continue };
                if elsewhere(columns.region.as_deref()) {
                    continue;
                }
                let step = seconds(block.interval.as_deref().unwrap_or_default())?;
                let value =
                    |(at, value): (String, Option<f64>)| Ok((moment(&at, offset)?, value.map(|value| value * scale)));
                let values = data.into_iter().map(value).collect::<Result<_, Error>>()?;
                channels.push(Channel { metric, fuel: fuel.to_ascii_lowercase(), step, values });
            }
        }
        Ok(channels)
    }
}

fn metric(name: &str) -> Option<Metric> {
    match name {
        "power" => Some(Metric::Power),
        "energy" => Some(Metric::Energy),
        "emissions" => Some(Metric::Emissions),
        _ => None,
    }
}

/// What a number of this unit is to be multiplied by, to be MW, MWh or t.
fn scale(metric: Metric, unit: &str) -> Result<f64, Error> {
    match (metric, unit) {
        (Metric::Power, "MW") | (Metric::Energy, "MWh") | (Metric::Emissions, "t" | "tCO2" | "tCO2e") => Ok(1.0),
        (Metric::Power, "GW") | (Metric::Energy, "GWh") | (Metric::Emissions, "kt" | "ktCO2e") => Ok(1000.0),
        _ => Err(Error::Malformed(format!("OpenElectricity answered {metric:?} in the unit `{unit}`"))),
    }
}

/// `5m`, `30m`, `1h`, `1d`.
fn seconds(interval: &str) -> Result<u32, Error> {
    let read = || {
        let (count, unit) = interval.split_at_checked(interval.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        count.parse::<u32>().ok()?.checked_mul(unit).filter(|step| 0 < *step)
    };
    read().ok_or_else(|| Error::Malformed(format!("OpenElectricity answered steps of `{interval}`")))
}

fn moment(text: &str, offset: u64) -> Result<Timestamp, Error> {
    let local = text.get(10..).is_some_and(|clock| !clock.contains(['Z', 'z', '+', '-']));
    parse_time(text)
        .and_then(|at| if local { at.checked_sub(offset) } else { Some(at) })
        .ok_or_else(|| Error::Malformed(format!("OpenElectricity answered the time `{text}`")))
}
