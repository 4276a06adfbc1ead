//! GPUs by NVML: which of them, their counters, their power where there is none, and slices.

use lowtide_meters::{Devices, MeterConfig};

use crate::world::World;
use crate::{Case, Outcome};

const FOUR: [f64; 4] = [100.0, 150.0, 200.0, 250.0];
const UUID_2: &str = "GPU-00000002-fake-fake-fake-000000000000";

pub(crate) const CASES: &[Case] = &[
    ("one GPU", || all(&[100.0])),
    ("four GPUs", || all(&FOUR)),
    ("sixteen GPUs", || all(&[90.0; 16])),
    ("the third of four GPUs", || visible(&[("CUDA_VISIBLE_DEVICES", "2")], 200.0)),
    ("two of four GPUs, in another order", || visible(&[("CUDA_VISIBLE_DEVICES", "3,0")], 350.0)),
    ("a GPU named twice", || visible(&[("CUDA_VISIBLE_DEVICES", "1,1")], 150.0)),
    ("a GPU by its UUID", || visible(&[("CUDA_VISIBLE_DEVICES", UUID_2)], 200.0)),
    ("a GPU by the beginning of its UUID", || visible(&[("CUDA_VISIBLE_DEVICES", "GPU-00000003")], 250.0)),
    ("a GPU by its number and its UUID", || {
        visible(&[("CUDA_VISIBLE_DEVICES", "2,GPU-00000002-fake-fake-fake-000000000000")], 200.0)
    }),
    ("no GPU: -1", || visible(&[("CUDA_VISIBLE_DEVICES", "-1")], 0.0)),
    ("no GPU: an empty list", || visible(&[("CUDA_VISIBLE_DEVICES", "")], 0.0)),
    ("a list that ends at -1", || visible(&[("CUDA_VISIBLE_DEVICES", "0,-1,1")], 100.0)),
    ("Slurm's GPUs by their numbers on the node", || visible(&[("SLURM_JOB_GPUS", "1-2")], 350.0)),
    ("Slurm's GPUs where a cgroup hides the others", || visible(&[("SLURM_JOB_GPUS", "4,5,6,7")], 700.0)),
    ("a container's GPUs by UUID", || visible(&[("NVIDIA_VISIBLE_DEVICES", UUID_2)], 200.0)),
    ("a container's GPUs by their numbers on the host", || visible(&[("NVIDIA_VISIBLE_DEVICES", "6,7,8,9")], 700.0)),
    ("half of a GPU's memory (MIG)", || slices("20480 20480", "MIG-0000-fake", 0.5)),
    ("the small one of unequal slices", || slices("20480 10240 5120", "MIG-0002-fake", 0.125)),
    ("two slices of one GPU", || slices("20480 10240 10240", "MIG-0000-fake,MIG-0002-fake", 0.75)),
    ("a slice named twice", || slices("20480 20480", "MIG-0000-fake,MIG-0000-fake", 0.5)),
    ("all slices of a GPU", || slices("20480 10240 10240", "MIG-0000,MIG-0001,MIG-0002", 1.0)),
    ("slices whose sizes are not told", || slices("0 0 0 0", "MIG-0001-fake", 0.25)),
    ("a slice by its older name", || slices("0 0", "MIG-GPU-00000000-fake-fake-fake-000000000000/1/0", 0.5)),
    ("a slice of a GPU whose power is integrated", || {
        let mut world = world(&[0.0]);
        by_power(&mut world, 0, 200.0);
        world.machine.gpu("0.slices", "20480 20480");
        world.config.devices = Devices::from_cuda("MIG-0000");
        world.open();
        world.run(60.0, 1.0);
        world.against(6000.0)
    }),
    ("power integrated, constant", || {
        let mut world = world(&[0.0]);
        by_power(&mut world, 0, 275.5);
        world.open();
        world.run(60.0, 1.0);
        world.against(275.5 * 60.0)
    }),
    ("power integrated, a ramp", || {
        integrated(60, 1.0, |second| 100.0 + 3.0 * second, |end| 100.0 * end + 1.5 * end * end)
    }),
    ("power integrated ten times a second, a ramp", || {
        integrated(300, 0.1, |second| 50.0 + 5.0 * second, |end| 50.0 * end + 2.5 * end * end)
    }),
    ("power integrated, a sine of 30 s", || {
        let wave = |second: f64| 250.0 + 100.0 * (second * std::f64::consts::TAU / 30.0).sin();
        integrated(120, 1.0, wave, |end| 250.0 * end)
    }),
    ("a counter and an integrated power together", || {
        let mut world = world(&[120.0, 0.0]);
        by_power(&mut world, 1, 80.0);
        world.open();
        world.run(60.0, 1.0);
        world.against(200.0 * 60.0)
    }),
    ("a driver that is loaded anew", || {
        let mut world = world(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        world.counters[0].at(0.0);
        world.run(30.0, 1.0);
        world.outcome()
    }),
    ("a GPU that falls off the bus", || {
        let mut world = world(&[100.0, 100.0]);
        world.machine.gpu("1.limit_watts", 300);
        world.open();
        world.run(30.0, 1.0);
        world.machine.gpu("1.error", 15);
        world.run(20.0, 1.0);
        // Half its limit from then on.
        world.against(6000.0 + 20.0 * (100.0 + 150.0))
    }),
    ("a GPU that falls off the bus and comes back", || {
        let mut world = world(&[100.0]);
        world.machine.gpu("0.limit_watts", 300);
        world.open();
        world.run(30.0, 1.0);
        world.machine.gpu("0.error", 15);
        world.run(10.0, 1.0);
        std::fs::remove_file(world.machine.path("nvml/0.error")).expect("it is there");
        // Of the second of its return nothing is known.
        world.run(31.0, 1.0);
        world.against(3000.0 + 11.0 * 150.0 + 3000.0)
    }),
    ("a GPU that may not be asked from the start", || {
        let mut world = world(&[100.0]);
        world.machine.gpu("0.error", 4);
        world.open();
        world.run(30.0, 1.0);
        // The fake does not tell its limit either: half of 250 W.
        world.against(125.0 * 30.0)
    }),
    ("a counter that gets stuck while power flows", || {
        let mut world = world(&[100.0]);
        world.machine.gpu("0.watts", 100);
        world.open();
        world.run(100.0, 10.0);
        world.counters[0].watts = 0.0;
        world.run(100.0, 10.0);
        world.against(20_000.0)
    }),
    ("a counter that moves each second, read ten times a second", || {
        let mut world = world(&[0.0]);
        world.machine.gpu("0.watts", 100);
        world.open();
        for second in 1..=30_u32 {
            world.run(0.9, 0.1);
            world.counters[0].at(5e6 + 1e5 * f64::from(second));
            world.run(0.1, 0.1);
        }
        world.against(3000.0)
    }),
    ("GPUs with packages and memory", || {
        let mut world = World::packages(&[80.0, 80.0]);
        world.zone("intel-rapl:0/intel-rapl:0:0", "dram", 10.0);
        world.gpus(&FOUR);
        world.open();
        world.run(60.0, 1.0);
        world.outcome()
    }),
];

/// GPUs beside a package that draws nothing, so that nothing is modelled.
fn world(watts: &[f64]) -> World {
    let mut world = World::new();
    world.machine.zone("intel-rapl:0", "package-0", 0);
    world.gpus(watts);
    world
}

/// Takes a GPU's counter away and lets it tell its power.
fn by_power(world: &mut World, gpu: usize, watts: f64) {
    world.counters[gpu].present = false;
    world.machine.gpu(&format!("{gpu}.energy_mj"), "none");
    world.machine.gpu(&format!("{gpu}.watts"), watts);
}

fn all(watts: &[f64]) -> Outcome {
    let mut world = world(watts);
    world.open();
    world.run(120.0, 10.0);
    world.outcome()
}

/// Four GPUs, of which this environment leaves some visible.
fn visible(variables: &[(&str, &str)], watts: f64) -> Outcome {
    let mut world = world(&FOUR);
    let environment = MeterConfig::from_environment(|name| {
        variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
    });
    world.config.devices = environment.devices;
    world.open();
    world.run(60.0, 10.0);
    world.against(watts * 60.0)
}

/// One GPU of 200 W and 40,960 MB, in slices of these sizes, some of which are the job's.
fn slices(sizes_mb: &str, visible: &str, share: f64) -> Outcome {
    let mut world = world(&[200.0]);
    world.machine.gpu("0.slices", sizes_mb);
    world.config.devices = Devices::from_cuda(visible);
    world.open();
    world.run(60.0, 10.0);
    world.against(200.0 * share * 60.0)
}

fn integrated(steps: u32, step: f64, power: impl Fn(f64) -> f64, energy: impl Fn(f64) -> f64) -> Outcome {
    let mut world = world(&[0.0]);
    by_power(&mut world, 0, power(0.0));
    world.open();
    for number in 1..=steps {
        let now = f64::from(number) * step;
        world.machine.gpu("0.watts", power(now));
        world.run(step, step);
    }
    world.against(energy(f64::from(steps) * step))
}
