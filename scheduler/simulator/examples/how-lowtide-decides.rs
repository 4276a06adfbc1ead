//! Draws the plots of docs/how-lowtide-decides.md from recorded forecasts and what came of them.
//!
//!     cargo run --release -p lowtide-simulator --example how-lowtide-decides -- DATA docs/how-lowtide-decides
//!
//! DATA holds `carbon/carboncast/` and `forecast/carboncast/` (Maji et al., CarbonCast, BuildSys 2022). Three plots: a forecast as
//! it was told and as it is believed beside what came; one job at once, under lowtide and at best; what seven grids' jobs cost over
//! the optimum. Every decision is made by the planner of the daemon.
#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{PolicyId, ZoneId};
use lowtide_model::quantity::GramsPerKwh;
use lowtide_model::window::Window;
use lowtide_planner::baseline::Series;
use lowtide_planner::baseline::awhile::Semantics;
use lowtide_planner::calibrate::Archive;
use lowtide_planner::policy::{self, Policy};
use lowtide_simulator::carbon::CarbonTrace;
use lowtide_simulator::chart::{BLUE, Chart, GREEN, GREY, ORANGE};
use lowtide_simulator::forecast::{Believed, Issues};
use lowtide_simulator::jobs::{JobTrace, TraceJob};
use lowtide_simulator::outcome::Run;
use lowtide_simulator::replay::{self, World};
use lowtide_simulator::rule::Rule;
use lowtide_simulator::setting::Setting;
use lowtide_simulator::{Outcome, planned};

const REGIONS: [&str; 7] = ["CISO", "DE", "ERCO", "NL", "PJM", "PL", "SE"];
/// The grid and the issue that the first two plots show.
const SHOWN: (&str, usize) = ("DE", 61);
const TAGS: Tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(data), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: how-lowtide-decides DATA FOLDER".into());
    };
    let shown = Grid::read(&data, SHOWN.0)?;
    fs::write(folder.join("forecast.svg"), shown.forecast(SHOWN.1)?)?;
    fs::write(folder.join("one-job.svg"), shown.one_job(SHOWN.1)?)?;
    fs::write(folder.join("over-the-optimum.svg"), over_the_optimum(&data)?)?;
    println!("three plots are in {}", folder.display());
    Ok(())
}

/// One region: what came, and the forecasts as they were issued.
struct Grid {
    setting: Setting,
    zones: [Series; 1],
    believed: [Believed; 1],
    issues: Issues,
}

impl Grid {
    fn read(data: &Path, region: &str) -> Fallible<Self> {
        let read = |path: String| fs::read_to_string(data.join(&path)).map_err(|error| format!("{path}: {error}"));
        let carbon = CarbonTrace::read(&[&read(format!("carbon/carboncast/{region}_2020-2021.csv"))?])?;
        let start: Timestamp = "2021-07-01T00:00:00Z".parse()?;
        let zones = [carbon.series(start, Timestamp::from_second(carbon.end_s())?)?];
        let issues =
            Issues::read(&read(format!("forecast/carboncast/{region}_lifecycle_96h.csv"))?, start.as_second())?;
        let setting = Setting {
            start,
            slot_h: 1.0,
            queues: vec![],
            flexibility: None,
            semantics: Semantics::Honest,
            capacity: None,
            switching: 0.1,
            profile: None,
            length_error: None,
        };
        Ok(Self { setting, zones, believed: [Believed::Issued(issues.clone())], issues })
    }

