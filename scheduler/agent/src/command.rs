//! The command of an order: its environment, its start, and why it cannot be started.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lowtide_meters::{ATTRIBUTION, Attribution, JobGroup, MeterConfig};
use lowtide_model::job::StartOrder;

/// A command that did not start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotStarted {
    /// It never will.
    Impossible {
        /// What a shell would exit with.
        code: i32,
        /// For people.
        message: String,
    },
    /// The machine is short of something; it may start later.
    Refused {
        /// For people.
        message: String,
    },
}

/// Where the command's streams go.
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

/// The environment of the command: the order's, and what lowtide tells the job.
pub(crate) fn environment(order: &StartOrder, report: &Path) -> BTreeMap<String, String> {
    let mut environment = order.environment.clone();
    let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
    set("LOWTIDE_REPORT", report.display().to_string());
    set("LOWTIDE_JOB_ID", order.key.job.to_string());
    set("LOWTIDE_ATTEMPT", order.key.attempt.to_string());
    set("PWD", order.directory.display().to_string());
    if order.resume {
        set("LOWTIDE_RESUME", "1".to_owned());
    } else {
        environment.remove("LOWTIDE_RESUME");
    }
    match &order.checkpoint {
        Some(checkpoint) => {
            environment.insert("LOWTIDE_CHECKPOINT_SIGNAL".to_owned(), checkpoint.signal.to_string());
        }
        None => {
            environment.remove("LOWTIDE_CHECKPOINT_SIGNAL");
        }
    }
    if !order.devices.is_empty() {
        let devices: Vec<String> = order.devices.iter().map(u32::to_string).collect();
        environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), devices.join(","));
        // The site numbers its GPUs as the driver does; CUDA by itself puts the fastest first.
        environment.entry("CUDA_DEVICE_ORDER".to_owned()).or_insert_with(|| "PCI_BUS_ID".to_owned());
    }
    // Output held back in a buffer would move every epoch to its end.
    environment.entry("PYTHONUNBUFFERED".to_owned()).or_insert_with(|| "1".to_owned());
    environment
}

/// What the meter has to know: the job's environment says it, or else that of this process.
pub(crate) fn meter_config(order: &StartOrder, environment: &BTreeMap<String, String>) -> MeterConfig {
    let get = |name: &str| {
        let own = || if name.starts_with("LOWTIDE_") { std::env::var(name).ok() } else { None };
        environment.get(name).cloned().or_else(own)
    };
    let mut config = MeterConfig::from_environment(get);
    config.declared_power = order.declared_power;
    if order.resources.cpus > 0 {
        // It has a part of a site, others may have the rest; and it is no rank of whatever it was submitted from.
        config.cpus = order.resources.cpus;
        config.counted_elsewhere = false;
        let said = get(ATTRIBUTION).and_then(|name| Attribution::named(&name));
        config.attribution = said.unwrap_or(Attribution::Shared);
    }
    config
}

/// The control group of the job, where it has one to itself. A job of the queue shares that of the daemon with others;
/// a command measured alone may be all of its container, or of its Slurm job.
pub(crate) fn job_group(order: &StartOrder) -> Option<JobGroup> {
    if order.resources.cpus > 0 {
        return None;
    }
    let first = rustix::process::getpid().as_raw_nonzero().get() == 1;
    JobGroup::find(Path::new("/proc"), |name| std::env::var(name).ok(), first)
}

/// Starts the command. In a group of its own, so that signals reach all it starts, unless it has to share this one's to
/// stay in front of the terminal.
pub(crate) fn start(
    order: &StartOrder,
    environment: &BTreeMap<String, String>,
    streams: Streams,
    own_group: bool,
) -> Result<std::process::Child, NotStarted> {
    let Some((program, arguments)) = order.command.split_first() else {
        return Err(impossible(127, "the job has no command: submit it again with one after `--`".to_owned()));
    };
    if let Err(error) = usable_directory(&order.directory) {
        let directory = order.directory.display();
        let message = format!(
            "the directory {directory} cannot be used here: {error}; create it, or submit the job again with another --dir"
        );
        return Err(impossible(126, message));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment).current_dir(&order.directory);
    command.stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr);
    if own_group {
        command.process_group(0);
    }
    command.spawn().map_err(|error| not_started(program, environment, &error))
}

fn usable_directory(directory: &Path) -> io::Result<()> {
    if !std::fs::metadata(directory)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(directory, rustix::fs::Access::EXEC_OK)?)
}

