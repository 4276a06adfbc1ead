//! What a plain program does with the same jobs: every start of a whole slot at every site by prefix sums, the cheapest with room. No
//! rules, no reasons, no lengths between slots.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::world::{SLOTS, Task, World};

const SLOT_S: f64 = 900.0;
/// Two weeks of slots: a job may begin a week after its release.
const AHEAD: usize = 2 * SLOTS as usize;
/// Of a processor.
const KILOWATTS: f64 = 0.02;

/// One job in whole slots.
struct Size {
    length: usize,
    cpus: u32,
    first: usize,
    end: usize,
}

/// Lengths are rounded up: what is not of whole slots takes more here than in truth.
fn sizes(world: &World, tasks: &[Task]) -> Vec<Size> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two weeks of slots at most")]
    let slots = |seconds: f64| (seconds / SLOT_S).max(0.0) as usize;
    let since = |at: jiff::Timestamp| at.duration_since(world.now).as_secs_f64();
    let size = |task: &Task| {
        let length = slots(task.prediction.remaining.median.get() + SLOT_S - 1e-3);
        let first = slots(since(task.released) + SLOT_S - 1e-3);
        let end = task.job.spec.deadline.map_or(AHEAD, |deadline| slots(since(deadline)));
        Size { length, cpus: task.job.spec.resources.cpus, first, end: end.min(first + SLOTS as usize + length) }
    };
    tasks.iter().map(size).collect()
}

/// Grams of a processor in each slot, PUE included.
fn levels(world: &World) -> Vec<Vec<f64>> {
    let of_site = |(site, curve): (&lowtide_model::site::Site, &lowtide_planner::curve::IntensityCurve)| {
        let level = |slot: usize| {
            let start = Seconds::saturating(slot as f64 * SLOT_S).after(world.now);
            let window = Window::new(start, Seconds::saturating(SLOT_S).after(start)).expect("in order");
            curve.mean(window).get() * site.pue.get() * KILOWATTS * SLOT_S / 3600.0
        };
        (0..AHEAD).map(level).collect()
    };
    world.sites.iter().zip(&world.curves).map(of_site).collect()
}

/// Seconds and grams of the rescan in Rust.
pub(crate) fn rescan(world: &World, tasks: &[Task]) -> (f64, f64) {
    let capacity = world.sites[0].capacity.cpus;
    let levels = levels(world);
    let begun = Instant::now();
    let sums: Vec<Vec<f64>> = levels
        .iter()
        .map(|levels| {
            let mut sum = 0.0;
            std::iter::once(0.0)
                .chain(levels.iter().map(|level| {
                    sum += level;
                    sum
                }))
                .collect()
        })
        .collect();
    let mut free = vec![vec![capacity; AHEAD]; levels.len()];
    let mut grams = 0.0;
    for Size { length, cpus, first, end: last } in sizes(world, tasks) {
        let mut best: Option<(f64, usize, usize)> = None;
        for (site, (sums, free)) in sums.iter().zip(&free).enumerate() {
            let mut room = 0;
            for end in first + 1..=last {
                room = if cpus <= free[end - 1] { room + 1 } else { 0 };
                if length <= room {
                    let cost = sums[end] - sums[end - length];
                    if best.is_none_or(|(least, ..)| cost < least) {
                        best = Some((cost, site, end - length));
                    }
                }
            }
        }
        let Some((cost, site, start)) = best else { continue };
        free[site][start..start + length].iter_mut().for_each(|free| *free -= cpus);
        grams += cost * f64::from(cpus);
    }
    (begun.elapsed().as_secs_f64(), grams)
}

const NUMPY: &str = r"
import sys, time, numpy
head, *rows = sys.stdin.read().splitlines()
capacity, count = map(int, head.split())
levels = numpy.array([[float(x) for x in row.split()] for row in rows[:count]])
jobs = [tuple(map(int, row.split())) for row in rows[count:]]
begun = time.perf_counter()
sums = numpy.concatenate([numpy.zeros((count, 1)), levels.cumsum(axis=1)], axis=1)
free = numpy.full(levels.shape, capacity)
for length, cpus, first, end in jobs:
    full = numpy.concatenate([numpy.zeros((count, 1), int), (free[:, first:end] < cpus).cumsum(axis=1)], axis=1)
    cost = sums[:, first + length:end + 1] - sums[:, first:end + 1 - length]
    cost = numpy.where(full[:, length:] > full[:, :-length], numpy.inf, cost)
    site, start = numpy.unravel_index(cost.argmin(), cost.shape)
    free[site, first + start:first + start + length] -= cpus
print(time.perf_counter() - begun)
";
/// More jobs than this take numpy too long.
const MOST_NUMPY: usize = 100_000;

fn python() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether the Python at hand has it.
pub(crate) fn has_numpy() -> bool {
    let run = Command::new(python()).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// Seconds of the same in numpy; nothing where that is not installed, or there are too many jobs.
#[expect(clippy::format_push_string, reason = "it is written once")]
pub(crate) fn numpy(world: &World, tasks: &[Task]) -> Option<f64> {
    if MOST_NUMPY < tasks.len() {
        return None;
    }
    let levels = levels(world);
    let mut text = format!("{} {}\n", world.sites[0].capacity.cpus, levels.len());
    for levels in &levels {
        text += &(levels.iter().map(f64::to_string).collect::<Vec<_>>().join(" ") + "\n");
    }
    for Size { length, cpus, first, end } in sizes(world, tasks) {
        text += &format!("{length} {cpus} {first} {end}\n");
    }
    let mut run = Command::new(python())
        .args(["-c", NUMPY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    run.stdin.take()?.write_all(text.as_bytes()).ok()?;
    String::from_utf8(run.wait_with_output().ok()?.stdout).ok()?.trim().parse().ok()
}
