//! `lowtide submit [flags] -- CMD…`: queues a job, says what will happen, and follows it if asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::v1::submit::{CheckpointRequest, Deadline, SubmitRequest};
use lowtide_model::quantity::{Seconds, Watts};

use crate::commands::recurring::{self, Recurs};
use crate::context::{Context, absolute};
use crate::failure::{Failure, Kind};
use crate::follow::{self, Followed, Passing};
use crate::{output, value};

/// What a shell returns after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Queue a job: it runs when and where the grid is cleanest, within what you allow
///
/// The answer says when, where, how much and how sure that is, and is given only once the job is safely stored. The
/// command runs in the current directory with your present environment. lowtide recognises its epochs in what it
/// prints (`Epoch 3/90`, progress bars of Keras, Lightning and tqdm, logs of the Hugging Face trainer); a job whose
/// first epochs were measured is predicted far better.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lowtide submit --deadline 36h -- python train.py
  lowtide submit --checkpoint --signal USR1 --epochs 90 --gpus 1 -- python train.py
  lowtide submit --follow --deadline 'fri 18:00' -- ./train.sh
  lowtide submit --cron '0 2 * * *' --slack 4h -- ./train.sh

A job with --checkpoint may be paused: it gets the signal at an epoch's end, saves, and exits with 75 (or by the
signal); it is started again with LOWTIDE_RESUME=1 in its environment. Exit 0 always means that it is done.")]
pub(crate) struct Args {
    /// Name for people; that of the script or program by default
    #[arg(long)]
    name: Option<String>,

    /// Project it counts for
    #[arg(long)]
    project: Option<String>,

    /// How many epochs it runs, if it does not say so itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// It may end before its last epoch, as trainings do that stop when they improve no more
    #[arg(long)]
    may_stop_early: bool,

    /// It can run with several counts of workers: each with its throughput, as `1:1,2:1.9,4:3.5`. `--cpus` and `--gpus`
    /// are those of one worker then, and the job is told its count as LOWTIDE_WORKERS
    #[arg(long, value_name = "COUNT:THROUGHPUT,…")]
    workers: Option<String>,

    /// Its GPUs can be held to less power, at sites that allow it: each cap in watts of one GPU with the job's speed and power then,
    /// beside those without a cap, as `200:0.96:0.82,150:0.85:0.66`. lowtide takes one where that emits less and is in time
    #[arg(long, value_name = "WATTS:SPEED:POWER,…", requires = "gpus")]
    gpu_caps: Option<String>,

    /// Policy it runs under; `lowtide policy list` lists them
    #[arg(long)]
    policy: Option<String>,

    /// How much it may be put off; what a tier means is the policy's to say
    #[arg(long, value_name = "TIER", value_parser = ["low", "normal", "high", "now"])]
    urgency: Option<String>,

    /// Where there is not room for all, the higher goes first, and may take the place of a lower one that waits: -100 to 100
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-100..=100))]
    priority: Option<i64>,

    /// When it has to be done: 36h, 'fri 18:00', '2026-11-25 18:00' or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = deadline)]
    deadline: Option<Deadline>,

    /// The longest it may wait in sum
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    max_delay: Option<Seconds>,

    /// Site it may run at; may be given several times. All by default
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<String>,

    /// Site its data lie at: what it takes to bring it to another one counts from the first start on. Nowhere in particular by default
    #[arg(long, value_name = "SITE")]
    data_at: Option<String>,

    /// GPUs it needs; none by default
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,

    /// Processors it needs; 1 by default
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,

    /// How long it will run, if you know
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    duration: Option<Seconds>,

    /// The power it will draw, if you know: 300W, 1.2kW
    #[arg(long, value_parser = value::power)]
    power: Option<Watts>,

    /// It can save a checkpoint and go on from it, so it may be paused
    #[arg(long)]
    checkpoint: bool,

    /// Signal that asks it to; TERM by default
    #[arg(long, requires = "checkpoint", value_parser = value::signal)]
    signal: Option<i32>,

    /// How long it then has before it is killed; 60s by default
    #[arg(long, requires = "checkpoint", value_name = "DURATION", value_parser = value::duration)]
    grace: Option<Seconds>,

    /// Job that must have succeeded before; may be given several times
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    after: Vec<u64>,

    /// Variable of its environment, besides yours; may be given several times
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = value::variable)]
    environment: Vec<(String, String)>,

    /// Directory it runs in; the current one by default
    #[arg(long = "dir", value_name = "DIR")]
    directory: Option<PathBuf>,

    /// How its epochs look, if lowtide does not recognise them: a regular expression with the group `epoch`, and
    /// `total` if it says how many there are
    #[arg(long, value_name = "REGEX", value_parser = value::epoch_pattern)]
    epoch_regex: Option<String>,

    #[command(flatten)]
    recurs: Recurs,

    /// Wait for it: show its epochs and its output, and exit with its code. Ctrl-C leaves it in the queue
    #[arg(long, short)]
    follow: bool,

    /// Say what would happen, but queue nothing
    #[arg(long, conflicts_with = "follow")]
    dry_run: bool,

    /// Print the job as one JSON value; with --follow, when it is over
    #[arg(long)]
    json: bool,

    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

