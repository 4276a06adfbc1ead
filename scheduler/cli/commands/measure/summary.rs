//! The account of a measured command, as programs and people read it.

use jiff::Timestamp;
use lowtide_api::v1::job::{EpochView, EstimateView};
use lowtide_planner::equivalents::Equivalent;
use serde::Serialize;

use crate::output::layout::{self, Field};
use crate::output::words::{self, Clock};

/// Of less than this of something nobody has a feeling.
const LEAST_AMOUNT: f64 = 0.01;

/// What the command used and emitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) command: Vec<String>,
    pub(super) started_at: Timestamp,
    /// Absent while it runs.
    pub(super) exit_code: Option<i32>,
    /// Why lowtide ended it, if it did.
    pub(super) ended_by: Option<Ended>,
    pub(super) epochs_total: Option<u32>,
    pub(super) epochs: Vec<EpochView>,
    pub(super) estimates: Vec<EstimateView>,
    pub(super) actual: Actual,
    pub(super) intensity: Option<Intensity>,
    pub(super) equivalents: Vec<EquivalentView>,
    pub(super) warnings: Vec<String>,
}

/// Why lowtide ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ended {
    /// It passed what it may use or emit.
    Limit,
    /// The user was asked and did not say yes.
    Answer,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Actual {
    pub(super) duration_s: f64,
    /// Before PUE.
    pub(super) energy_kwh: f64,
    pub(super) energy_source: &'static str,
    pub(super) pue: f64,
    /// With PUE.
    pub(super) footprint_g: Option<f64>,
}

/// The intensity the footprint rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Intensity {
    pub(super) zone: String,
    pub(super) zone_origin: String,
    /// Weighted by the energy used.
    #[serde(rename = "intensity_g_per_kwh")]
    pub(super) g_per_kwh: Option<f64>,
    /// How good the weakest of its values is.
    pub(super) kind: Option<&'static str>,
    pub(super) source: String,
    /// Why its hours are not known apart.
    pub(super) problem: Option<String>,
    /// At the end of the run.
    pub(super) coming: Option<Coming>,
}

/// The intensity now and in the hours to come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Coming {
    pub(super) now_g_per_kwh: f64,
    pub(super) hours: Vec<Hour>,
}

/// One hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Hour {
    pub(super) start: Timestamp,
    pub(super) intensity_g_per_kwh: f64,
    pub(super) kind: &'static str,
}

/// What it compares with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct EquivalentView {
    amount: f64,
    unit: &'static str,
    factor: &'static str,
    source: &'static str,
    year: u16,
}

impl EquivalentView {
    pub(super) fn of(Equivalent { amount, unit, factor, source, year }: Equivalent) -> Self {
        Self { amount, unit, factor, source, year }
    }
}

impl Coming {
    /// `GB: 182 g/kWh now; next 24 h ▃▂▁▁▂▅█, 95 g/kWh tomorrow 04:00 to 230 g/kWh today 18:00 (gb-neso)`.
    pub(super) fn text(&self, zone: &str, source: &str, clock: &Clock) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let now = words::intensity(self.now_g_per_kwh);
        let by_value = |a: &&Hour, b: &&Hour| a.intensity_g_per_kwh.total_cmp(&b.intensity_g_per_kwh);
        let (Some(least), Some(most)) = (self.hours.iter().min_by(by_value), self.hours.iter().max_by(by_value)) else {
            return format!("{zone}: {now} now ({source})");
        };
        let range = most.intensity_g_per_kwh - least.intensity_g_per_kwh;
        let block = |hour: &Hour| {
            let share = if 0.0 < range { (hour.intensity_g_per_kwh - least.intensity_g_per_kwh) / range } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share times seven")]
            let step = (share * (BLOCKS.len() - 1) as f64).round() as usize;
            BLOCKS[step.min(BLOCKS.len() - 1)]
        };
        let told = |hour: &Hour| {
            format!("{} {}", words::intensity(hour.intensity_g_per_kwh), words::moment(hour.start, clock))
        };
        format!(
            "{zone}: {now} now; next {} h {}, {} to {} ({source})",
            self.hours.len(),
            self.hours.iter().map(block).collect::<String>(),
            told(least),
            told(most)
        )
    }
}

