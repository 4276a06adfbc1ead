//! Processor time of process trees in a `/proc` of files. Time is in seconds here, not joules.

use lowtide_meters::{JobGroup, ProcessTree};

use crate::common::Machine;
use crate::{Case, Outcome};

/// The process whose descendants are the job.
const AGENT: i32 = 100;

pub(crate) const CASES: &[Case] = &[
    ("processes: a child", || {
        follow(|table| table.add(101, AGENT, 500, 0), |table| table.add(101, AGENT, 900, 0), 9.0)
    }),
    ("processes: a child, its child and that one's", || {
        let all = |table: &Table, ticks: u64| {
            table.add(101, AGENT, ticks, 0);
            table.add(102, 101, 2 * ticks, 0);
            table.add(103, 102, 3 * ticks, 0);
        };
        follow(|table| all(table, 100), |table| all(table, 250), 15.0)
    }),
    ("processes: others do not count", || {
        let all = |table: &Table| {
            table.add(101, AGENT, 100, 0);
            table.add(200, 1, 99_999, 99_999);
            table.add(201, 200, 99_999, 0);
        };
        follow(all, all, 1.0)
    }),
    ("processes: a child that was waited for", || {
        let before = |table: &Table| {
            table.add(101, AGENT, 100, 0);
            table.add(102, 101, 400, 0);
        };
        let after = |table: &Table| {
            table.remove(102);
            table.add(101, AGENT, 120, 450);
        };
        follow(before, after, 5.7)
    }),
    ("processes: a child that came and went between two looks", || {
        follow(|table| table.add(101, AGENT, 100, 0), |table| table.add(101, AGENT, 110, 300), 4.1)
    }),
    ("processes: a zombie keeps its time until it is waited for", || {
        let zombie = |table: &Table| {
            table.add(101, AGENT, 50, 0);
            table.state(102, 101, 'Z', 700, 0);
        };
        follow(zombie, zombie, 7.5)
    }),
    ("processes: a zombie that is waited for at last", || {
        let before = |table: &Table| {
            table.add(101, AGENT, 50, 0);
            table.state(102, 101, 'Z', 700, 0);
        };
        let after = |table: &Table| {
            table.remove(102);
            table.add(101, AGENT, 50, 700);
        };
        follow(before, after, 7.5)
    }),
    ("processes: a chain of programs that replace each other", || {
        // exec keeps number, start and time; only the name changes.
        let before = |table: &Table| table.named(101, AGENT, "sh", 100);
        let after = |table: &Table| table.named(101, AGENT, "python3 (a) b", 850);
        follow(before, after, 8.5)
    }),
    ("processes: a daemon adopted when its parents had ended", || {
        let before = |table: &Table| {
            table.add(101, AGENT, 10, 0);
            table.add(102, 101, 10, 0);
            table.add(103, 102, 200, 0);
        };
        let after = |table: &Table| {
            table.remove(101);
            table.remove(102);
            table.add(103, AGENT, 600, 0);
            table.agent(20);
        };
        follow(before, after, 6.2)
    }),
    ("processes: a daemon that was adopted and then ended", || {
        let before = |table: &Table| table.add(103, AGENT, 200, 0);
        let after = |table: &Table| {
            table.remove(103);
            table.agent(260);
        };
        follow(before, after, 2.6)
    }),
    ("processes: ended children of a parent that ignores them", || {
        // Their time is handed on to nobody; what was seen of it stays, and what others use comes on top.
        let before = |table: &Table| {
            table.add(101, AGENT, 100, 0);
            table.add(102, 101, 400, 0);
        };
        let after = |table: &Table| {
            table.remove(102);
            table.add(101, AGENT, 300, 0);
        };
        follow(before, after, 7.0)
    }),
    ("processes: one that ended between two looks of one reading", || {
        let table = Table::new();
        let mut tree = table.tree();
        table.add(101, AGENT, 100, 0);
        table.add(102, 101, 400, 0);
        tree.cpu_time(true);
        // The parent was read before the child ended, and the child after.
        table.remove(102);
        tree.cpu_time(true);
        table.add(101, AGENT, 100, 420);
        tree.cpu_time(true);
        table.add(101, AGENT, 200, 420);
        Outcome::new(6.2, tree.cpu_time(true).get())
    }),
    ("processes: a number that is given anew", || {
        let before = |table: &Table| table.add(101, AGENT, 500, 0);
        let after = |table: &Table| {
            table.agent(500);
            table.started(101, AGENT, 7777, 50);
        };
        follow(before, after, 5.5)
    }),
    ("processes: two hundred workers", || {
        let all = |table: &Table, ticks: u64| (0..200).for_each(|number| table.add(1000 + number, AGENT, ticks, 0));
        follow(|table| all(table, 5), |table| all(table, 25), 50.0)
    }),
    ("processes: known ones between searches", || {
        let table = Table::new();
        let mut tree = table.tree();
        table.add(101, AGENT, 100, 0);
        tree.cpu_time(true);
        for look in 1..=10 {
            table.add(101, AGENT, 100 + 50 * look, 0);
            tree.cpu_time(false);
        }
        Outcome::new(6.0, tree.cpu_time(false).get())
    }),
    ("processes: one found by a later search only", || {
        let table = Table::new();
        let mut tree = table.tree();
        table.add(101, AGENT, 100, 0);
        tree.cpu_time(true);
        table.add(102, 101, 300, 0);
        tree.cpu_time(false);
        Outcome::new(4.0, tree.cpu_time(true).get())
    }),
    ("processes: what the agent was handed before does not count twice", || {
        let table = Table::new();
        table.agent(40);
        let mut tree = table.tree();
        tree.cpu_time(true);
        tree.cpu_time(true);
        Outcome::new(0.4, tree.cpu_time(true).get())
    }),
    ("processes: a /proc that goes away", || {
        let table = Table::new();
        table.add(101, AGENT, 500, 0);
        let mut tree = table.tree();
        tree.cpu_time(true);
        std::fs::remove_dir_all(table.0.path("proc")).expect("it is there");
        tree.cpu_time(true);
        Outcome::new(5.0, tree.cpu_time(true).get())
    }),
    ("control group: a job of Slurm with its ranks and daemons", || {
        let machine = Machine::new();
        let group = "cgroup/system.slice/slurmstepd.scope/job_77";
        machine.write("proc/self/cgroup", "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_2\n");
        machine.write(&format!("{group}/cpu.stat"), "usage_usec 2000000\nuser_usec 1\n");
        let root = machine.path("cgroup").display().to_string();
        let get = |name: &str| match name {
            "SLURM_JOB_ID" => Some("77".to_owned()),
            "LOWTIDE_CGROUP_ROOT" => Some(root.clone()),
            _ => None,
        };
        let found = JobGroup::find(&machine.path("proc"), get, false).expect("it has one");
        let before = found.cpu_time().expect("readable").get();
        machine.write(&format!("{group}/cpu.stat"), "usage_usec 9250000\nuser_usec 1\n");
        Outcome::new(7.25, found.cpu_time().expect("readable").get() - before)
    }),
];