fn deadline(text: &str) -> Result<Deadline, String> {
    value::deadline(text, Timestamp::now(), &TimeZone::system())
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (json, following, dry_run) = (args.json, args.follow, args.dry_run);
    let printer = context.printer;
    let recurs = args.recurs.clone();
    let request = request_of(args, context)?;
    if let Some(cron) = recurs.cron.clone() {
        recurring::submit(request, cron, &recurs, json, context).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let job = context.ask_or_start(async |client| client.submit(&request).await).await?;
    if json && !following {
        printer.json(&job)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = || output::submitted::text(&job, &context.clock(job.submitted_at), context.look());
    let id = match job.id {
        Some(id) => id,
        None if dry_run => {
            printer.data(&text())?;
            return Ok(ExitCode::SUCCESS);
        }
        None => return Err(Failure::new(Kind::Internal, "the daemon took the job but gave it no number")),
    };
    if !following {
        if printer.is_quiet() {
            printer.data(&id.to_string())?;
        } else {
            printer.data(&text())?;
            printer.hint(&next_step(&job.state, id));
        }
        return Ok(ExitCode::SUCCESS);
    }
    // From here on stdout is the job's.
    printer.note(text().trim_end());
    let passing = if json { Passing::ToStderr } else { Passing::Through };
    match follow::follow(id, context, passing).await? {
        Followed::Left => {
            follow::left_behind(id, context);
            Ok(ExitCode::from(INTERRUPTED))
        }
        Followed::Over(job) => {
            if json {
                printer.json(&*job)?;
            } else {
                let clock = context.clock(job.state_since);
                printer.note(&output::job::headline(&job, &clock));
                if let Some(review) = &job.review {
                    printer.note(output::review::text(review, context.look()).trim_end());
                }
            }
            Ok(ExitCode::from(follow::code_of(&job)?))
        }
    }
}

fn next_step(state: &str, id: u64) -> String {
    if state == "held" {
        format!("`lowtide release {id}` approves it, `lowtide explain {id}` shows what it rests on")
    } else {
        format!("`lowtide explain {id}` shows what was rejected and why")
    }
}

fn request_of(args: Args, context: &Context) -> Result<SubmitRequest, Failure> {
    let Args {
        name,
        project,
        epochs,
        may_stop_early,
        workers,
        gpu_caps,
        policy,
        urgency,
        priority,
        deadline,
        max_delay,
        sites,
        data_at,
        gpus,
        cpus,
        duration,
        power,
        checkpoint,
        signal,
        grace,
        after,
        environment,
        directory,
        epoch_regex,
        recurs: _,
        follow: _,
        dry_run,
        json: _,
        command,
    } = args;
    let directory = match directory {
        Some(directory) => absolute(&directory)?,
        None => std::env::current_dir().map_err(|error| Failure::io("the current directory", &error))?,
    };
    if !directory.is_dir() {
        return Err(Failure::new(Kind::NotFound, format!("there is no directory {}", directory.display()))
            .hint("`--dir` names the directory the command runs in"));
    }
    let grace_s = grace.map(|grace| {
        // Durations on the command line are of ten years at most; fractions of a second are rounded up.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to ten years, see above")]
        let seconds = grace.get().ceil() as u32;
        seconds
    });
    Ok(SubmitRequest {
        idempotency_key: Some(key()),
        dry_run,
        name,
        project,
        user: user(),
        command,
        directory,
        environment: environment_of(environment, context),
        cpus,
        gpus,
        epochs,
        may_stop_early,
        workers,
        gpu_caps,
        policy,
        urgency,
        priority,
        deadline,
        max_delay_s: max_delay.map(Seconds::get),
        sites,
        data_at,
        duration_s: duration.map(Seconds::get),
        power_w: power.map(Watts::get),
        checkpoint: checkpoint.then_some(CheckpointRequest { signal, grace_s }),
        epoch_pattern: epoch_regex,
        after,
    })
}

/// This request's own name: if the daemon ends while it answers, the next one sees that it has the job already.
fn key() -> String {
    format!("{}-{}", std::process::id(), Timestamp::now().as_nanosecond())
}

/// The unix user.
pub(crate) fn user() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let number = rustix::process::getuid().as_raw();
    variable("USER")
        .or_else(|| variable("LOGNAME"))
        .or_else(|| name_of_user(&std::fs::read_to_string("/etc/passwd").ok()?, number))
        .unwrap_or_else(|| number.to_string())
}

/// The name of that number in the text of `/etc/passwd`.
fn name_of_user(passwd: &str, number: u32) -> Option<String> {
    let is_wanted = |line: &&str| line.split(':').nth(2) == Some(number.to_string().as_str());
    passwd.lines().find(is_wanted)?.split(':').next().map(str::to_owned)
}

/// The submitter's environment and what was added to it.
fn environment_of(added: Vec<(String, String)>, context: &Context) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (key, value) in std::env::vars_os() {
        match (key.into_string(), value.into_string()) {
            (Ok(key), Ok(value)) => drop(environment.insert(key, value)),
            (key, _) => {
                let key = key.unwrap_or_else(|key| key.to_string_lossy().into_owned());
                context.printer.warning(&format!("the variable {key} is not UTF-8: the job runs without it"));
            }
        }
    }
    environment.extend(added);
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_variable_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_of_user(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(name_of_user(passwd, 7), None);
    }
}