impl Summary {
    /// For people.
    pub(super) fn text(&self, width: usize) -> String {
        let Actual { duration_s, energy_kwh, energy_source, pue, footprint_g } = &self.actual;
        let mut fields = vec![
            Field::new("time", words::duration(*duration_s)),
            Field::new("energy", words::energy(*energy_kwh)).remark(words::energy_source(energy_source)),
        ];
        if let (Some(grams), Some(intensity)) = (footprint_g, &self.intensity) {
            let Intensity { zone, zone_origin, g_per_kwh, kind: _, source, problem, coming: _ } = intensity;
            let pue = if (pue - 1.0).abs() < f64::EPSILON { String::new() } else { format!(", PUE {pue}") };
            let mean = g_per_kwh.map(|mean| format!("at {}, ", words::intensity(mean))).unwrap_or_default();
            let footprint = Field::new("footprint", format!("{}CO2e", words::grams(*grams)));
            fields.push(footprint.remark(format!("{mean}{source}{pue}")));
            fields.push(Field::new("zone", zone).remark(zone_origin.as_str()));
            fields.extend(problem.as_ref().map(|problem| Field::new("hours", "not known").remark(problem.as_str())));
        }
        for EquivalentView { amount, unit, factor, source, year } in &self.equivalents {
            let amount = if (0.0..LEAST_AMOUNT).contains(amount) {
                format!("under {LEAST_AMOUNT}")
            } else {
                words::significant(*amount)
            };
            let equal = Field::new("as much as", format!("{amount} {unit}"));
            fields.push(equal.remark(format!("{factor}; {source}, {year}")));
        }
        let code = self.exit_code.map_or_else(|| "still running".to_owned(), |code| format!("Exit code {code}"));
        let epochs = if self.epochs.is_empty() { ", no epoch recognised" } else { "" };
        let by = match self.ended_by {
            Some(Ended::Limit) => ", ended at its limit",
            Some(Ended::Answer) => ", ended as you said",
            None => "",
        };
        format!("{code}{epochs}{by}\n{}", layout::fields(&fields, width))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn the_account_says_what_it_rests_on() {
        let summary = Summary {
            command: vec!["true".to_owned()],
            started_at: at("2026-11-25T13:00:00Z"),
            exit_code: Some(0),
            ended_by: None,
            epochs_total: None,
            epochs: vec![],
            estimates: vec![],
            actual: Actual {
                duration_s: 3720.0,
                energy_kwh: 0.31,
                energy_source: "modelled",
                pue: 1.2,
                footprint_g: Some(18.6),
            },
            intensity: Some(Intensity {
                zone: "FR".to_owned(),
                zone_origin: "as you said".to_owned(),
                g_per_kwh: Some(50.0),
                kind: Some("static"),
                source: "annual mean of 2024".to_owned(),
                problem: Some("nobody was asked (--offline)".to_owned()),
                coming: None,
            }),
            equivalents: vec![EquivalentView {
                amount: 0.174,
                unit: "km by car",
                factor: "106.8 gCO2 a km",
                source: "EEA",
                year: 2024,
            }],
            warnings: vec![],
        };
        insta::assert_snapshot!(summary.text(90), @r"
        Exit code 0, no epoch recognised
          time        1 h 2 min
          energy      310 Wh            modelled
          footprint   18.6 gCO2e        at 50 g/kWh, annual mean of 2024, PUE 1.2
          zone        FR                as you said
          hours       not known         nobody was asked (--offline)
          as much as  0.17 km by car    106.8 gCO2 a km; EEA, 2024
        ");
    }

    #[test]
    fn the_coming_hours_fit_a_line() {
        let hour =
            |text: &str, intensity_g_per_kwh: f64| Hour { start: at(text), intensity_g_per_kwh, kind: "forecast" };
        let hours = vec![
            hour("2026-11-25T13:00:00Z", 180.0),
            hour("2026-11-25T14:00:00Z", 95.0),
            hour("2026-11-25T15:00:00Z", 230.0),
        ];
        let clock = Clock { now: at("2026-11-25T13:10:00Z"), zone: TimeZone::UTC };
        let text = Coming { now_g_per_kwh: 182.0, hours }.text("GB", "gb-neso", &clock);
        insta::assert_snapshot!(text, @"GB: 182 g/kWh now; next 3 h ▅▁█, 95 g/kWh today 14:00 to 230 g/kWh today 15:00 (gb-neso)");
    }
}
