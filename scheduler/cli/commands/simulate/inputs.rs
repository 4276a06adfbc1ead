//! The flags and files of `lowtide simulate`, as values.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lowtide_model::identity::PolicyId;
use lowtide_planner::baseline::Series;
use lowtide_planner::baseline::awhile::Semantics;
use lowtide_planner::baseline::flexibility::Flexibility;
use lowtide_planner::baseline::scaler::Profile;
use lowtide_planner::policy::{self, Policy};
use lowtide_simulator::carbon::{CarbonTrace, stamp};
use lowtide_simulator::forecast::{Believed, Issues, noisy};
use lowtide_simulator::jobs::{JobTrace, TraceJob, Unit};
use lowtide_simulator::length::LengthError;
use lowtide_simulator::rule::{NAMES, Rule};
use lowtide_simulator::setting::{Queue, Setting};
use lowtide_simulator::table::{Table, TraceError};
use lowtide_simulator::time;

use super::{Args, Queues, hours, unread, wrong};
use crate::commands::policy::of_file;
use crate::failure::{Failure, Kind};

/// Largest file that is read: some ten million jobs.
const LARGEST_FILE_BYTES: u64 = 1 << 30;

/// What is known beforehand, as a flag says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Belief {
    Perfect,
    Noise(f64),
    Recorded(String, PathBuf),
}

/// Who decides.
#[derive(Debug)]
pub(crate) enum Judge {
    /// A baseline.
    Rule(Rule),
    /// A policy of lowtide's.
    Policy(Box<Policy>),
}

/// Everything a replay needs.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) setting: Setting,
    pub(crate) zones: Vec<Series>,
    /// Of each zone.
    pub(crate) believed: Vec<Believed>,
    pub(crate) jobs: Vec<TraceJob>,
    pub(crate) judge: Judge,
    /// What the user should know of the files.
    pub(crate) notes: Vec<String>,
}

impl Inputs {
    /// Reads the files that the flags name.
    pub(crate) fn read(args: &Args) -> Result<Self, Failure> {
        let mut notes = Vec::new();
        let (judge, semantics) = judge(&args.policy)?;
        let traces = traces(args, &mut notes)?;
        let home = &traces[0].1;
        let start = args.start.map_or(home.start_s, Timestamp::as_second);
        let end = args.end.map_or(home.end_s(), Timestamp::as_second);
        let [start, end] = [start, end].map(|at| Timestamp::from_second(at).unwrap_or(Timestamp::MAX));
        let zones = traces.iter().map(|(zone, trace)| {
            trace.series(start, end).map_err(|error| Failure::invalid(format!("zone {zone}: {error}")))
        });
        let zones: Vec<Series> = zones.collect::<Result<_, _>>()?;
        let believed = believed(args, &traces, &zones, start)?;
        let text = read(&args.jobs, "job file")?;
        let trace =
            JobTrace::read(&text, start.as_second(), args.time_unit).map_err(|error| wrong(&args.jobs, &error))?;
        if let Some(unit) = trace.guessed {
            notes.push(format!(
                "times of {} are taken to be {}; `--time-unit` says otherwise",
                args.jobs.display(),
                unit.name()
            ));
        }
        if 0 < trace.left_out {
            notes.push(format!("{} rows without an arrival or a length are left out", trace.left_out));
        }
        let setting = Setting {
            start,
            slot_h: args.slot.unwrap_or_else(|| zones[0].step_h()),
            queues: args.queues.as_ref().map(|queues| queues.0.clone()).unwrap_or_default(),
            flexibility: args.flexibility,
            semantics,
            capacity: args.capacity,
            switching: args.switching,
            profile: args.profile.as_deref().map(profile).transpose()?,
            length_error: length_error(args),
        };
        if setting.length_error.is_some() && matches!(judge, Judge::Rule(_)) {
            notes.push("`--length-error` is for lowtide's own policies: this rule knows every length".to_owned());
        }
        if matches!(judge, Judge::Rule(Rule::CarbonScaler)) && setting.profile.is_none() {
            notes.push("no `--profile` says how jobs scale: each runs on one node".to_owned());
        }
        Ok(Self { setting, zones, believed, jobs: trace.jobs, judge, notes })
    }
}

fn length_error(args: &Args) -> Option<LengthError> {
    (0.0 < args.length_error).then_some(LengthError { spread: args.length_error, seed: args.seed })
}