/// A table of processes.
struct Table(Machine);

impl Table {
    fn new() -> Self {
        let table = Self(Machine::new());
        table.agent(0);
        table
    }

    fn tree(&self) -> ProcessTree {
        ProcessTree::of_descendants(&self.0.path("proc"), AGENT)
    }

    fn write(&self, pid: i32, name: &str, state: char, parent: i32, times: [u64; 2], start: u64) {
        let [own, handed_on] = times;
        let line = format!(
            "{pid} ({name}) {state} {parent} 1 1 0 -1 4194304 100 0 0 0 {own} 0 {handed_on} 0 20 0 1 0 {start} 1000 10\n"
        );
        self.0.write(&format!("proc/{pid}/stat"), &line);
    }

    /// The agent, whose own time does not count.
    fn agent(&self, handed_on: u64) {
        self.write(AGENT, "lowtide", 'S', 1, [12_345, handed_on], 1);
    }

    fn add(&self, pid: i32, parent: i32, own: u64, handed_on: u64) {
        self.write(pid, "python", 'R', parent, [own, handed_on], 5000);
    }

    fn state(&self, pid: i32, parent: i32, state: char, own: u64, handed_on: u64) {
        self.write(pid, "python", state, parent, [own, handed_on], 5000);
    }

    fn named(&self, pid: i32, parent: i32, name: &str, own: u64) {
        self.write(pid, name, 'R', parent, [own, 0], 5000);
    }

    fn started(&self, pid: i32, parent: i32, start: u64, own: u64) {
        self.write(pid, "python", 'R', parent, [own, 0], start);
    }

    fn remove(&self, pid: i32) {
        std::fs::remove_dir_all(self.0.path(&format!("proc/{pid}"))).expect("it is there");
    }
}

fn follow(before: impl Fn(&Table), after: impl Fn(&Table), seconds: f64) -> Outcome {
    let table = Table::new();
    let mut tree = table.tree();
    before(&table);
    tree.cpu_time(true);
    after(&table);
    tree.cpu_time(true);
    // A further look, at which nothing has changed, changes nothing.
    Outcome::new(seconds, tree.cpu_time(true).get())
}
