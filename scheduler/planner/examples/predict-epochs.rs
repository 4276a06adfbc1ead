//! Predicts recorded trainings as they went and prints the errors beside those of other predictors, and what it costs.
//!
//! `cargo run --release -p lowtide-planner --example predict-epochs`
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../tests/prediction/baselines.rs"]
mod baselines;
#[path = "../tests/prediction/recorded.rs"]
mod recorded;
#[path = "../tests/prediction/score.rs"]
mod score;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use lowtide_model::course::Course;
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_planner::predict::{Observed, PastRun, predict};
use score::{HEAD, Quantity, Seen, Setting, score};

fn main() {
    costs();
    let Some(folder) = recorded::folder() else {
        println!("SKIPPED: the recorded trainings are not here");
        return;
    };
    let begin = Instant::now();
    let mut groups = recorded::transfer_learning(&folder);
    let (stationary, mixed) = (recorded::stationary(&groups), recorded::mixed(&groups));
    groups.extend([stationary, mixed]);
    groups.push(recorded::architecture_search(&folder));
    groups.push(recorded::until_target(&folder));
    for group in &groups {
        let families: BTreeSet<&str> = group.runs.iter().map(|run| run.family.as_str()).collect();
        println!("{}: {} runs in {} families", group.name, group.runs.len(), families.len());
    }
    let seen = [
        Seen::Epochs(1),
        Seen::Epochs(2),
        Seen::Epochs(5),
        Seen::Share(0.1),
        Seen::AfterShift(1),
        Seen::AfterShift(2),
        Seen::AfterShift(5),
        Seen::Share(0.5),
    ];
    let settings = [
        Setting::Cold,
        Setting::Warm,
        Setting::WarmEarlier,
        Setting::EarlyCold,
        Setting::EarlyWarm,
        Setting::EarlyWarmEarlier,
    ];
    for quantity in [Quantity::Energy, Quantity::Time] {
        for setting in settings {
            println!("\n{quantity:?}, {}\n{HEAD}", setting.name());
            for group in &groups {
                let early = matches!(setting, Setting::EarlyCold | Setting::EarlyWarm | Setting::EarlyWarmEarlier);
                let stops = group.runs.iter().any(|run| run.planned.is_some()) || group.name == "until a target";
                let unknown = setting == Setting::EarlyCold && group.name == "until a target";
                if early && !stops || !early && group.name == "until a target" || unknown {
                    continue;
                }
                let short = group.runs.iter().all(|run| run.epochs.len() <= 2);
                for seen in seen.into_iter().filter(|seen| !short || *seen == Seen::Epochs(1)) {
                    if let Some(score) = score(group, setting, seen, quantity) {
                        println!("{score}");
                    }
                }
            }
        }
    }
    println!("\nall of this took {:.1} s", begin.elapsed().as_secs_f64());
}

/// What one prediction costs.
fn costs() {
    for (count, runs) in [(1, 0), (114, 0), (10_000, 0), (1, 40), (114, 40), (10_000, 40)] {
        let wave = |epoch: usize, run: usize| 1.0 + 0.03 * (epoch as f64 * 2.4 + run as f64).sin();
        let epochs: Vec<(f64, f64)> = (0..count).map(|epoch| (wave(epoch, 0) * 60.0, wave(epoch, 7) * 9e3)).collect();
        let measured = score::reported(&epochs);
        let past = |run: usize| {
            let epoch = |epoch: usize| (wave(epoch, run) * 60.0, wave(epoch, run + 3) * 9e3);
            let epochs: Vec<(Seconds, Joules)> = (0..count.max(100) * 2)
                .map(epoch)
                .map(|(time, energy)| (Seconds::saturating(time), Joules::saturating(energy)))
                .collect();
            PastRun {
                duration: epochs.iter().map(|epoch| epoch.0).sum(),
                energy: epochs.iter().map(|epoch| epoch.1).sum(),
                epochs: u32::try_from(epochs.len()).ok(),
                course: Course::of(None, &epochs),
            }
        };
        let history: Vec<PastRun> = (0..runs).map(past).collect();
        let spec = score::spec();
        let observed = Observed {
            spec: &spec,
            epochs: &measured,
            epochs_total: u32::try_from(count * 2).ok(),
            epochs_done: u32::try_from(count).expect("few"),
            ran: Seconds::ZERO,
            energy_so_far: Joules::ZERO,
            history: &history,
            may_stop_early: false,
            progress: None,
        };
        let times: Vec<f64> = (0..200)
            .map(|_| {
                let begin = Instant::now();
                black_box(predict(black_box(&observed)));
                begin.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        println!("{count:6} epochs, {runs:2} runs of the family: {:7.1} us", baselines::median(times));
    }
}
