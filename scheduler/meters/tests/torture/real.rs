//! Real processes. Time is in seconds here: what the process tree shows against what the processes say of themselves.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lowtide_meters::ProcessTree;

use crate::{Case, Outcome};

/// Some tenths of a second of a shell's work.
const WORK: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done;";

/// In the environment of this program started as the process that adopts.
const ADOPTING: &str = "LOWTIDE_TEST_ADOPTING";

pub(crate) const CASES: &[Case] = &[
    ("real: a process that works", || told_by(&format!("{WORK} times; read line"))),
    ("real: a child that was waited for", || told_by(&format!("sh -c '{WORK} :'; times; read line"))),
    ("real: a chain of programs that replace each other", || {
        told_by(&format!("export NEXT='{WORK} times; read line'; {WORK} exec env sh -c 'exec sh -c \"$NEXT\"'"))
    }),
    // Its parent has become a `cat`, which waits for no child.
    ("real: a zombie", || told_by(&format!("sh -c '{WORK} times' & exec cat"))),
    ("real: a daemon forked twice, adopted by the agent", adopted),
];

/// What a script that prints its `times` says, and what the tree shows of the shell that runs it.
fn told_by(script: &str) -> Outcome {
    // The root is a shell in between, whose own time does not count: other tests have children, too.
    let mut command = Command::new("sh");
    command.args(["-c", "sh -c \"$SCRIPT\"; :"]).env("SCRIPT", script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut root = command.spawn().expect("a shell");
    let truth = times(root.stdout.take().expect("piped"));
    let measured = tree_of(&root);
    drop(root.stdin.take());
    root.wait().expect("it ends");
    granted(truth, measured)
}

/// Two ticks: one of `/proc`, one of `times`.
fn granted(truth: f64, measured: f64) -> Outcome {
    Outcome { granted: 0.02, ..Outcome::new(truth, measured) }
}

fn tree_of(root: &Child) -> f64 {
    let root = i32::try_from(root.id()).expect("a pid");
    ProcessTree::of_descendants(Path::new("/proc"), root).cpu_time(true).get()
}

/// Both lines that `times` prints: `0m0.120s 0m0.010s`, of the shell itself and of its children.
fn times(from: impl Read) -> f64 {
    let mut lines = BufReader::new(from).lines().map(|line| line.expect("readable"));
    (0..2).map(|_| lines.next().expect("a line").split_whitespace().map(seconds).sum::<f64>()).sum()
}

fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').expect("minutes");
    minutes.parse::<f64>().expect("a number") * 60.0 + seconds.parse::<f64>().expect("a number")
}

/// This program, started again, adopts a daemon as the agent does, and says what it came to.
fn adopted() -> Outcome {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "real::adopting_process", "--nocapture"])
        .env(ADOPTING, "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("ADOPTED ")).unwrap_or_else(|| panic!("{output:?}"));
    let mut numbers = line.split_whitespace().map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    granted(next(), next())
}

#[test]
fn adopting_process() {
    if std::env::var_os(ADOPTING).is_none() {
        return;
    }
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).expect("Linux");
    // A shell starts a shell that starts the daemon, and both end at once.
    let mut command = Command::new("sh");
    command.args(["-c", "(sh -c \"$SCRIPT\" <&3 &) 3<&0"]).env("SCRIPT", format!("{WORK} times; read line"));
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut tree = ProcessTree::of_descendants(Path::new("/proc"), own.as_raw_nonzero().get());
    let held = first.stdin.take();
    let told = first.stdout.take().expect("piped");
    first.wait().expect("it ends");
    tree.cpu_time(true);
    let truth = times(told);
    // What the shells between used was theirs and is in it: some milliseconds.
    println!("\nADOPTED {truth} {}", tree.cpu_time(true).get());
    drop(held);
}
