//! Processor time of a job: of all processes that descend from this one, the ended ones among them.
//!
//! An ended process hands its time on to the parent that waits for it, so the sum over all living descendants, each
//! with what it was handed, plus what this process was handed, is the job's. Descendants are found by going through
//! all processes of the machine. On a large machine that takes milliseconds, so it is done only as often as a small
//! budget of the agent's own processor time allows; between, the processes known are read. A process not yet found is
//! missing until then, not for ever: its time arrives with the next search, or through its parent.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use lowtide_model::quantity::Seconds;

use crate::clock;

/// What searches may take of the agent's processor time, per second: 0.18 s an hour.
const SEARCH_SHARE: f64 = 0.000_05;
/// What they may take in advance: short jobs are searched at every reading.
const SEARCH_CREDIT: Duration = Duration::from_millis(100);
/// Longer than any `stat` of the kernel: 52 numbers and a name of at most 64 bytes.
const LONGEST_STAT: usize = 2048;

/// Adds up the processor time of all descendants of one process.
#[derive(Debug)]
pub(crate) struct CpuTime {
    root: i32,
    known: Vec<i32>,
    credit: Duration,
    search_cost: Duration,
    last: Duration,
    highest: Seconds,
}

impl CpuTime {
    /// Of the descendants of this process.
    pub(crate) fn of_descendants() -> Self {
        Self {
            root: rustix::process::getpid().as_raw_nonzero().get(),
            known: Vec::new(),
            credit: SEARCH_CREDIT,
            search_cost: Duration::ZERO,
            last: Duration::ZERO,
            highest: Seconds::ZERO,
        }
    }

    /// The time used up to now, which is `at` since any fixed moment. It never goes back, and is nothing where
    /// `/proc` cannot be read.
    pub(crate) fn read(&mut self, at: Duration) -> Seconds {
        let earned = at.saturating_sub(self.last).mul_f64(SEARCH_SHARE);
        self.credit = (self.credit + earned).min(SEARCH_CREDIT.max(self.search_cost));
        self.last = at;
        if self.credit >= self.search_cost {
            let before = clock::own_cpu_time();
            self.known = descendants(self.root);
            self.search_cost = clock::own_cpu_time().saturating_sub(before);
            self.credit = self.credit.saturating_sub(self.search_cost);
        }
        let handed_on = Stat::of(self.root).map_or(0, |stat| stat.handed_on_ticks);
        let living = |pid: &i32| Stat::of(*pid).map_or(0, |stat| stat.own_ticks + stat.handed_on_ticks);
        let ticks = handed_on + self.known.iter().map(living).sum::<u64>();
        let time = Seconds::saturating(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
        // Between the reading of a process and that of its parent it may have ended.
        self.highest = self.highest.max(time);
        self.highest
    }
}

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `Z` for a process that has ended and was not waited for.
    pub(crate) state: u8,
    /// When it began, in clock ticks since the machine did.
    pub(crate) start_ticks: u64,
    parent: i32,
    own_ticks: u64,
    handed_on_ticks: u64,
}

impl Stat {
    /// Of that process, if there is one.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let mut buffer = [0; LONGEST_STAT];
        let mut file = fs::File::open(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
        let length = file.read(&mut buffer).ok()?;
        Self::parse(&buffer[..length])
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The name is in brackets and may hold anything, brackets and blanks as well.
        let after_name = stat.iter().rposition(|byte| *byte == b')')?;
        let mut fields = std::str::from_utf8(&stat[after_name + 1..]).ok()?.split_ascii_whitespace();
        // proc_pid_stat(5): field 3 comes first here.
        let state = fields.next()?.bytes().next()?;
        let parent = fields.next()?.parse().ok()?;
        let mut times = fields.by_ref().skip(9).take(4).map(str::parse::<u64>);
        let mut next = || times.next()?.ok();
        let own_ticks = next()? + next()?;
        let handed_on_ticks = next()? + next()?;
        let start_ticks = fields.nth(4)?.parse().ok()?;
        Some(Self { state, start_ticks, parent, own_ticks, handed_on_ticks })
    }
}

/// All living processes that descend from one.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in pids {
        if let Some(stat) = Stat::of(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    // The picture was not taken at one moment: a number given anew may seem to close a circle.
    let mut seen = HashSet::from([root]);
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            if seen.insert(child) {
                found.push(child);
                next.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_confuse() {
        let line =
            b"42 (a) b (c)) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5000 1000 10 18446744073709551615";
        let stat = Stat { state: b'S', start_ticks: 5000, parent: 7, own_ticks: 33, handed_on_ticks: 77 };
        assert_eq!(Stat::parse(line), Some(stat));
        for cut in 0..line.len() - 40 {
            assert_eq!(Stat::parse(&line[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_process_finds_itself_and_what_it_started() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert!(Stat::of(own).expect("it lives").start_ticks > 0);
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert!(descendants(own).contains(&pid));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
}
