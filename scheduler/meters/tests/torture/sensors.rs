//! ACPI power meters, as NVIDIA Grace has them.

use crate::counters::{MODEL_CPU, MODEL_MEMORY};
use crate::world::World;
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("Grace: one socket", || steady(&[("Grace Power Socket 0", 180.0)], 180.0)),
    ("Grace: two sockets", || steady(&[("Grace Power Socket 0", 180.0), ("Grace Power Socket 1", 95.5)], 275.5)),
    ("Grace: a socket, its module and its parts", || {
        let all = [
            ("Module Power Socket 0", 300.0),
            ("Grace Power Socket 0", 180.0),
            ("CPU Power Socket 0", 120.0),
            ("SysIO Power Socket 0", 30.0),
        ];
        steady(&all, 180.0)
    }),
    ("Grace: parts of a socket alone", || {
        steady(&[("CPU Power Socket 0", 120.0), ("SysIO Power Socket 0", 30.0)], 150.0)
    }),
    ("Grace: a module alone", || steady(&[("Module Power Socket 0", 300.0)], 300.0)),
    ("Grace: a module that holds the GPU NVML counts", || {
        let mut world = World::new();
        sensor(&world, 0, "Module Power Socket 0", 700.0);
        world.gpus(&[500.0]);
        world.open();
        world.run(60.0, 1.0);
        world.against(700.0 * 60.0)
    }),
    ("Grace: a ramp", || {
        let mut world = World::new();
        sensor(&world, 0, "Grace Power Socket 0", 100.0);
        world.open();
        for second in 1..=60_u32 {
            power(&world, 0, 100.0 + f64::from(second));
            world.run(1.0, 1.0);
        }
        world.against(6000.0 + 1800.0)
    }),
    ("Grace: a sensor that goes and comes back", || {
        let mut world = World::new();
        sensor(&world, 0, "Grace Power Socket 0", 100.0);
        world.open();
        world.run(30.0, 1.0);
        // An open file of sysfs whose device has gone answers with an error, as this one does that is empty.
        world.machine.write("hwmon/hwmon0/device/power1_average", "");
        world.run(10.0, 1.0);
        power(&world, 0, 100.0);
        // Of the second of its return nothing is known.
        world.run(31.0, 1.0);
        world.against(6000.0 + 11.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("Grace: a sensor that tells rubbish", || {
        let mut world = World::new();
        sensor(&world, 0, "Grace Power Socket 0", 100.0);
        world.open();
        world.run(30.0, 1.0);
        world.machine.write("hwmon/hwmon0/device/power1_average", "?\n");
        world.run(30.0, 1.0);
        world.against(3000.0 + 30.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
    ("RAPL has a package: sensors are not asked", || {
        let mut world = World::packages(&[80.0]);
        sensor(&world, 0, "Grace Power Socket 0", 500.0);
        world.open();
        world.run(60.0, 1.0);
        world.outcome()
    }),
    ("sensors of a fan and a chassis", || {
        let mut world = World::new();
        sensor(&world, 0, "Chassis", 900.0);
        sensor(&world, 1, "Fan 3", 20.0);
        world.open();
        world.run(60.0, 1.0);
        world.against(60.0 * (MODEL_CPU + MODEL_MEMORY))
    }),
];

fn sensor(world: &World, number: u32, label: &str, watts: f64) {
    world.machine.write(&format!("hwmon/hwmon{number}/name"), "power_meter\n");
    world.machine.write(&format!("hwmon/hwmon{number}/device/power1_oem_info"), &format!("{label}\n"));
    power(world, number, watts);
}

fn power(world: &World, number: u32, watts: f64) {
    let text = format!("{:.0}\n", watts * 1e6);
    world.machine.write(&format!("hwmon/hwmon{number}/device/power1_average"), &text);
}

fn steady(sensors: &[(&str, f64)], watts: f64) -> Outcome {
    let mut world = World::new();
    for (number, (label, watts)) in sensors.iter().enumerate() {
        sensor(&world, u32::try_from(number).expect("a few"), label, *watts);
    }
    world.open();
    world.run(60.0, 1.0);
    world.against(watts * 60.0)
}