fn not_started(program: &str, environment: &BTreeMap<String, String>, error: &io::Error) -> NotStarted {
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => impossible(
            127,
            format!(
                "the command {program} does not exist, or the interpreter its first line names does not; \
                 correct the path and submit again"
            ),
        ),
        io::ErrorKind::NotFound => {
            let path = environment.get("PATH").map_or("", String::as_str);
            impossible(
                127,
                format!(
                    "the command {program} was not found in PATH ({path}); give its full path, or correct PATH, and submit again"
                ),
            )
        }
        io::ErrorKind::PermissionDenied => impossible(
            126,
            format!("the command {program} may not be executed: make it so with `chmod +x` and submit again"),
        ),
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => NotStarted::Refused {
            message: format!("the machine is short of processes or memory ({error}), so {program} was not started"),
        },
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => impossible(
            126,
            format!("the command {program} is no program: a script needs a first line such as `#!/bin/sh`"),
        ),
        _ => impossible(126, format!("the command {program} could not be started: {error}")),
    }
}

const fn impossible(code: i32, message: String) -> NotStarted {
    NotStarted::Impossible { code, message }
}

#[cfg(test)]
mod tests {
    use lowtide_meters::{DeviceId, Devices};
    use lowtide_model::job::Checkpoint;

    use super::*;
    use crate::testing::order;

    #[test]
    fn the_job_is_told_what_it_needs_and_keeps_what_it_set() {
        let mut order = order(1, &["true"]);
        order.devices = vec![2, 0];
        order.resume = true;
        order.checkpoint = Some(Checkpoint { signal: 10, grace_s: 30 });
        order.environment.insert("PYTHONUNBUFFERED".into(), "0".into());
        let environment = environment(&order, Path::new("/run/report"));
        for (name, value) in [
            ("LOWTIDE_REPORT", "/run/report"),
            ("LOWTIDE_JOB_ID", "1"),
            ("LOWTIDE_RESUME", "1"),
            ("LOWTIDE_CHECKPOINT_SIGNAL", "10"),
            ("CUDA_VISIBLE_DEVICES", "2,0"),
            ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            ("PYTHONUNBUFFERED", "0"),
        ] {
            assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
        }
        let devices = Devices::Listed(vec![DeviceId::Index(2), DeviceId::Index(0)]);
        assert_eq!(meter_config(&order, &environment).devices, devices);
    }

    #[test]
    fn a_job_of_the_queue_gets_its_share_and_a_command_measured_alone_the_machine() {
        let attribution = |cpus: u32, said: Option<&str>| {
            let mut order = order(1, &["true"]);
            order.resources.cpus = cpus;
            order.environment.extend(said.map(|said| (ATTRIBUTION.to_owned(), said.to_owned())));
            order.environment.insert("SLURM_LOCALID".into(), "1".into());
            let config = meter_config(&order, &environment(&order, Path::new("/run/report")));
            assert_eq!(config.counted_elsewhere, cpus == 0);
            config.attribution
        };
        assert_eq!(attribution(0, None), Attribution::Whole);
        assert_eq!(attribution(2, None), Attribution::Shared);
        assert_eq!(attribution(2, Some("whole")), Attribution::Whole);
        assert_eq!(attribution(0, Some("shared")), Attribution::Shared);
    }

    #[test]
    fn a_first_start_is_no_resumption_and_a_job_without_gpus_sees_what_it_saw() {
        let mut order = order(1, &["true"]);
        order.environment.insert("LOWTIDE_RESUME".into(), "1".into());
        let environment = environment(&order, Path::new("/run/report"));
        assert_eq!(environment.get("LOWTIDE_RESUME"), None);
        assert_eq!(environment.get("LOWTIDE_CHECKPOINT_SIGNAL"), None);
        assert_eq!(environment.get("CUDA_VISIBLE_DEVICES"), None);
        assert_eq!(environment.get("PYTHONUNBUFFERED").map(String::as_str), Some("1"));
    }

    #[test]
    fn what_cannot_be_started_says_why_and_has_the_code_of_a_shell() {
        let refusal = |command: &[&str], directory: &str| {
            let mut order = order(1, command);
            order.directory = directory.into();
            let environment = environment(&order, Path::new("/run/report"));
            let streams = Streams { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() };
            match start(&order, &environment, streams, true) {
                Err(NotStarted::Impossible { code, message }) => (code, message),
                other => panic!("{other:?}"),
            }
        };
        for (command, directory, code, part) in [
            (&["no-such-command"][..], "/", 127, "not found in PATH"),
            (&["/no/such/command"], "/", 127, "does not exist"),
            (&["/etc/passwd"], "/", 126, "may not be executed"),
            (&["true"], "/no/such/directory", 126, "/no/such/directory"),
            (&["true"], "/etc/passwd", 126, "/etc/passwd"),
            (&[], "/", 127, "no command"),
        ] {
            let (found, message) = refusal(command, directory);
            assert_eq!(found, code, "{message}");
            assert!(message.contains(part), "{message}");
        }
    }
}
