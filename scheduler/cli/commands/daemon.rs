//! `lowtide daemon start|stop|status`.

use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::client::ClientError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tracing_subscriber::EnvFilter;

use crate::connect::{self, StartOptions};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::listing;

/// How long a daemon may take to end, and how often that is looked at. It finishes what it has begun and closes its database, which takes
/// the longer the more of it is not yet in its place.
const ENDING: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// Start the daemon, if none runs; other verbs do so by themselves
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide daemon start\n\n\
    As a service of the user: lowtide daemon start --foreground\n\
    A day in a minute, to try things out: lowtide --state-dir /tmp/try daemon start --time-scale 1440")]
pub(crate) struct StartArgs {
    /// Stay in the foreground and log to stderr
    #[arg(long)]
    pub(crate) foreground: bool,

    /// Let time pass so many times faster, for trying things out; the state remembers it
    #[arg(long, value_name = "N", value_parser = time_scale)]
    time_scale: Option<f64>,

    /// The time a daemon with a new state begins at; now by default
    #[arg(long, value_name = "TIME")]
    virtual_start: Option<Timestamp>,

    /// Leave the session of whoever started it
    #[arg(long, hide = true, requires = "foreground")]
    own_session: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Print the status as one JSON value
    #[arg(long)]
    json: bool,
}

/// The fastest clock: a year in five minutes.
const FASTEST: f64 = 100_000.0;

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if 0.0 < scale && scale <= FASTEST => Ok(scale),
        _ => Err(format!("`{text}` is not a number above 0 and up to {FASTEST}")),
    }
}

pub(crate) async fn start(args: &StartArgs, context: &Context) -> Result<(), Failure> {
    let options = StartOptions { time_scale: args.time_scale, virtual_start: args.virtual_start };
    let started = connect::start(&context.state, context.config.as_deref(), &options).await.map_err(|failure| {
        // Here the start itself is what was asked: that it failed is the request's failure.
        let hint = failure.hint_text().map(str::to_owned);
        let failed = Failure::new(Kind::Unavailable, failure.message());
        match hint {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    })?;
    let status = context.ask(async |client| client.status().await).await?;
    let what = if started { "runs now" } else { "already runs" };
    context.printer.note(&format!("The daemon {what} as process {}", status.pid));
    if !started && args.time_scale.is_some_and(|scale| (scale - status.time_scale).abs() > f64::EPSILON) {
        context.printer.warning(&format!("its clock keeps the time scale {}", status.time_scale));
    }
    Ok(())
}

/// Is the daemon, until it is told to stop.
pub(crate) fn foreground(args: &StartArgs, context: &Context) -> Result<ExitCode, Failure> {
    if args.own_session {
        // Whoever leads its session already needs no other one.
        let _ = rustix::process::setsid();
    }
    let filter = EnvFilter::try_from_env("LOWTIDE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    if let Err(error) = log {
        context.printer.warning(&format!("nothing is logged: {error}"));
    }
    let program =
        std::env::current_exe().map_err(|error| Failure::io("the program's own file cannot be found", &error))?;
    let options = lowtide_daemon::Options {
        state: context.state.clone(),
        config: context.config.clone(),
        time_scale: args.time_scale.unwrap_or(1.0),
        virtual_start: args.virtual_start,
        program,
        time_zone: TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned)),
    };
    lowtide_daemon::run(&options).map_err(|error| Failure::new(Kind::Unavailable, format!("{error:#}")))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn stop(context: &Context) -> Result<(), Failure> {
    let client = context.client();
    let nobody = || {
        context.printer.note("No daemon runs");
        Ok(())
    };
    // Held before it is asked: its number may be another's once it has ended.
    let process = match client.process().await {
        Ok(process) => process,
        Err(ClientError::Unreachable { .. }) => return nobody(),
        Err(error) => return Err(error.into()),
    };
    let held = process.and_then(Pid::from_raw).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    match client.stop().await {
        Ok(()) => {}
        Err(ClientError::Unreachable { .. }) => return nobody(),
        Err(error) => return Err(error.into()),
    }
    let begun = Instant::now();
    // It answers no more before it has closed its database; whoever asks next must be able to open that. Where its process cannot be
    // held, by an old kernel or from another namespace, its silence has to do.
    while match &held {
        Some(process) => !has_ended(process),
        None => client.process().await.is_ok(),
    } {
        if ENDING < begun.elapsed() {
            let which = process.map(|pid| format!(", process {pid},")).unwrap_or_default();
            let message = format!("the daemon{which} was asked to stop but has not ended after {} s", ENDING.as_secs());
            let hint = format!("it may still be writing to its database; its log is {}", context.state.log().display());
            return Err(Failure::new(Kind::Unavailable, message).hint(hint));
        }
        tokio::time::sleep(LOOK).await;
    }
    context.printer.note("The daemon has stopped; running jobs go on");
    Ok(())
}

/// Whether a process has ended, be it that its parent has not looked yet.
fn has_ended(process: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(process, PollFlags::IN)];
    // One that cannot be asked about is not waited for.
    poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| 0 < ready)
}

pub(crate) async fn status(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    let status = context.ask(async |client| client.status().await).await?;
    if args.json {
        return context.printer.json(&status);
    }
    context.printer.data(&listing::status(&status, &context.clock(status.now), context.look()))
}
