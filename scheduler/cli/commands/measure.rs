//! `lowtide measure -- CMD`: what a command uses and emits, with no queue and no daemon.
//!
//! The command's own output passes through; all that lowtide says goes to stderr. With `--json` the command's stdout
//! goes to stderr, too, and stdout is one value. The footprint rests on the annual mean of the zone, because nothing
//! here knows the hours: that is the daemon's work.

use std::cell::OnceCell;
use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_agent::MeasureError;
use lowtide_api::v1::job::{EpochView, EstimateView, Interval};
use lowtide_meters::{Activity, Meter, MeterConfig};
use lowtide_model::event::AttemptReport;
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId, PolicyId, ZoneId};
use lowtide_model::job::{EnergySource, Epoch, Exit, JobSpec, StartOrder};
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds, Watts};
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;
use lowtide_planner::predict::{Observed, predict};
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::follow::epoch_line;
use crate::output::layout::{self, Field};
use crate::output::words;
use crate::printer::Printer;
use crate::value;

/// Run a command at once and tell what it uses and emits; no queue, no daemon
///
/// Each epoch is measured as it ends, and from the first one on the whole is predicted. The exit code is the command's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide measure --epochs 90 -- python train.py\n\n\
    The footprint is energy times the annual mean of the zone. `lowtide submit` knows the hours, too.")]
pub(crate) struct Args {
    /// How many epochs it runs, if it does not say so itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// The power it draws, for a machine without counters: 300W, 1.2kW
    #[arg(long, value_parser = value::power)]
    power: Option<Watts>,

    /// Grid zone, such as FR; that of the system's time zone by default
    #[arg(long, value_parser = zone)]
    zone: Option<ZoneId>,

    /// How its epochs look, if lowtide does not recognise them: a regular expression with the group `epoch`
    #[arg(long, value_name = "REGEX", value_parser = value::epoch_pattern)]
    epoch_regex: Option<String>,

