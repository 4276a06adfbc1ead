//! `measure` as a process of its own, since it takes over interrupts: this test program, started with a command in its
//! environment, measures it in the test `measuring_process`.

use std::process::{Command, Stdio};

use lowtide_agent::{Happening, MeasureError, Verdict, measure};
use lowtide_model::event::AttemptReport;
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId};
use lowtide_model::job::StartOrder;
use lowtide_model::quantity::Watts;
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;

const COMMAND: &str = "LOWTIDE_TEST_COMMAND";
const WISH: &str = "LOWTIDE_TEST_WISH";

fn order(command: &[&str]) -> StartOrder {
    StartOrder {
        key: AttemptKey { job: JobId(1), attempt: AttemptNumber(1) },
        command: command.iter().map(ToString::to_string).collect(),
        directory: std::env::temp_dir(),
        environment: [
            ("PATH".to_owned(), std::env::var("PATH").expect("a PATH")),
            ("CUDA_VISIBLE_DEVICES".to_owned(), String::new()),
        ]
        .into(),
        resources: Resources { cpus: 1, gpus: 0 },
        devices: Vec::new(),
        power_cap: None,
        resume: false,
        checkpoint: None,
        epoch_pattern: None,
        epochs: None,
        declared_power: Some(Watts::saturating(100.0)),
        time: TimeScale::real(),
    }
}

#[test]
#[expect(clippy::exit, reason = "this process stands in for a command line tool: its code is the command's")]
fn measuring_process() {
    let Ok(script) = std::env::var(COMMAND) else { return };
    let mut reports = Vec::new();
    // What a test wants done at the first epoch: `end`, or nothing.
    let wish = std::env::var(WISH).unwrap_or_default();
    let exit = measure(&order(&["sh", "-c", &script]), |happening| {
        let Happening::Report(report) = happening else { return Verdict::GoOn };
        reports.push(serde_json::to_string(report).expect("plain data"));
        match report {
            AttemptReport::Epoch(_) if wish == "end" => Verdict::End,
            _ => Verdict::GoOn,
        }
    });
    for report in reports {
        std::io::Write::write_all(&mut std::io::stderr(), format!("{report}\n").as_bytes()).expect("written");
    }
    std::process::exit(exit.expect("measured").shell_code());
}

fn measuring(script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "measuring_process", "--nocapture"]).env(COMMAND, script);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn output_passes_through_and_epochs_and_code_come_back() {
    let script = "for i in 1 2; do sleep 0.1; echo Epoch $i/2 loss=1; done; echo oops >&2; exit 3";
    let output = measuring(script).output().expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("Epoch 1/2 loss=1\nEpoch 2/2 loss=1\n"), "{stdout}");
    assert!(stderr.contains("oops\n"), "{stderr}");
    let kinds: Vec<&str> =
        stderr.lines().filter_map(|line| line.strip_prefix("{\"report\":\"")?.split('"').next()).collect();
    assert_eq!(kinds, ["started", "epoch", "epoch", "exited"], "{stderr}");
}

#[test]
fn an_interrupt_is_handed_on_and_the_account_still_comes() {
    let mut child = measuring("trap 'exit 9' INT; echo up; while true; do sleep 0.05; done").spawn().expect("it runs");
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("up") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stdout, &mut line).expect("readable") > 0, "it ended too soon");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("sent");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"exited\""));
}

#[test]
fn a_command_that_cannot_start_is_an_error_with_the_code_of_a_shell() {
    let error = measure(&order(&["no-such-trainer"]), |report| panic!("nothing ran: {report:?}"));
    match error {
        Err(MeasureError::NotStarted { code, message }) => {
            assert_eq!(code, 127);
            assert!(message.contains("no-such-trainer"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_is_to_end_is_asked_to_and_tells_how() {
    let script = "trap 'echo bye; exit 7' TERM; echo Epoch 1/9 loss=1; while :; do sleep 0.05; done";
    let output = measuring(script).env(WISH, "end").output().expect("it runs");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("bye"), "{output:?}");
}
