//! Processors and memory by RAPL: wraps, resets, losses, and zones that tell things twice.

use std::fs;

use crate::world::World;
use crate::{Case, Outcome};

/// One busy thread of two reserved, on 8 threads of 4 W.
pub(crate) const MODEL_CPU: f64 = 4.4;
/// Four modules of 5 W, a quarter of them.
pub(crate) const MODEL_MEMORY: f64 = 5.0;

pub(crate) const CASES: &[Case] = &[
    ("one package at a constant power", || constant(World::packages(&[80.0]))),
    ("two packages", || constant(World::packages(&[80.0, 65.5]))),
    ("eight packages", || constant(World::packages(&[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]))),
    ("a power of half a watt", || constant(World::packages(&[0.5]))),
    ("a package and its memory", || {
        let mut world = World::packages(&[80.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 12.25);
        constant(world)
    }),
    ("two packages with memory each", || {
        let mut world = World::packages(&[80.0, 90.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 12.0);
        world.zone("intel-rapl:1/intel-rapl:1:0", "dram", 7.0);
        constant(world)
    }),
    ("missing DRAM leaves the package", || constant(World::packages(&[33.0]))),
    ("core and uncore are in the package", || {
        let mut world = World::packages(&[80.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "core", 50.0).told_twice();
        world.zone("intel-rapl:0/intel-rapl:0:1", "uncore", 20.0).told_twice();
        constant(world)
    }),
    ("psys holds the packages", || {
        let mut world = World::packages(&[80.0]);
        world.zone("intel-rapl:1", "psys", 140.0).told_twice();
        constant(world)
    }),
    ("psys alone is all there is", || {
        let mut world = World::new();
        world.zone("intel-rapl:0", "psys", 140.0);
        constant(world)
    }),
    ("the same package by MMIO", || {
        let mut world = World::packages(&[80.0]);
        world.zone("intel-rapl-mmio:0", "package-0", 80.0).told_twice();
        constant(world)
    }),
    ("parts beside their package, too, as links", || {
        let mut world = World::packages(&[80.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 9.0);
        let to = world.machine.path("powercap/intel-rapl:0/intel-rapl:0:0");
        std::os::unix::fs::symlink(to, world.machine.path("powercap/intel-rapl:0:0")).expect("a link");
        constant(world)
    }),
    ("AMD: a package with core, no memory", || {
        let mut world = World::packages(&[155.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "core", 90.0).told_twice();
        constant(world)
    }),
    ("packages of several dies", || {
        let mut world = World::new();
        world.zone("intel-rapl:0", "package-0-die-0", 70.0);
        world.zone("intel-rapl:1", "package-0-die-1", 71.0);
        constant(world)
    }),
    ("zones numbered beyond nine", || {
        let mut world = World::packages(&[20.0]);
        world.zone("intel-rapl:10", "package-10", 30.0);
        world.zone("intel-rapl:10/intel-rapl:10:1", "dram", 5.0);
        constant(world)
    }),
    ("a wrap", || wrapping(262_143_328_850.0, 262_143_328_850.0 - 1e9, 100.0, 60.0, 1.0)),
    ("a wrap of a range of 65 kJ", || wrapping(65_532_610_987.0, 65_532_610_987.0 - 5e8, 250.0, 60.0, 10.0)),
    ("a wrap on the last count", || wrapping(1_000_000_000.0, 1_000_000_000.0, 50.0, 10.0, 1.0)),
    ("a wrap to zero exactly", || wrapping(1_000_000_000.0, 900_000_000.0, 100.0, 4.0, 1.0)),
    ("a wrap at every fourth reading", || wrapping(400_000_000.0, 1.0, 100.0, 400.0, 1.0)),
    ("wraps of two packages at different times", || {
        let mut world = World::packages(&[100.0, 60.0]);
        world.counters[0].at(262_143_000_000.0 - 2e9);
        world.counters[1].at(262_143_000_000.0 - 3e9);
        constant(world)
    }),
    ("four wraps unseen in an hour without readings", || unseen_wraps(300.0, 3600.0)),
    ("wraps unseen in a day without readings", || unseen_wraps(180.0, 86_400.0)),
    ("a reset to zero with a range", || {
        // Far too much for a wrap: what it counts from zero on is certain.
        let mut world = World::packages(&[100.0]);
        world.counters[0].at(5e9);
        world.open();
        world.run(20.0, 1.0);
        world.counters[0].at(0.0);
        world.run(20.0, 1.0);
        world.outcome()
    }),
    ("three resets without a range", || {
        let mut world = World::packages(&[100.0]);
        world.counters[0].range(None);
        fs::remove_file(world.machine.path("powercap/intel-rapl:0/max_energy_range_uj")).expect("it is there");
        world.open();
        for _ in 0..3 {
            world.run(20.0, 1.0);
            world.counters[0].at(0.0);
        }
        world.run(20.0, 1.0);
        world.outcome()
    }),
    ("a counter of 2^62 without a range", || {
        let mut world = World::packages(&[4000.0]);
        // Steps of 512 µJ are all that a number of the test can have there.
        world.counters[0].range(None).at(4_611_686_018_427_387_904.0);
        fs::remove_file(world.machine.path("powercap/intel-rapl:0/max_energy_range_uj")).expect("it is there");
        constant(world)
    }),
    ("a counter that stands still uses nothing", || constant(World::packages(&[0.0]))),
    ("a package unplugged, modelled, plugged in again", || {
        let mut world = World::packages(&[100.0, 100.0]);
        world.open();
        world.run(30.0, 1.0);
        fs::remove_dir_all(world.machine.path("powercap/intel-rapl:1")).expect("it is there");
        world.counters[1].present = false;
        world.run(10.0, 1.0);
        let known = world.truth + MODEL_CPU / 2.0 * 10.0;
        world.machine.zone("intel-rapl:1", "package-1", 5);
        world.counters[1].present = true;
        // Nothing is known of the second in which it came back: the model has it.
        world.counters[1].watts = 0.0;
        world.run(1.0, 1.0);
        world.counters[1].watts = 100.0;
        let back = 100.0 + MODEL_CPU / 2.0;
        world.run(30.0, 1.0);
        world.against(known + back + 30.0 * 200.0)
    }),
    ("all counters gone for good", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        fs::remove_dir_all(world.machine.path("powercap")).expect("it is there");
        world.counters[0].present = false;
        world.run(60.0, 1.0);
        world.against(3000.0 + 60.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("permission lost while it runs", || {
        // What works for root, too: a folder in the counter's place.
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        let counter = world.machine.path("powercap/intel-rapl:0/energy_uj");
        fs::remove_file(&counter).expect("it is there");
        fs::create_dir(&counter).expect("a folder");
        world.counters[0].present = false;
        world.run(20.0, 1.0);
        world.against(3000.0 + 20.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("permission never had", || {
        let mut world = World::packages(&[100.0]);
        let counter = world.machine.path("powercap/intel-rapl:0/energy_uj");
        fs::remove_file(&counter).expect("it is there");
        fs::create_dir(&counter).expect("a folder");
        world.counters[0].present = false;
        world.open();
        world.run(20.0, 1.0);
        world.against(20.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("memory's counter lost, the package's kept", || {
        let mut world = World::packages(&[100.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 10.0);
        world.open();
        world.run(10.0, 1.0);
        fs::remove_file(world.machine.path("powercap/intel-rapl:0/intel-rapl:0:0/energy_uj")).expect("it is there");
        world.counters[1].present = false;
        world.run(10.0, 1.0);
        world.against(1100.0 + 1000.0 + 10.0 * MODEL_MEMORY)
    }),
    ("rubbish in a counter for one reading", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        world.pass(1.0);
        world.machine.write("powercap/intel-rapl:0/energy_uj", "many\n");
        world.read();
        world.run(1.0, 1.0);
        // The second of the rubbish and that of the return are modelled, memory with the processors.
        let modelled = 2.0 * (MODEL_CPU + MODEL_MEMORY);
        world.run(30.0, 1.0);
        world.against(6000.0 + modelled)
    }),
    ("a zone without a name is no package", || {
        let mut world = World::packages(&[100.0]);
        world.zone("intel-rapl:7", "mystery", 55.0).told_twice();
        constant(world)
    }),
    ("a counter replaced by a new file each second", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        for _ in 0..30 {
            fs::remove_file(world.machine.path("powercap/intel-rapl:0/energy_uj")).expect("it is there");
            world.run(1.0, 1.0);
        }
        world.outcome()
    }),
    ("a copy of the counters that a helper keeps", || {
        let mut world = copied();
        world.open();
        for _ in 0..30 {
            renew(&world);
            world.run(1.0, 1.0);
        }
        world.outcome()
    }),
    ("a copy of the counters whose helper dies", || {
        let mut world = copied();
        world.open();
        for _ in 0..30 {
            renew(&world);
            world.run(1.0, 1.0);
        }
        world.counters[0].present = false;
        // Four seconds it seems to stand still; from the fifth on the model has it.
        world.run(30.0, 1.0);
        world.against(3000.0 + 26.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
];

fn constant(mut world: World) -> Outcome {
    world.open();
    world.run(120.0, 1.0);
    world.outcome()
}

fn wrapping(range: f64, start: f64, watts: f64, seconds: f64, step: f64) -> Outcome {
    let mut world = World::new();
    world.zone("intel-rapl:0", "package-0", watts).range(Some(range)).at(start);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a range")]
    let text = format!("{}\n", range as u64);
    world.machine.write("powercap/intel-rapl:0/max_energy_range_uj", &text);
    world.open();
    world.run(seconds, step);
    world.outcome()
}

fn unseen_wraps(watts: f64, gap: f64) -> Outcome {
    let mut world = World::packages(&[watts]);
    world.open();
    world.run(30.0, 10.0);
    world.run(gap, gap);
    world.outcome()
}

/// A world whose own counters are forbidden, and whose copies are not.
fn copied() -> World {
    let mut world = World::new();
    world.zone("intel-rapl:0", "package-0", 100.0);
    let forbidden = world.machine.path("forbidden/intel-rapl:0");
    fs::create_dir_all(forbidden.join("energy_uj")).expect("a folder in the counter's place");
    fs::write(forbidden.join("name"), "package-0\n").expect("a file");
    world.config.powercap_root = world.machine.path("forbidden");
    world.config.powercap_copy = Some(world.machine.path("powercap"));
    world
}

/// As the helper does it: a new file in the place of the old.
fn renew(world: &World) {
    let counter = world.machine.path("powercap/intel-rapl:0/energy_uj");
    let next = world.machine.path("powercap/intel-rapl:0/next");
    fs::copy(&counter, &next).expect("a copy");
    fs::rename(next, counter).expect("in its place");
}