    const fn world(&self) -> World<'_> {
        World { setting: &self.setting, zones: &self.zones, believed: &self.believed }
    }

    /// Issue number `shown` as told, as believed after what the issues before it were off, and what came.
    fn forecast(&self, shown: usize) -> Fallible<String> {
        let mut archive = Archive::default();
        let told = |at: usize| {
            let issue = &self.issues.issues[at];
            self.slots(issue.at, &issue.values, Kind::Forecast)
        };
        for at in 0..=shown {
            archive.take_in(&told(at)?);
        }
        let now_h = self.issues.issues[shown].at;
        let hours = self.zones[0].step_of(now_h);
        archive.take_in(&self.slots(0.0, &self.zones[0].values()[..hours], Kind::Measured)?);
        let leads = self.issues.issues[shown].values.len();
        let until = self.setting.moment(now_h + leads as f64);
        let believed = archive.calibrated(&told(shown)?, self.setting.moment(now_h), until).forecast;
        let came: Vec<f64> = self.zones[0].values()[hours..hours + leads].to_vec();
        let band: Vec<(f64, f64, f64)> = (believed.slots().iter().enumerate())
            .filter_map(|(lead, slot)| slot.band.map(|band| (lead as f64, band.low.get(), band.high.get())))
            .collect();
        let top = came.iter().copied().chain(band.iter().map(|(_, _, high)| *high)).fold(0.0, f64::max);
        let legend = [("came", GREY), ("as told", ORANGE), ("as believed, with its 90 % band", BLUE)];
        let mut chart = Chart::new(("hours from the issue", leads as f64), ("g/kWh", top)).legend(&legend);
        let line = |values: Vec<f64>| values.into_iter().enumerate().map(|(lead, value)| (lead as f64, value));
        chart.band(&band, BLUE);
        chart.line(line(came), GREY);
        chart.line(line(self.issues.issues[shown].values.clone()), ORANGE);
        chart.line(line(believed.slots().iter().map(|slot| slot.intensity.get()).collect()), BLUE);
        Ok(chart.svg())
    }

    fn slots(&self, from: f64, values: &[f64], kind: Kind) -> Fallible<Forecast> {
        let slot = |(at, value): (usize, &f64)| -> Fallible<Slot> {
            let start = from + at as f64;
            let window = Window::new(self.setting.moment(start), self.setting.moment(start + 1.0))?;
            Ok(Slot { window, intensity: GramsPerKwh::new(value.max(0.0))?, band: None, kind })
        };
        let slots = values.iter().enumerate().map(slot).collect::<Fallible<Vec<_>>>()?;
        let at = self.setting.moment(if kind == Kind::Measured { from + values.len() as f64 } else { from });
        Ok(Forecast::new(ZoneId::new("GRID")?, TAGS, at, at, "recorded".to_owned(), None, slots)?)
    }

    /// A job of 12 h that arrives at 15:00 on the day of the issue and has two days.
    fn one_job(&self, shown: usize) -> Fallible<String> {
        let arrival = self.issues.issues[shown].at + 15.0;
        let jobs = self.jobs(&format!("{arrival},12,36\n"))?;
        let from = arrival - 3.0;
        let steps = 54_u32;
        let value = |hour: u32| (f64::from(hour), self.zones[0].at(from + f64::from(hour)));
        let (_, top) = (0..steps).map(value).fold((0.0, 0.0), |most, next| (0.0, f64::max(most.1, next.1)));
        let rows = [
            ("at once", ORANGE, self.runs(Some(Rule::RunNow), &jobs)?),
            ("lowtide", BLUE, self.runs(None, &jobs)?),
            ("at best, all known", GREEN, self.runs(Some(Rule::Oracle), &jobs)?),
        ];
        let legend = [("came", GREY)].into_iter().chain(rows.iter().map(|(name, color, _)| (*name, *color)));
        let legend: Vec<(&str, &str)> = legend.collect();
        let mut chart = Chart::new(("hours", f64::from(steps)), ("g/kWh", top * 1.3)).legend(&legend);
        chart.line((0..steps).flat_map(|hour| [value(hour), (f64::from(hour) + 1.0, value(hour).1)]), GREY);
        for (place, (name, color, (runs, grams))) in rows.iter().enumerate() {
            let up = top * (1.24 - 0.07 * place as f64);
            for run in runs {
                let across = (run.start - from, run.end - from);
                chart.bar(across, (up, up + top * 0.04), color, &format!("{name}: {:.2} kg", grams / 1000.0));
            }
        }
        Ok(chart.svg())
    }

    fn runs(&self, rule: Option<Rule>, jobs: &[TraceJob]) -> Fallible<(Vec<Run>, f64)> {
        let mut found = (vec![], 0.0);
        self.replay(rule, jobs, |runs, grams| found = (runs, grams))?;
        Ok(found)
    }

    /// Under a rule of the field, or under lowtide.
    fn replay(&self, rule: Option<Rule>, jobs: &[TraceJob], mut each: impl FnMut(Vec<Run>, f64)) -> Fallible<Outcome> {
        Ok(match rule {
            Some(rule) => replay::replay(rule, self.world(), jobs, |done| each(done.runs.clone(), done.grams))?,
            None => {
                planned::replay(&tide()?, self.world(), jobs, |_| true, |done| each(done.runs.clone(), done.grams))?
            }
        })
    }

    fn jobs(&self, rows: &str) -> Fallible<Vec<TraceJob>> {
        let text = format!("arrival_h,length_h,max_wait_h\n{rows}");
        Ok(JobTrace::read(&text, self.setting.start.as_second(), None)?.jobs)
    }
}

fn tide() -> Fallible<Policy> {
    Ok(policy::parse(PolicyId::new("tide")?, "minimum_saving = 0")?)
}

/// 108 jobs of 12 h a grid, two days each, on every third day from July to December 2021.
fn over_the_optimum(data: &Path) -> Fallible<String> {
    let rules = [
        ("at once", ORANGE, Some(Rule::RunNow)),
        ("planned once, as told", GREY, Some(Rule::LwaInterruptible)),
        ("lowtide", BLUE, None),
    ];
    let mut rows = String::new();
    for day in (16..176).step_by(3) {
        let _ = writeln!(rows, "{},12,36\n{},12,36", day * 24 + 2, day * 24 + 15);
    }
    let mut shares = Vec::new();
    for region in REGIONS {
        let grid = Grid::read(data, region)?;
        let jobs = grid.jobs(&rows)?;
        let mut over = [0.0; 3];
        for (place, (_, _, rule)) in rules.iter().enumerate() {
            let outcome = grid.replay(*rule, &jobs, |_, _| {})?;
            over[place] = 100.0 * (outcome.policy_g / outcome.oracle_g.ok_or("no optimum")? - 1.0);
        }
        println!("{region:5} {:6.1} % {:6.1} % {:6.1} %", over[0], over[1], over[2]);
        shares.push(over);
    }
    let top = shares.iter().flatten().copied().fold(0.0, f64::max);
    let legend: Vec<(&str, &str)> = rules.iter().map(|(name, color, _)| (*name, *color)).collect();
    let mut chart = Chart::of_kinds(&REGIONS, ("% over the optimum", top)).legend(&legend);
    for (place, over) in shares.iter().enumerate() {
        for (rule, (name, color, _)) in rules.iter().enumerate() {
            let left = place as f64 + 0.15 + 0.25 * rule as f64;
            chart.bar((left, left + 0.2), (0.0, over[rule]), color, &format!("{name}: {:.1} %", over[rule]));
        }
    }
    Ok(chart.svg())
}
