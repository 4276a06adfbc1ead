//! How fast jobs are planned: `cargo run --release -p lowtide-planner --example planning-speed`.
#![expect(clippy::print_stdout, reason = "it is run to be read")]

mod world;

use std::time::Instant;

use lowtide_model::quantity::Seconds;
use lowtide_planner::plan::{choose_stretches, plan};

use world::{World, tasks};

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let tasks = tasks(count);
    let mut world = World::new(&tasks);
    println!("capacity {:?}", world.sites[0].capacity);
    let begun = Instant::now();
    let mut grams = 0.0;
    let mut late = Seconds::ZERO;
    for task in &tasks {
        let views = world.views();
        let choice = choose_stretches(&world.input(task, &views)).expect("room");
        grams += choice.footprint.get();
        for segment in &choice.segments {
            late = late.max(Seconds::between(world.now, segment.window.end()));
            let at = world.sites.iter().position(|site| site.id == segment.site).expect("one of them");
            world.taken[at].add(segment.window, task.job.spec.resources);
        }
    }
    println!(
        "{count} jobs chosen in {:.3} s ({grams:.6e} g, latest end {:.1} h)",
        begun.elapsed().as_secs_f64(),
        late.hours()
    );
    let views = world.views();
    let begun = Instant::now();
    for task in tasks.iter().take(100) {
        std::hint::black_box(plan(&world.input(task, &views)));
    }
    println!("plan(): {:.3} ms each", begun.elapsed().as_secs_f64() * 1e3 / 100.0);
}