    /// Print one JSON value at the end; the command's stdout then goes to stderr
    #[arg(long)]
    json: bool,

    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

fn zone(text: &str) -> Result<ZoneId, String> {
    ZoneId::new(text).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<ExitCode, Failure> {
    let order = order(args)?;
    let spec = spec(&order);
    let mut account = Account::new(&spec, args, printer);
    let redirected = if args.json { Some(Redirected::begin()?) } else { None };
    let ended = lowtide_agent::measure(&order, |report| account.take(report));
    if let Some(redirected) = redirected {
        redirected.end()?;
    }
    match ended {
        Ok(exit) => {
            let summary = account.settle(exit);
            if args.json {
                printer.json(&summary)?;
            } else {
                printer.note(text(&summary, printer.width()).trim_end());
            }
            Ok(ExitCode::from(u8::try_from(summary.exit_code).unwrap_or(1)))
        }
        Err(MeasureError::NotStarted { code, message }) => {
            // As a shell does: it says so and passes the code on.
            let failure = Failure::new(Kind::NotFound, message);
            printer.failure(&failure, args.json);
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
        Err(error) => Err(Failure::new(Kind::Unavailable, error.to_string())
            .hint("without `lowtide measure --` in front the command runs as ever")),
    }
}

/// This process's stdout, lent to the job as stderr.
struct Redirected {
    stdout: std::os::fd::OwnedFd,
}

impl Redirected {
    fn begin() -> Result<Self, Failure> {
        let failed = |error: rustix::io::Errno| Failure::io("stdout cannot be kept for the JSON", &error.into());
        let kept = rustix::io::fcntl_dupfd_cloexec(stdout(), 3).map_err(failed)?;
        rustix::stdio::dup2_stdout(stderr()).map_err(failed)?;
        Ok(Self { stdout: kept })
    }

    fn end(self) -> Result<(), Failure> {
        rustix::stdio::dup2_stdout(&self.stdout)
            .map_err(|error| Failure::io("stdout cannot be had back for the JSON", &error.into()))
    }
}

fn order(args: &Args) -> Result<StartOrder, Failure> {
    let directory: PathBuf = std::env::current_dir().map_err(|error| Failure::io("the current directory", &error))?;
    let variable = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    Ok(StartOrder {
        key: AttemptKey { job: JobId(0), attempt: AttemptNumber(1) },
        command: args.command.clone(),
        directory,
        environment: std::env::vars_os().filter_map(variable).collect(),
        // All of the machine: nobody else shares it as far as we know. The environment says which GPUs.
        resources: Resources { cpus: 0, gpus: 0 },
        devices: Vec::new(),
        resume: false,
        checkpoint: None,
        epoch_pattern: args.epoch_regex.clone(),
        epochs: args.epochs,
        declared_power: args.power,
        time: TimeScale::real(),
    })
}

/// The order as a job, for the predictor.
fn spec(order: &StartOrder) -> JobSpec {
    JobSpec {
        name: order.command.first().cloned().unwrap_or_default(),
        project: None,
        user: String::new(),
        command: order.command.clone(),
        directory: order.directory.clone(),
        environment: std::collections::BTreeMap::new(),
        resources: order.resources,
        epochs: order.epochs,
        policy: PolicyId::new("run-now").expect("a plain name"),
        deadline: None,
        max_delay: None,
        sites: Vec::new(),
        declared_duration: None,
        declared_power: order.declared_power,
        checkpoint: None,
        epoch_pattern: None,
        after: Vec::new(),
    }
}

/// The mean intensity of a zone and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Intensity {
    zone: String,
    zone_origin: &'static str,
    #[serde(rename = "intensity_g_per_kwh")]
    g_per_kwh: f64,
    source: String,
}

/// What is known of the command so far.
struct Account<'a> {
    spec: &'a JobSpec,
    printer: Printer,
    zone: ZoneId,
    zone_origin: &'static str,
    /// Looked up while the command starts: it waits for none of it.
    lookup: Option<JoinHandle<anyhow::Result<(GramsPerKwh, String)>>>,
    intensity: OnceCell<Option<Intensity>>,
    started: Option<Timestamp>,
    epochs: Vec<Epoch>,
    estimates: Vec<EstimateView>,
    warnings: Vec<String>,
    ran: Seconds,
    energy: Joules,
}

/// What the command used and emitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Summary {
    command: Vec<String>,
    exit_code: i32,
    epochs_total: Option<u32>,
    epochs: Vec<EpochView>,
    estimates: Vec<EstimateView>,
    actual: Actual,
    intensity: Option<Intensity>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Actual {
    duration_s: f64,
    energy_kwh: f64,
    energy_source: &'static str,
    footprint_g: Option<f64>,
}

impl<'a> Account<'a> {
    fn new(spec: &'a JobSpec, args: &Args, printer: Printer) -> Self {
        let (zone, zone_origin) = match &args.zone {
            Some(zone) => (zone.clone(), "as you said"),
            None => {
                let time_zone = TimeZone::try_system().ok();
                let name = time_zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or_default();
                (lowtide_daemon::zones::zone_of_time_zone(name), "from the system's time zone; --zone names another")
            }
        };
        let wanted = zone.clone();
        let lookup = std::thread::Builder::new().spawn(move || lowtide_daemon::annual_mean(&wanted)).ok();
        Self {
            spec,
            printer,
            zone,
            zone_origin,
            lookup,
            intensity: OnceCell::new(),
            started: None,
            epochs: Vec::new(),
            estimates: Vec::new(),
            warnings: Vec::new(),
            ran: Seconds::ZERO,
            energy: Joules::ZERO,
        }
    }

    fn take(&mut self, report: &AttemptReport) {
        match report {
            AttemptReport::Started { at } => self.started = Some(*at),
            AttemptReport::Warning { at: _, message } => {
                self.printer.warning(message);
                self.warnings.push(message.clone());
            }
            AttemptReport::Epoch(epoch) => {
                self.epochs.push(epoch.clone());
                let estimate = self.estimate(epoch.window.end());
                let line = epoch_line(&epoch_view(epoch), self.epochs_total(), estimate.as_ref());
                self.printer.note(&line);
                self.estimates.extend(estimate);
            }
            AttemptReport::Exited { at, exit: _, energy, asked_to_leave: _ } => {
                self.ran = Seconds::between(self.started.unwrap_or(*at), *at);
                self.energy = *energy;
            }
        }
    }

    fn epochs_total(&self) -> Option<u32> {
        self.epochs.iter().filter_map(|epoch| epoch.total).next_back().or(self.spec.epochs)
    }

    /// The whole, by the predictor of the queue. Without a number of epochs there is no whole to predict.
    fn estimate(&mut self, at: Timestamp) -> Option<EstimateView> {
        let total = self.epochs_total()?;
        let prediction = predict(&Observed {
            spec: self.spec,
            epochs: &self.epochs,
            epochs_total: Some(total),
            epochs_done: self.epochs.last().map_or(0, |epoch| epoch.index),
            ran: Seconds::between(self.started.unwrap_or(at), at),
            energy_so_far: self.epochs.iter().map(|epoch| epoch.energy).sum(),
            history: &[],
        });
        let energy_kwh = Interval::kwh(&prediction.energy);
        let mean = self.intensity()?.g_per_kwh;
        let Interval { median, low, high } = energy_kwh;
        Some(EstimateView {
            at,
            after_epoch: prediction.after_epoch,
            source: "measured".to_owned(),
            duration_s: Interval::seconds(&prediction.duration),
            energy_kwh,
            footprint_g: Interval { median: median * mean, low: low * mean, high: high * mean },
        })
    }

