//! Processor time by control group, where a job has one to itself: nothing that it starts gets out of it.
//!
//! That is so in a job of Slurm, whose group on a node is named `job_N` and holds all of its steps and ranks there, and
//! in a container whose first process is the one that asks. Anywhere else the group may hold other jobs, and the tree
//! of processes is the better witness.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lowtide_model::quantity::Seconds;

/// Where Linux shows control groups.
pub const DEFAULT_CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Longer than the first line of a `cpu.stat`, and than a number.
const LONGEST: usize = 64;

/// A control group that holds one job.
#[derive(Debug)]
pub struct JobGroup {
    path: PathBuf,
    file: File,
}

impl JobGroup {
    /// The group of the job that this process is in, if that has one to itself. `get` looks up a variable, `first` tells
    /// whether this process is the first of its container. `LOWTIDE_CGROUP` names a group outright, `LOWTIDE_CGROUP_ROOT`
    /// another root.
    #[must_use]
    pub fn find(proc_root: &Path, get: impl Fn(&str) -> Option<String>, first: bool) -> Option<Self> {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let root = set("LOWTIDE_CGROUP_ROOT").map_or_else(|| PathBuf::from(DEFAULT_CGROUP_ROOT), PathBuf::from);
        if let Some(named) = set("LOWTIDE_CGROUP") {
            return Self::open(&root.join(named.trim_start_matches(DEFAULT_CGROUP_ROOT).trim_start_matches('/')));
        }
        let job = set("SLURM_JOB_ID").map(|id| format!("job_{}", id.trim()));
        let groups = fs::read_to_string(proc_root.join("self/cgroup")).ok()?;
        groups.lines().find_map(|line| {
            // cgroups(7): number, controllers (none in version 2), path.
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let accounts = controllers.is_empty() || controllers.split(',').any(|name| name == "cpuacct");
            if !accounts {
                return None;
            }
            let path = path.trim_start_matches('/');
            let own = match &job {
                Some(job) => up_to(path, job)?,
                None if first => path,
                None => return None,
            };
            let mounts = if controllers.is_empty() { ["", ""] } else { [controllers, "cpuacct"] };
            mounts.iter().find_map(|mount| Self::open(&root.join(mount).join(own)))
        })
    }

    fn open(path: &Path) -> Option<Self> {
        let names = ["cpu.stat", "cpuacct.usage"];
        names.iter().find_map(|name| {
            let file = File::open(path.join(name)).ok()?;
            let group = Self { path: path.to_owned(), file };
            group.cpu_time().map(|_| group)
        })
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The processor time of all that ever ran in it; absent once it is gone.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Seconds> {
        let mut text = [0; LONGEST];
        let length = self.file.read_at(&mut text, 0).ok()?;
        seconds(std::str::from_utf8(&text[..length]).ok()?)
    }
}

/// The path up to its component of that name.
fn up_to<'path>(path: &'path str, name: &str) -> Option<&'path str> {
    let mut length = 0;
    for component in path.split('/') {
        length += component.len();
        if component == name {
            return Some(&path[..length]);
        }
        length += 1;
    }
    None
}

/// `usage_usec N` of version 2, which comes first, or the nanoseconds of version 1.
fn seconds(text: &str) -> Option<Seconds> {
    let line = text.lines().next()?.trim();
    let seconds = match line.strip_prefix("usage_usec ") {
        Some(microseconds) => microseconds.parse::<u64>().ok()? as f64 / 1e6,
        None => line.parse::<u64>().ok()? as f64 / 1e9,
    };
    Some(Seconds::saturating(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(groups: &str, files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().expect("a folder"));
            let all = files.iter().copied().chain([("proc/self/cgroup", groups)]);
            for (name, text) in all {
                let path = tree.0.path().join(name);
                fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
                fs::write(path, text).expect("a file");
            }
            tree
        }

        fn find(&self, variables: &[(&str, &str)], first: bool) -> Option<f64> {
            let root = self.0.path().join("cgroup").display().to_string();
            let get = |name: &str| {
                let given = variables.iter().find(|(variable, _)| *variable == name);
                given
                    .map(|(_, value)| (*value).to_owned())
                    .or_else(|| (name == "LOWTIDE_CGROUP_ROOT").then(|| root.clone()))
            };
            Some(JobGroup::find(&self.0.path().join("proc"), get, first)?.cpu_time()?.get())
        }
    }

    const USAGE: &str = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n";

    #[test]
    fn a_slurm_job_is_all_of_its_steps_on_the_node() {
        let tree = Tree::new(
            "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_3\n",
            &[("cgroup/system.slice/slurmstepd.scope/job_77/cpu.stat", USAGE)],
        );
        assert_eq!(tree.find(&[("SLURM_JOB_ID", "77")], false), Some(2.5));
        assert_eq!(tree.find(&[("SLURM_JOB_ID", "7")], false), None, "another job's");
        assert_eq!(tree.find(&[], false), None, "a group of who knows whom");
    }

    #[test]
    fn older_groups_count_nanoseconds() {
        let tree = Tree::new(
            "5:memory:/slurm/job_77\n4:cpu,cpuacct:/slurm/uid_1/job_77/step_0\n",
            &[("cgroup/cpu,cpuacct/slurm/uid_1/job_77/cpuacct.usage", "1500000000\n")],
        );
        assert_eq!(tree.find(&[("SLURM_JOB_ID", "77")], false), Some(1.5));
    }

    #[test]
    fn a_container_is_the_job_of_its_first_process_alone() {
        let tree = Tree::new("0::/\n", &[("cgroup/cpu.stat", USAGE)]);
        assert_eq!(tree.find(&[], true), Some(2.5));
        assert_eq!(tree.find(&[], false), None);
    }

    #[test]
    fn a_group_can_be_named_and_rubbish_is_none() {
        let tree = Tree::new("", &[("cgroup/a/b/cpu.stat", USAGE), ("cgroup/c/cpu.stat", "usage_usec many\n")]);
        assert_eq!(tree.find(&[("LOWTIDE_CGROUP", "/sys/fs/cgroup/a/b")], false), Some(2.5));
        assert_eq!(tree.find(&[("LOWTIDE_CGROUP", "a/b")], false), Some(2.5));
        assert_eq!(tree.find(&[("LOWTIDE_CGROUP", "c")], false), None);
        assert_eq!(tree.find(&[("LOWTIDE_CGROUP", "nowhere")], false), None);
    }
}
