//! Processor time of a tree of processes, the ended ones among them, from `/proc`.
//!
//! An ended process hands its time on to the parent that waits for it. So what a tree used between two looks is what
//! its living processes used themselves, and what was handed on to them, less what of that was counted while those who
//! handed it on still lived. Time that is handed on to nobody (its parent ignores ended children) is not forgotten
//! once it has been seen.
//!
//! Daemons that a job leaves behind are in the tree of the process that adopts them (`PR_SET_CHILD_SUBREAPER`). Zombies
//! keep their time until they are waited for. A program that replaces another (`exec`) goes on with its time.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use lowtide_model::quantity::Seconds;

use crate::host::TICKS_PER_SECOND;

/// Longer than any `stat` of the kernel: 52 numbers and a name of at most 64 bytes.
const LONGEST_STAT: usize = 2048;

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// `Z` for a process that has ended and was not waited for.
    pub state: u8,
    /// When it began, in clock ticks since the machine did.
    pub start_ticks: u64,
    parent: i32,
    own_ticks: u64,
    handed_on_ticks: u64,
}

impl ProcessStat {
    /// Of that process, if there is one.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::under(Path::new("/proc"), pid)
    }

    fn under(proc_root: &Path, pid: i32) -> Option<Self> {
        let mut buffer = [0; LONGEST_STAT];
        let mut file = fs::File::open(proc_root.join(format!("{pid}/stat"))).ok()?;
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
        let own_ticks = next()?.checked_add(next()?)?;
        let handed_on_ticks = next()?.checked_add(next()?)?;
        let start_ticks = fields.nth(4)?.parse().ok()?;
        Some(Self { state, start_ticks, parent, own_ticks, handed_on_ticks })
    }
}

/// All descendants of one process, followed.
#[derive(Debug)]
pub struct ProcessTree {
    proc_root: PathBuf,
    root: i32,
    /// The processes known, each as it was last seen.
    known: HashMap<i32, ProcessStat>,
    /// Handed on to the root when last seen.
    handed_to_root: Option<u64>,
    /// Counted of processes that have gone since, and not yet seen to be handed on: they may have ended between the look
    /// at their parent and that at themselves.
    owed: u64,
    ticks: u64,
}

impl ProcessTree {
    /// Of the descendants of that process, by the `/proc` at `proc_root`. The process itself does not count.
    #[must_use]
    pub fn of_descendants(proc_root: &Path, root: i32) -> Self {
        let proc_root = proc_root.to_owned();
        Self { proc_root, root, known: HashMap::new(), handed_to_root: None, owed: 0, ticks: 0 }
    }

    /// The time they have used from their beginnings up to now, in steps of 10 ms. It never goes back, and is nothing
    /// where `/proc` cannot be read. With `search` all processes of the machine are gone through for new descendants;
    /// without, the known ones are looked at. What a process used before it was found is counted when it is.
    pub fn cpu_time(&mut self, search: bool) -> Seconds {
        let look = |pid: &i32| Some((*pid, ProcessStat::under(&self.proc_root, *pid)?));
        let mut now: HashMap<i32, ProcessStat> = HashMap::new();
        if search {
            now = descendants(&self.proc_root, self.root);
            // A list of children may leave one out while another ends.
            for (pid, before) in &self.known {
                if !now.contains_key(pid)
                    && let Some((pid, stat)) = look(pid).filter(|(_, stat)| stat.start_ticks == before.start_ticks)
                {
                    now.insert(pid, stat);
                }
            }
        } else {
            now.extend(self.known.keys().filter_map(look));
        }
        let handed_to_root = ProcessStat::under(&self.proc_root, self.root).map(|stat| stat.handed_on_ticks);
        let (mut used, mut handed_on, mut gone) = (0_u64, 0_u64, 0_u64);
        for (pid, stat) in &now {
            match self.known.get(pid).filter(|before| before.start_ticks == stat.start_ticks) {
                Some(before) => {
                    used += stat.own_ticks.saturating_sub(before.own_ticks);
                    handed_on += stat.handed_on_ticks.saturating_sub(before.handed_on_ticks);
                }
                None => used += stat.own_ticks + stat.handed_on_ticks,
            }
        }
        for (pid, before) in &self.known {
            if now.get(pid).is_none_or(|stat| stat.start_ticks != before.start_ticks) {
                gone += before.own_ticks + before.handed_on_ticks;
            }
        }
        if let Some(handed_to_root) = handed_to_root {
            handed_on += handed_to_root.saturating_sub(self.handed_to_root.unwrap_or(0));
            self.handed_to_root = Some(handed_to_root);
        }
        // What is owed from the look before and was not handed on by now never will be.
        self.ticks += used + handed_on.saturating_sub(gone + self.owed);
        self.owed = gone.saturating_sub(handed_on.saturating_sub(self.owed));
        self.known = now;
        Seconds::saturating(self.ticks as f64 / TICKS_PER_SECOND)
    }
}

/// The numbers of all living processes that descend from one.
#[must_use]
pub fn descendants_of(pid: i32) -> Vec<i32> {
    descendants(Path::new("/proc"), pid).into_keys().collect()
}

/// All descendants of a process.
fn descendants(proc_root: &Path, root: i32) -> HashMap<i32, ProcessStat> {
    by_children(proc_root, root).unwrap_or_else(|| by_parents(proc_root, root))
}

/// From each process to its children, as the kernel lists them: a few files, however many processes the machine has. Nothing on
/// a kernel that does not list them (`CONFIG_PROC_CHILDREN`).
fn by_children(proc_root: &Path, root: i32) -> Option<HashMap<i32, ProcessStat>> {
    fs::metadata(proc_root.join(format!("{root}/task/{root}/children"))).ok()?;
    let mut found = HashMap::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        // Each thread has the children that it started itself.
        let Ok(threads) = fs::read_dir(proc_root.join(format!("{parent}/task"))) else { continue };
        for thread in threads.filter_map(Result::ok) {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok()) {
                if child != root
                    && !found.contains_key(&child)
                    && let Some(stat) = ProcessStat::under(proc_root, child)
                {
                    found.insert(child, stat);
                    next.push(child);
                }
            }
        }
    }
    Some(found)
}

/// By the parent of every process of the machine.
fn by_parents(proc_root: &Path, root: i32) -> HashMap<i32, ProcessStat> {
    let Ok(entries) = fs::read_dir(proc_root) else { return HashMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut children: HashMap<i32, Vec<(i32, ProcessStat)>> = HashMap::new();
    for pid in pids {
        if let Some(stat) = ProcessStat::under(proc_root, pid) {
            children.entry(stat.parent).or_default().push((pid, stat));
        }
    }
    // The picture was not taken at one moment: a number given anew may seem to close a circle.
    let mut seen = HashSet::from([root]);
    let mut found = HashMap::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for (child, stat) in children.remove(&parent).unwrap_or_default() {
            if seen.insert(child) {
                found.insert(child, stat);
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
        let stat = ProcessStat { state: b'S', start_ticks: 5000, parent: 7, own_ticks: 33, handed_on_ticks: 77 };
        assert_eq!(ProcessStat::parse(line), Some(stat));
        for cut in 0..line.len() - 40 {
            assert_eq!(ProcessStat::parse(&line[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_process_finds_itself_and_what_it_started() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(ProcessStat::of(own).expect("it lives").start_ticks > 0);
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert!(by_parents(Path::new("/proc"), own).contains_key(&pid));
        assert!(by_children(Path::new("/proc"), own).is_none_or(|found| found.contains_key(&pid)));
        assert!(descendants_of(own).contains(&pid));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
}