    fn intensity(&mut self) -> Option<&Intensity> {
        let Self { zone, zone_origin, lookup, intensity, printer, warnings, .. } = self;
        let found = intensity.get_or_init(|| {
            let answer = lookup.take().map(JoinHandle::join);
            let why = match answer {
                Some(Ok(Ok((mean, source)))) => {
                    let zone = zone.to_string();
                    return Some(Intensity { zone, zone_origin, g_per_kwh: mean.get(), source });
                }
                Some(Ok(Err(error))) => format!("{error:#}"),
                Some(Err(_)) | None => "it could not be looked up".to_owned(),
            };
            let warning = format!("no footprint is told: the mean intensity of {zone} is not known: {why}");
            printer.warning(&warning);
            warnings.push(warning);
            None
        });
        found.as_ref()
    }

    fn settle(mut self, exit: Exit) -> Summary {
        let intensity = self.intensity().cloned();
        let energy_kwh = self.energy.kwh();
        let source = self.epochs.iter().map(|epoch| epoch.source).max().unwrap_or_else(meter_source);
        Summary {
            command: self.spec.command.clone(),
            exit_code: exit.shell_code(),
            epochs_total: self.epochs_total(),
            epochs: self.epochs.iter().map(epoch_view).collect(),
            estimates: self.estimates,
            actual: Actual {
                duration_s: self.ran.get(),
                energy_kwh,
                energy_source: source_name(source),
                footprint_g: intensity.as_ref().map(|intensity| energy_kwh * intensity.g_per_kwh),
            },
            intensity,
            warnings: self.warnings,
        }
    }
}

/// What this machine's meter rests on, for a command that told of no epoch.
fn meter_source() -> EnergySource {
    let mut meter = Meter::open(&MeterConfig::from_environment(|name| std::env::var(name).ok()));
    let idle = Activity::default();
    meter.read(Duration::ZERO, &idle);
    meter.read(Duration::from_millis(1), &idle).source
}

fn epoch_view(epoch: &Epoch) -> EpochView {
    let Epoch { index, total: _, window, energy, source } = epoch;
    EpochView {
        index: *index,
        attempt: 1,
        start: window.start(),
        duration_s: window.duration().get(),
        energy_kwh: energy.kwh(),
        energy_source: source_name(*source).to_owned(),
    }
}

const fn source_name(source: EnergySource) -> &'static str {
    match source {
        EnergySource::Measured => "measured",
        EnergySource::Shared => "shared",
        EnergySource::Mixed => "mixed",
        EnergySource::Modelled => "modelled",
    }
}

fn text(summary: &Summary, width: usize) -> String {
    let Actual { duration_s, energy_kwh, energy_source, footprint_g } = &summary.actual;
    let mut fields = vec![
        Field::new("time", words::duration(*duration_s)),
        Field::new("energy", words::energy(*energy_kwh)).remark(words::energy_source(energy_source)),
    ];
    if let (Some(grams), Some(intensity)) = (footprint_g, &summary.intensity) {
        let Intensity { zone, zone_origin, g_per_kwh, source } = intensity;
        fields.push(
            Field::new("footprint", format!("{}CO2e", words::grams(*grams)))
                .remark(format!("at {}, {source}", words::intensity(*g_per_kwh))),
        );
        fields.push(Field::new("zone", zone).remark(*zone_origin));
    }
    let epochs = if summary.epochs.is_empty() { ", no epoch recognised" } else { "" };
    let head = format!("Exit code {}{epochs}\n", summary.exit_code);
    head + &layout::fields(&fields, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_says_what_it_rests_on() {
        let summary = Summary {
            command: vec!["true".to_owned()],
            exit_code: 0,
            epochs_total: None,
            epochs: vec![],
            estimates: vec![],
            actual: Actual { duration_s: 3720.0, energy_kwh: 0.31, energy_source: "modelled", footprint_g: Some(15.5) },
            intensity: Some(Intensity {
                zone: "FR".to_owned(),
                zone_origin: "as you said",
                g_per_kwh: 50.0,
                source: "annual mean of 2024".to_owned(),
            }),
            warnings: vec![],
        };
        insta::assert_snapshot!(text(&summary, 80), @r"
        Exit code 0, no epoch recognised
          time       1 h 2 min
          energy     310 Wh        modelled
          footprint  15.5 gCO2e    at 50 g/kWh, annual mean of 2024
          zone       FR            as you said
        ");
    }
}
