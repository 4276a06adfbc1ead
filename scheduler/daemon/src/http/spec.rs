//! From what a client sent to what the engine is asked: every field checked once, here.

use std::path::Path;

use jiff::Timestamp;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_api::v1::submit::{CheckpointRequest, Deadline, SubmitRequest};
use lowtide_model::capping::{Capping, CappingError};
use lowtide_model::identity::{JobId, PolicyId, SiteId};
use lowtide_model::job::{Checkpoint, ChosenBy, JobSpec, Urgency};
use lowtide_model::priority::Priority;
use lowtide_model::quantity::{Seconds, Watts};
use lowtide_model::scaling::{Scaling, ScalingError};
use lowtide_model::site::Resources;

use crate::defaults::Defaults;

/// The signal that asks a job to leave, where it names none: TERM.
const DEFAULT_SIGNAL: i32 = 15;
/// How long it then has.
const DEFAULT_GRACE_S: u32 = 60;
/// The highest signal number of Linux.
const HIGHEST_SIGNAL: i32 = 64;
/// What a command and its environment may hold together; the system's own limit is of this size.
const LONGEST_COMMAND_BYTES: usize = 2 << 20;

/// The job that is asked for.
pub(crate) fn spec_of(request: SubmitRequest, defaults: &Defaults, now: Timestamp) -> Result<JobSpec, Problem> {
    let SubmitRequest {
        idempotency_key: _,
        dry_run: _,
        name,
        project,
        user,
        command,
        directory,
        environment,
        cpus,
        gpus,
        workers,
        gpu_caps,
        epochs,
        may_stop_early,
        policy,
        urgency,
        priority,
        deadline,
        max_delay_s,
        sites,
        data_at,
        duration_s,
        power_w,
        checkpoint,
        epoch_pattern,
        after,
    } = request;
    let program = command.first().filter(|program| !program.is_empty());
    let Some(program) = program else {
        return Err(
            invalid("there is no command to run").hint("put it after `--`: `lowtide submit -- python train.py`")
        );
    };
    let length: usize = command.iter().map(String::len).sum::<usize>()
        + environment.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    if LONGEST_COMMAND_BYTES < length {
        return Err(invalid(format!(
            "the command and its environment are {length} bytes long; the system takes 2 MiB"
        )));
    }
    if command.iter().any(|part| part.contains('\0')) {
        return Err(invalid("the command holds a NUL character"));
    }
    if !directory.is_absolute() {
        return Err(invalid(format!("the directory {} is not absolute", directory.display())));
    }
    if epochs == Some(0) {
        return Err(invalid("a job has at least one epoch"));
    }
    let deadline = match deadline {
        None => None,
        Some(Deadline::At(at)) => Some(at),
        Some(Deadline::InSeconds(seconds)) => Some(quantity("deadline", Seconds::new(seconds))?.after(now)),
    };
    let (policy, policy_chosen_by) = match policy {
        None => defaults.policy_for(&user, project.as_deref()),
        Some(name) => (PolicyId::new(name).map_err(|error| invalid(error.to_string()))?, ChosenBy::Job),
    };
    let urgency = match urgency.as_deref() {
        None => Urgency::Normal,
        Some(name) => Urgency::named(name).ok_or_else(|| {
            invalid(format!("there is no urgency `{name}`")).hint("it is one of low, normal, high, now")
        })?,
    };
    let priority = priority_of(priority.unwrap_or_default())?;
    let gpus = gpus.unwrap_or(0);
    if gpu_caps.is_some() && gpus == 0 {
        return Err(
            invalid("gpu caps: the job asks for no GPUs").hint("ask for them with `--gpus`, or leave the caps out")
        );
    }
    let sites = sites.into_iter().map(SiteId::new).collect::<Result<Vec<_>, _>>();
    Ok(JobSpec {
        name: name.unwrap_or_else(|| name_of(program, &command)),
        project,
        user,
        directory,
        environment,
        resources: Resources { cpus: cpus.unwrap_or(1), gpus },
        scaling: workers.map_or_else(|| Ok(Scaling::default()), |workers| scaling_of(&workers))?,
        capping: gpu_caps.map_or_else(|| Ok(Capping::default()), |caps| capping_of(&caps))?,
        epochs,
        may_stop_early,
        policy,
        policy_chosen_by,
        urgency,
        priority,
        deadline,
        max_delay: max_delay_s.map(|seconds| quantity("max delay", Seconds::new(seconds))).transpose()?,
        sites: sites.map_err(|error| invalid(error.to_string()))?,
        data_at: data_at.map(SiteId::new).transpose().map_err(|error| invalid(error.to_string()))?,
        declared_duration: duration_s.map(|seconds| quantity("duration", Seconds::new(seconds))).transpose()?,
        declared_power: power_w.map(|watts| quantity("power", Watts::new(watts))).transpose()?,
        checkpoint: checkpoint.map(checkpoint_of).transpose()?,
        epoch_pattern,
        after: after.into_iter().map(JobId).collect(),
        command,
    })
}

/// A name for a job that has none: that of its script where an interpreter runs one, else that of its program.
fn name_of(program: &str, command: &[String]) -> String {
    let script = command.iter().skip(1).find(|argument| {
        !argument.starts_with('-') && Path::new(argument).extension().is_some_and(|extension| extension.len() <= 3)
    });
    let named = script.map_or(program, String::as_str);
    Path::new(named).file_name().map_or_else(|| named.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A priority that a client names.
pub(super) fn priority_of(number: i64) -> Result<Priority, Problem> {
    Priority::new(number).map_err(|error| invalid(error.to_string()))
}

fn scaling_of(workers: &str) -> Result<Scaling, Problem> {
    let problem = |error: ScalingError| {
        invalid(format!("workers: {error}"))
            .hint("as in `1:1,2:1.9,4:3.5`: a count, and its throughput beside the others'")
    };
    workers.parse().map_err(problem)
}

fn capping_of(caps: &str) -> Result<Capping, Problem> {
    let problem = |error: CappingError| {
        invalid(format!("gpu caps: {error}")).hint(
            "as in `200:0.96:0.82,150:0.85:0.66`: watts of each GPU, then speed and power of the job beside those without a cap",
        )
    };
    caps.parse().map_err(problem)
}

fn checkpoint_of(request: CheckpointRequest) -> Result<Checkpoint, Problem> {
    let signal = request.signal.unwrap_or(DEFAULT_SIGNAL);
    if !(1..=HIGHEST_SIGNAL).contains(&signal) {
        return Err(invalid(format!("there is no signal {signal}")));
    }
    Ok(Checkpoint { signal, grace_s: request.grace_s.unwrap_or(DEFAULT_GRACE_S) })
}

fn quantity<T, E: std::error::Error>(what: &str, quantity: Result<T, E>) -> Result<T, Problem> {
    quantity.map_err(|error| invalid(format!("{what}: {error}")))
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_after_its_script() {
        let name = |command: &[&str]| {
            let command: Vec<String> = command.iter().map(ToString::to_string).collect();
            name_of(&command[0], &command)
        };
        assert_eq!(name(&["python", "-u", "models/train.py", "--lr", "0.1"]), "train.py");
        assert_eq!(name(&["/usr/bin/sleep", "10"]), "sleep");
        assert_eq!(name(&["./run.sh"]), "run.sh");
    }
}