fn judge(name: &str) -> Result<(Judge, Semantics), Failure> {
    if let Some((rule, semantics)) = Rule::named(name) {
        return Ok((Judge::Rule(rule), semantics));
    }
    let path = Path::new(name);
    let (id, text) = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let id = PolicyId::new(stem).map_err(|error| wrong(path, &error))?;
        (id, read(path, "policy file")?)
    } else if let Some((id, text)) = policy::builtin_texts().into_iter().find(|(id, _)| id.as_str() == name) {
        (id, text.to_owned())
    } else {
        let mut known: Vec<String> = policy::builtin_texts().iter().map(|(id, _)| id.to_string()).collect();
        known.extend(NAMES.iter().map(|(known, _)| (*known).to_owned()).filter(|name| name != "run-now"));
        let failure = Failure::new(Kind::NotFound, format!("there is no policy `{name}`"));
        return Err(failure.hint(format!("a policy file such as mine.toml, or one of {}", known.join(", "))));
    };
    let policy = of_file(path, &id, text)
        .map_err(|error| Failure::invalid(format!("{name}:{}:{}: {}", error.line, error.column, error.message)))?;
    Ok((Judge::Policy(Box::new(policy)), Semantics::Honest))
}

/// The intensity of each zone, in the order of the flags.
fn traces(args: &Args, notes: &mut Vec<String>) -> Result<Vec<(String, CarbonTrace)>, Failure> {
    let mut files: Vec<(String, Vec<&Path>)> = Vec::new();
    for (zone, path) in &args.carbon {
        match files.iter_mut().find(|(known, _)| known == zone) {
            Some((_, paths)) => paths.push(path),
            None => files.push((zone.clone(), vec![path])),
        }
    }
    let mut traces = Vec::new();
    for (zone, paths) in files {
        let texts: Vec<String> = paths.iter().map(|path| read(path, "intensity file")).collect::<Result<_, _>>()?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let trace = CarbonTrace::read(&texts).map_err(|error| wrong(paths[0], &error))?;
        if 0 < trace.filled {
            notes.push(format!("{zone}: {} steps without a value keep the one before them", trace.filled));
        }
        if 0 < trace.repeated {
            notes.push(format!("{zone}: {} rows tell a step once more; the last one counts", trace.repeated));
        }
        traces.push((zone, trace));
    }
    Ok(traces)
}

fn believed(
    args: &Args,
    traces: &[(String, CarbonTrace)],
    zones: &[Series],
    start: Timestamp,
) -> Result<Vec<Believed>, Failure> {
    let mut believed = vec![Believed::Perfect; zones.len()];
    for belief in &args.forecast {
        match belief {
            Belief::Perfect => {}
            Belief::Noise(share) => {
                for ((believed, series), seed) in believed.iter_mut().zip(zones).zip(args.seed..) {
                    *believed = Believed::Noisy(noisy(series, *share, seed));
                }
            }
            Belief::Recorded(zone, path) => {
                let Some(place) = traces.iter().position(|(known, _)| known == zone) else {
                    let failure = Failure::invalid(format!("there is a forecast of {zone} and no intensity"));
                    return Err(failure.hint(format!("add `--carbon {zone}=FILE`")));
                };
                let text = read(path, "forecast file")?;
                let issues = Issues::read(&text, start.as_second()).map_err(|error| wrong(path, &error))?;
                believed[place] = Believed::Issued(issues);
            }
        }
    }
    Ok(believed)
}

fn profile(path: &Path) -> Result<Profile, Failure> {
    let text = read(path, "scaling profile")?;
    let columns = |text: &str| -> Result<(Vec<f64>, Vec<f64>), TraceError> {
        let table = Table::new(text)?;
        let (throughput, _) = table.require("the throughput", &["throughput"])?;
        let (power, _) = table.require("the power", &["power"])?;
        let mut both = (Vec::new(), Vec::new());
        for row in table.rows() {
            both.0.extend(row.number(throughput)?);
            both.1.extend(row.number(power)?);
        }
        Ok(both)
    };
    let (throughput, power) = columns(&text).map_err(|error| wrong(path, &error))?;
    Profile::new(throughput, power).ok_or_else(|| {
        wrong(path, &"a profile has rows for 0, 1, 2, … nodes, and throughput and power grow with each from 0 on")
    })
}

fn read(path: &Path, what: &str) -> Result<String, Failure> {
    let length = std::fs::metadata(path).map_err(|error| unread(what, path, &error))?.len();
    if LARGEST_FILE_BYTES < length {
        return Err(wrong(path, &format!("it is {length} bytes long, and at most {LARGEST_FILE_BYTES} are read")));
    }
    std::fs::read_to_string(path).map_err(|error| unread(what, path, &error))
}

/// `ZONE=FILE`.
pub(crate) fn zone_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((zone, file)) if !zone.is_empty() && !file.is_empty() => Ok((zone.to_owned(), PathBuf::from(file))),
        _ => Err(format!("`{text}` names no zone and file: write DE=de_2023.csv")),
    }
}

