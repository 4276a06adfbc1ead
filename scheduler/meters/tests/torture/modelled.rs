//! The model, where nothing is counted: its known answers follow from its formula in the documentation.

use lowtide_model::quantity::Watts;

use crate::Case;
use crate::counters::{MODEL_CPU, MODEL_MEMORY};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("modelled: one thread of two busy", || {
        let mut world = World::new();
        world.open();
        world.run(100.0, 10.0);
        world.against(100.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("modelled: idle", || {
        let mut world = World::new();
        world.job_busy = 0.0;
        world.open();
        world.run(100.0, 10.0);
        // A tenth of two threads of 4 W.
        world.against(100.0 * (0.8 + MODEL_MEMORY))
    }),
    ("modelled: the whole machine busy", || {
        let mut world = World::new();
        (world.job_busy, world.config.cpus) = (8.0, 8);
        world.open();
        world.run(100.0, 10.0);
        world.against(100.0 * (32.0 + 20.0))
    }),
    ("modelled: NVIDIA Grace by its core", || {
        let mut world = World::new();
        let thread = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n\n";
        world.machine.write("proc/cpuinfo", &thread.repeat(72));
        world.machine.write("proc/meminfo", "MemTotal: 468750000 kB\n");
        (world.job_busy, world.config.cpus) = (72.0, 72);
        world.open();
        world.run(100.0, 10.0);
        // 480 GB: eight modules for 64 GB each and a little, 1.5 W a module on ARM: 15 of 32 GB.
        let memory = 1.5 * (4.0 + 0.9 * 4.0 + 0.8 * 7.0);
        world.against(100.0 * (250.0 + memory))
    }),
    ("declared: the user's word for a machine without counters", || {
        let mut world = World::new();
        world.config.declared_power = Some(Watts::saturating(350.0));
        world.open();
        world.run(100.0, 10.0);
        world.against(35_000.0)
    }),
];
