//! `lowtide measure -- CMD`: what a command uses and emits, with no queue and no daemon.
//!
//! The command's own output passes through; all that lowtide says goes to stderr. With `--json` the command's stdout
//! goes to stderr, too, and stdout is one value.

mod account;
mod grid;
mod journal;
mod summary;

use std::fs::File;
use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_agent::MeasureError;
use lowtide_daemon::Question;
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId, PolicyId, ZoneId};
use lowtide_model::job::{JobSpec, StartOrder};
use lowtide_model::quantity::{GramsCo2e, Joules, Pue, Watts};
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;

use self::account::{Account, Bounds};
use self::grid::LiveGrid;
use self::journal::Journal;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::value;

/// Run a command at once and tell what it uses and emits; no queue, no daemon
///
/// Each epoch is measured as it ends, and from the first one on the whole is predicted. The exit code is the command's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide measure --epochs 90 -- python train.py\n\n\
    The zone's intensity is asked of its region plugin as for a queued job; where that tells nothing, or with --offline,\n\
    the annual mean is taken, and said.")]
pub(crate) struct Args {
    /// How many epochs it runs, if it does not say so itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// It may end before its last epoch, as trainings do that stop when they improve no more
    #[arg(long)]
    may_stop_early: bool,

    /// The power it draws, for a machine without counters: 300W, 1.2kW
    #[arg(long, value_parser = value::power)]
    power: Option<Watts>,

    /// Grid zone, such as FR; that of the first site configured, or of the system's time zone, by default
    #[arg(long, value_parser = zone)]
    zone: Option<ZoneId>,

    /// How its epochs look, if lowtide does not recognise them: a regular expression with the group `epoch`
    #[arg(long, value_name = "REGEX", value_parser = value::epoch_pattern)]
    epoch_regex: Option<String>,

    /// Ask no provider: the footprint rests on the zone's annual mean
    #[arg(long)]
    offline: bool,

    /// Overhead of the building: its power by that of its computers
    #[arg(long, value_name = "RATIO", value_parser = pue, default_value = "1.0")]
    pue: Pue,

    /// After the first epoch stop the command, show what it will come to, and ask whether it is to go on
    #[arg(long)]
    confirm: bool,

    /// End the command when it has emitted more, or is predicted to: 500g, 1.2kg
    #[arg(long, value_name = "FOOTPRINT", value_parser = value::footprint)]
    max_footprint: Option<GramsCo2e>,

    /// End the command when it has used more, or is predicted to: 800Wh, 2kWh
    #[arg(long, value_name = "ENERGY", value_parser = value::energy)]
    max_energy: Option<Joules>,

    /// Keep a log and the account as JSON in this folder, brought up to date after each epoch
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

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

fn pue(text: &str) -> Result<Pue, String> {
    let ratio = text.parse::<f64>().map_err(|_| format!("`{text}` is not a number"))?;
    Pue::new(ratio).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let printer = context.printer;
    if args.confirm && File::options().read(true).write(true).open("/dev/tty").is_err() {
        return Err(Failure::new(Kind::Usage, "--confirm asks on a terminal, and there is none")
            .hint("--max-footprint and --max-energy end a command without asking"));
    }
    let order = order(args)?;
    let spec = spec(&order, args);
    let now = Timestamp::now();
    let journal = args.log_dir.as_deref().map(|folder| Journal::begin(folder, now)).transpose()?;
    let bounds = Bounds { confirm: args.confirm, footprint: args.max_footprint, energy: args.max_energy };
    let grid = LiveGrid::ask(question(args, context), args.offline);
    let mut account = Account::new(&spec, printer, context.clock(now), args.pue, bounds, grid, journal);
    let redirected = if args.json { Some(Redirected::begin()?) } else { None };
    let ended = lowtide_agent::measure(&order, |happening| account.judge(happening));
    if let Some(redirected) = redirected {
        redirected.end()?;
    }
    match ended {
        Ok(exit) => {
            let summary = account.settle(exit);
            if args.json {
                printer.json(&summary)?;
            } else {
                printer.note(summary.text(printer.width()).trim_end());
            }
            Ok(ExitCode::from(u8::try_from(exit.shell_code()).unwrap_or(1)))
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

fn question(args: &Args, context: &Context) -> Question {
    let time_zone = TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned));
    Question {
        zone: args.zone.clone(),
        config: context.config.clone(),
        state: context.state.clone(),
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("lowtide")),
        time_zone,
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
        power_cap: None,
        resume: false,
        checkpoint: None,
        epoch_pattern: args.epoch_regex.clone(),
        epochs: args.epochs,
        declared_power: args.power,
        time: TimeScale::real(),
    })
}

/// The order as a job, for the predictor.
fn spec(order: &StartOrder, args: &Args) -> JobSpec {
    let policy = PolicyId::new("run-now").expect("a plain name");
    let spec = JobSpec::of_command(order.command.clone(), order.directory.clone(), String::new(), policy);
    JobSpec {
        resources: order.resources,
        epochs: order.epochs,
        may_stop_early: args.may_stop_early,
        declared_power: order.declared_power,
        ..spec
    }
}
