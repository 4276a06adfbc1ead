//! Hosts that are shared: a job's part of what the counters count, and parts that add up.

use lowtide_meters::{Attribution, MeterConfig};

use crate::world::World;
use crate::{Case, Outcome};

/// By the model the 8 threads of 4 W draw a tenth of it idle.
const IDLE: f64 = 3.2;

pub(crate) const CASES: &[Case] = &[
    ("shared: a host of its own but for one busy neighbour", || {
        let mut world = shared(100.0, 2, 1.0, 1.0);
        world.open();
        world.run(60.0, 10.0);
        world.against(60.0 * (IDLE * 0.25 + (100.0 - IDLE) * 0.5))
    }),
    ("shared: a job that only waits", || {
        let mut world = shared(100.0, 2, 0.0, 3.0);
        world.open();
        world.run(60.0, 10.0);
        world.against(60.0 * IDLE * 0.25)
    }),
    ("shared: nobody else runs", || {
        let mut world = shared(100.0, 2, 2.0, 0.0);
        world.open();
        world.run(60.0, 10.0);
        world.against(60.0 * (IDLE * 0.25 + (100.0 - IDLE)))
    }),
    ("shared: a job that reserved the whole host has all of it", || {
        let mut world = shared(100.0, 8, 2.0, 3.0);
        world.open();
        world.run(60.0, 10.0);
        world.outcome()
    }),
    ("whole: the neighbour's energy is in it", || {
        let mut world = shared(100.0, 2, 1.0, 3.0);
        world.config.attribution = Attribution::Whole;
        world.open();
        world.run(60.0, 10.0);
        world.outcome()
    }),
    ("shared: ten readings a second", || {
        let mut world = shared(100.0, 2, 1.0, 1.0);
        world.open();
        world.run(60.0, 0.1);
        world.against(60.0 * (IDLE * 0.25 + (100.0 - IDLE) * 0.5))
    }),
    ("shared: readings of 30 ms, below what is told of processor time", || {
        let mut world = shared(100.0, 2, 1.0, 3.0);
        world.open();
        world.run(60.0, 0.03);
        world.against(60.0 * (IDLE * 0.25 + (100.0 - IDLE) * 0.25))
    }),
    ("shared: an idle host shows what idle is", || {
        let mut world = shared(20.0, 2, 0.0, 0.0);
        world.open();
        world.run(60.0, 10.0);
        (world.job_busy, world.others_busy) = (2.0, 2.0);
        world.counters[0].watts = 120.0;
        world.run(60.0, 10.0);
        world.against(60.0 * 20.0 * 0.25 + 60.0 * (20.0 * 0.25 + 100.0 * 0.5))
    }),
    ("shared: two phases of different neighbours", || {
        let mut world = shared(100.0, 4, 2.0, 0.0);
        world.open();
        world.run(30.0, 10.0);
        world.others_busy = 6.0;
        world.run(30.0, 10.0);
        world.against(30.0 * (IDLE * 0.5 + 96.8) + 30.0 * (IDLE * 0.5 + 96.8 * 0.25))
    }),
    ("shared: memory by the same rule", || {
        let mut world = shared(0.0, 2, 1.0, 1.0);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 50.0);
        world.open();
        world.run(60.0, 10.0);
        // Four modules draw 20 W idle.
        world.against(60.0 * (20.0 * 0.25 + 30.0 * 0.5))
    }),
    ("shared: a power sensor by the same rule", || {
        let mut world = shared(0.0, 2, 1.0, 3.0);
        std::fs::remove_dir_all(world.machine.path("powercap/intel-rapl:0")).expect("it is there");
        world.counters.clear();
        world.machine.write("hwmon/hwmon0/name", "power_meter\n");
        world.machine.write("hwmon/hwmon0/power1_label", "CPU Power Socket 0\n");
        world.machine.write("hwmon/hwmon0/power1_average", "90000000\n");
        world.open();
        world.run(60.0, 1.0);
        world.against(60.0 * (IDLE * 0.25 + (90.0 - IDLE) * 0.25))
    }),
    ("shared: a host that does not tell its processor time", || {
        let mut world = shared(100.0, 2, 1.0, 1.0);
        world.write();
        std::fs::remove_file(world.machine.path("proc/stat")).expect("it is there");
        std::fs::create_dir(world.machine.path("proc/stat.d")).expect("a folder");
        world.config.proc_root = hidden(&world);
        world.open();
        world.run(60.0, 10.0);
        world.against(60.0 * 100.0 * 0.25)
    }),
    ("shared: processor time said to be more than the host's", || {
        let mut world = shared(100.0, 2, 4.0, -2.0);
        world.open();
        world.run(60.0, 10.0);
        world.against(60.0 * (IDLE * 0.25 + 96.8))
    }),
    ("shared: three jobs are what the host used", || {
        let jobs = [(2, 1.0), (2, 2.0), (4, 4.0)];
        let parts = jobs.map(|(cpus, busy)| {
            let mut world = shared(140.0, cpus, busy, 7.0 - busy);
            world.open();
            world.run(60.0, 10.0);
            world.outcome().measured
        });
        Outcome::new(140.0 * 60.0, parts.iter().sum())
    }),
    ("shared: a whole GPU stays whole", || {
        let mut world = shared(0.0, 2, 1.0, 7.0);
        world.gpus(&[300.0]);
        world.open();
        world.run(60.0, 10.0);
        world.against(300.0 * 60.0)
    }),
    ("four ranks of one job on one machine count it once", || {
        let parts = ["0", "1", "2", "3"].map(|rank| {
            let mut world = World::packages(&[100.0, 80.0]);
            world.gpus(&[250.0, 250.0]);
            let ranked = MeterConfig::from_environment(|name| (name == "SLURM_LOCALID").then(|| rank.to_owned()));
            world.config.counted_elsewhere = ranked.counted_elsewhere;
            world.open();
            world.run(60.0, 10.0);
            world.outcome().measured
        });
        Outcome::new(680.0 * 60.0, parts.iter().sum())
    }),
];

/// A package of that power, shared by a job with so many processors reserved and busy.
fn shared(watts: f64, cpus: u32, job_busy: f64, others_busy: f64) -> World {
    let mut world = World::packages(&[watts]);
    world.config.attribution = Attribution::Shared;
    world.config.cpus = cpus;
    (world.job_busy, world.others_busy) = (job_busy, others_busy);
    world
}

/// A `/proc` with the machine's processors and memory, without `stat`.
fn hidden(world: &World) -> std::path::PathBuf {
    for name in ["cpuinfo", "meminfo"] {
        let text = std::fs::read_to_string(world.machine.path(&format!("proc/{name}"))).expect("it is there");
        world.machine.write(&format!("hidden/{name}"), &text);
    }
    world.machine.path("hidden")
}