/// `perfect`, `noise:0.05`, `ZONE=FILE`.
pub(crate) fn belief(text: &str) -> Result<Belief, String> {
    if text == "perfect" {
        return Ok(Belief::Perfect);
    }
    if let Some(noise) = text.strip_prefix("noise:") {
        return share(noise).map(Belief::Noise);
    }
    zone_file(text)
        .map(|(zone, path)| Belief::Recorded(zone, path))
        .map_err(|_| format!("`{text}` is no forecast: write perfect, noise:0.05 or DE=forecasts.csv"))
}

/// How far lengths are off: more than 1, a length off by some forty times, is no prediction.
pub(crate) fn length_spread(text: &str) -> Result<f64, String> {
    let spread = text.parse().ok().filter(|spread: &f64| (0.0..=1.0).contains(spread));
    spread.ok_or_else(|| format!("`{text}` is not a number from 0 to 1 such as 0.4"))
}

/// A share from 0 on.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| (0.0..=100.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is not a share such as 0.05"))
}

/// A slot in hours: from a minute to a day.
pub(crate) fn slot(text: &str) -> Result<f64, String> {
    let slot = hours(text)?;
    if (1.0 / 60.0..=24.0).contains(&slot) { Ok(slot) } else { Err(format!("`{text}` is not from 1m to 24h")) }
}

/// `2h:6h,*:24h`: the longest wait by length, shortest first.
pub(crate) fn queues(text: &str) -> Result<Queues, String> {
    let mut queues: Vec<Queue> = Vec::new();
    for part in text.split(',') {
        let (up_to, wait) =
            part.split_once(':').ok_or_else(|| format!("`{part}` is no queue: write 2h:6h or *:24h"))?;
        let up_to_h = if up_to.trim() == "*" { f64::INFINITY } else { hours(up_to)? };
        if queues.last().is_some_and(|before| up_to_h <= before.up_to_h) {
            return Err(format!("`{part}` is not longer than the queue before it: the shortest comes first, * last"));
        }
        queues.push(Queue { up_to_h, wait_h: hours(wait)? });
    }
    Ok(Queues(queues))
}

/// `next-workday`, `semi-weekly`.
pub(crate) fn flexibility(text: &str) -> Result<Flexibility, String> {
    match text {
        "next-workday" => Ok(Flexibility::NextWorkday),
        "semi-weekly" => Ok(Flexibility::SemiWeekly),
        _ => Err(format!("`{text}` is neither next-workday nor semi-weekly")),
    }
}

/// `s`, `min`, `h`.
pub(crate) fn unit(text: &str) -> Result<Unit, String> {
    match text {
        "s" => Ok(Unit::Seconds),
        "min" => Ok(Unit::Minutes),
        "h" => Ok(Unit::Hours),
        _ => Err(format!("`{text}` is none of s, min and h")),
    }
}

/// A day (its midnight) or a time, in UTC unless it says otherwise.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let seconds = time::seconds(text).and_then(|seconds| Timestamp::from_second(seconds).ok());
    let day = || text.parse::<Date>().ok().filter(|_| text.len() <= 10);
    let midnight = || day()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    seconds.or_else(midnight).ok_or_else(|| {
        format!("`{text}` is no time: write 2023-07-02 or 2023-07-02T00:00Z, such as {}", stamp(1_688_256_000))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_go_from_short_to_long() {
        let read = queues("2h:6h,*:24h").expect("queues").0;
        assert_eq!(read, [Queue { up_to_h: 2.0, wait_h: 6.0 }, Queue { up_to_h: f64::INFINITY, wait_h: 24.0 }]);
        for text in ["", "2h", "*:24h,2h:6h", "2h:6h,1h:3h", "2h:soon"] {
            assert!(queues(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_its_midnight() {
        assert_eq!(moment("2023-07-02"), moment("2023-07-02T00:00Z"));
        assert_eq!(moment("2023-07-02T00:00:00Z"), moment("2023-07-02 00:00"));
        assert!(moment("soon").is_err());
    }

    #[test]
    fn forecasts_are_perfect_noisy_or_recorded() {
        assert_eq!(belief("perfect"), Ok(Belief::Perfect));
        assert_eq!(belief("noise:0.05"), Ok(Belief::Noise(0.05)));
        assert_eq!(belief("DE=a=b.csv"), Ok(Belief::Recorded("DE".into(), "a=b.csv".into())));
        for text in ["noise:-1", "noise:x", "yesterday", "=x"] {
            assert!(belief(text).is_err(), "{text}");
        }
    }
}
