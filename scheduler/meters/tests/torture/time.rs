//! Clocks that jump, machines that sleep, and readings that come too often or hardly ever.

use crate::Case;
use crate::counters::{MODEL_CPU, MODEL_MEMORY};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("a clock that jumps ten minutes ahead", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        world.now += 600.0;
        world.run(30.0, 1.0);
        world.outcome()
    }),
    ("a clock that goes back ten seconds", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        world.now -= 10.0;
        world.run(30.0, 1.0);
        world.outcome()
    }),
    ("a clock that stands still", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        for _ in 0..20 {
            world.work(1.0);
            world.read();
        }
        world.outcome()
    }),
    ("eight hours of suspend to RAM", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.run(30.0, 1.0);
        suspend(&mut world, 8.0 * 3600.0);
        world.run(30.0, 1.0);
        world.outcome()
    }),
    ("suspend to RAM that resets the counter", || {
        let mut world = World::packages(&[100.0]);
        world.counters[0].at(3e9);
        world.open();
        world.run(30.0, 1.0);
        suspend(&mut world, 3600.0);
        world.counters[0].at(0.0);
        world.run(30.0, 1.0);
        world.outcome()
    }),
    ("suspend to RAM with integrated GPU power", || {
        let mut world = World::packages(&[0.0]);
        world.gpus(&[0.0]);
        world.counters[1].present = false;
        world.machine.gpu("0.energy_mj", "none");
        world.machine.gpu("0.watts", 200);
        world.open();
        world.run(30.0, 1.0);
        suspend(&mut world, 3600.0);
        world.run(30.0, 1.0);
        world.against(200.0 * 60.0)
    }),
    ("suspend to RAM on a machine that is modelled", || {
        let mut world = World::new();
        world.open();
        world.run(30.0, 1.0);
        suspend(&mut world, 3600.0);
        world.run(30.0, 1.0);
        world.against(60.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("three suspensions in a row", || {
        let mut world = World::packages(&[60.0]);
        world.open();
        for _ in 0..3 {
            world.run(10.0, 1.0);
            suspend(&mut world, 7200.0);
        }
        world.outcome()
    }),
    ("epochs of length zero", || {
        let mut world = World::packages(&[100.0]);
        world.gpus(&[50.0]);
        world.open();
        for _ in 0..20 {
            world.run(1.0, 1.0);
            // Two epochs that end at the same moment.
            world.read();
            world.read();
        }
        world.outcome()
    }),
    ("nothing but an epoch of length zero", || {
        let mut world = World::packages(&[100.0]);
        world.open();
        world.outcome()
    }),
    ("epochs of 50 ms", || {
        let mut world = World::packages(&[100.0, 20.0]);
        world.open();
        world.run(10.0, 0.05);
        world.outcome()
    }),
    ("ten readings a second for a minute", || {
        let mut world = World::packages(&[87.3]);
        world.open();
        world.run(60.0, 0.1);
        world.outcome()
    }),
    ("a thousand readings a second", || {
        let mut world = World::packages(&[87.3]);
        world.open();
        world.run(2.0, 0.001);
        world.outcome()
    }),
    ("readings at odd times", || {
        let mut world = World::packages(&[87.3]);
        world.open();
        for step in [0.003, 7.7, 0.4, 13.0, 0.000_1, 2.2, 59.0, 0.05] {
            world.run(step, step);
        }
        world.outcome()
    }),
    ("a burst between two readings", || {
        let mut world = World::packages(&[20.0]);
        world.open();
        for _ in 0..10 {
            world.pass(4.9);
            world.counters[0].watts = 400.0;
            world.pass(0.2);
            world.counters[0].watts = 20.0;
            world.pass(4.9);
            world.read();
        }
        world.outcome()
    }),
    ("a square wave of 2 Hz read each ten seconds", || {
        let mut world = World::packages(&[20.0]);
        world.open();
        for _ in 0..10 {
            for _ in 0..20 {
                world.counters[0].watts = 200.0;
                world.pass(0.25);
                world.counters[0].watts = 40.0;
                world.pass(0.25);
            }
            world.read();
        }
        world.outcome()
    }),
    ("a job that ends within one reading", || {
        let mut world = World::packages(&[140.0]);
        world.open();
        world.pass(0.37);
        world.outcome()
    }),
];

/// The machine sleeps: the clock that goes on goes on, nothing else does.
fn suspend(world: &mut World, seconds: f64) {
    world.now += seconds;
    world.asleep += seconds;
    world.read();
}
