//! How good predictions are on recorded trainings, which are not part of the repository, beside Carbontracker's number of
//! epochs times their mean. What is asserted is what `docs/prediction.md` claims; every line is printed.
#![expect(clippy::print_stderr, reason = "a skipped test must be seen, and figures read")]

#[path = "prediction/baselines.rs"]
mod baselines;
#[path = "prediction/recorded.rs"]
mod recorded;
#[path = "prediction/score.rs"]
mod score;

use std::path::PathBuf;

use recorded::Group;
use score::{HEAD, Quantity, Score, Seen, Setting};

const BOTH: [Quantity; 2] = [Quantity::Energy, Quantity::Time];
const EARLY: [Seen; 4] = [Seen::Epochs(1), Seen::Epochs(2), Seen::Epochs(5), Seen::Share(0.1)];
const AFTER_SHIFT: [Seen; 3] = [Seen::AfterShift(1), Seen::AfterShift(2), Seen::AfterShift(5)];
const LATER: [Seen; 3] = [Seen::Epochs(5), Seen::Share(0.1), Seen::Share(0.5)];
/// Of fewer runs a share of covered intervals says little.
const MANY: usize = 80;
/// In between, one of ten runs more or less is chance: the standard error of 90 % of 27 runs is 6 %.
const SOME: usize = 20;

/// The folder of the data, or a line that says it is missing.
fn data() -> Option<PathBuf> {
    let folder = recorded::folder();
    if folder.is_none() {
        eprintln!("SKIPPED: the recorded trainings are not here");
    }
    folder
}

/// The lines of a group, printed.
fn scores(group: &Group, setting: Setting, seen: &[Seen], quantity: Quantity) -> Vec<Score> {
    eprintln!("\n{quantity:?}, {}\n{HEAD}", setting.name());
    let scores: Vec<Score> = seen.iter().filter_map(|seen| score::score(group, setting, *seen, quantity)).collect();
    for score in &scores {
        eprintln!("{score}");
    }
    scores
}

fn assert_at_most_half(score: &Score) {
    let (ours, theirs) = (&score.ours, &score.baselines[0]);
    assert!(ours.median() <= theirs.median() / 2.0, "{score}");
    assert!(ours.rmse() <= theirs.rmse() / 2.0, "{score}");
}

fn assert_no_worse(score: &Score) {
    let (ours, theirs) = (&score.ours, &score.baselines[0]);
    assert!(ours.median() <= theirs.median() && ours.rmse() <= theirs.rmse(), "{score}");
}

fn assert_covered(score: &Score) {
    let bounds = if MANY <= score.runs { 0.86..=0.945 } else { 0.82..=0.97 };
    assert!(score.runs < SOME || bounds.contains(&score.coverage()), "{score}");
}

#[test]
fn with_its_family_a_training_with_phases_is_known_from_its_first_epoch() {
    let Some(folder) = data() else { return };
    for group in recorded::transfer_learning(&folder) {
        for quantity in BOTH {
            for seen in [&EARLY[..], &AFTER_SHIFT[..]] {
                for score in scores(&group, Setting::Warm, seen, quantity) {
                    assert_at_most_half(&score);
                    assert_covered(&score);
                    // A tenth of a per cent is nobody's.
                    let other = score.best_other().1.median();
                    assert!(score.runs < SOME || score.ours.median() <= other + 0.001, "{score}");
                    assert!(score.runs < SOME || score.ours.median() <= 0.03, "{score}");
                }
            }
        }
    }
}

#[test]
fn one_script_that_trains_many_things_is_predicted_by_the_runs_that_began_alike() {
    let Some(folder) = data() else { return };
    let group = recorded::mixed(&recorded::transfer_learning(&folder));
    for quantity in BOTH {
        for score in scores(&group, Setting::Warm, &EARLY, quantity) {
            assert_at_most_half(&score);
            // The rarest of the four networks, with three runs, is taken for another.
            assert!(score.ours.median() <= 0.03 && 0.83 <= score.coverage(), "{score}");
        }
    }
}

#[test]
fn with_the_runs_that_ended_before_it_too() {
    let Some(folder) = data() else { return };
    let groups = recorded::transfer_learning(&folder);
    let all = groups.last().expect("the group of all");
    for quantity in BOTH {
        for score in scores(all, Setting::WarmEarlier, &EARLY, quantity) {
            assert_at_most_half(&score);
            assert!(score.ours.median() <= 0.03 && (0.86..=0.97).contains(&score.coverage()), "{score}");
        }
    }
}

#[test]
fn without_history_a_new_level_is_taken_up_when_it_has_come() {
    let Some(folder) = data() else { return };
    let groups = recorded::transfer_learning(&folder);
    let all = groups.last().expect("the group of all");
    for quantity in BOTH {
        for score in scores(all, Setting::Cold, &AFTER_SHIFT, quantity) {
            assert_at_most_half(&score);
            assert!(0.86 <= score.coverage(), "{score}");
        }
    }
}

#[test]
fn stationary_epochs_are_predicted_no_worse_than_by_their_mean() {
    let Some(folder) = data() else { return };
    let group = recorded::stationary(&recorded::transfer_learning(&folder));
    for quantity in BOTH {
        for score in scores(&group, Setting::Cold, &LATER, quantity) {
            assert_no_worse(&score);
        }
        for score in scores(&group, Setting::Warm, &EARLY, quantity) {
            assert_no_worse(&score);
            assert_covered(&score);
            assert!(score.ours.median() <= 0.03, "{score}");
        }
    }
}

#[test]
fn without_history_intervals_allow_for_what_nobody_can_know() {
    let Some(folder) = data() else { return };
    let groups = recorded::transfer_learning(&folder);
    let shifting = groups.last().expect("the group of all");
    let stationary = recorded::stationary(&groups);
    for quantity in BOTH {
        let shifting = scores(shifting, Setting::Cold, &EARLY, quantity);
        let stationary = scores(&stationary, Setting::Cold, &EARLY, quantity);
        for (one, other) in shifting.iter().zip(&stationary) {
            let covered = (one.covered + other.covered) as f64 / (one.runs + other.runs) as f64;
            eprintln!("{}: {:.1} % of both together", one.seen, 100.0 * covered);
            assert!(0.83 <= covered, "{one}\n{other}");
        }
    }
}

#[test]
fn runs_that_stop_early_are_predicted_by_where_their_family_stopped() {
    let Some(folder) = data() else { return };
    let groups = recorded::transfer_learning(&folder);
    let all = groups.last().expect("the group of all");
    for quantity in BOTH {
        for seen in [&EARLY[..], &AFTER_SHIFT[..]] {
            for score in scores(all, Setting::EarlyWarm, seen, quantity) {
                let (ours, planned) = (&score.ours, &score.baselines[0]);
                assert!(ours.median() <= 0.9 * planned.median() && ours.rmse() <= 0.7 * planned.rmse(), "{score}");
                assert_covered(&score);
            }
        }
        for score in scores(&recorded::until_target(&folder), Setting::EarlyWarm, &EARLY, quantity) {
            // Counts of a few epochs: an interval can only hold all of one or none.
            assert!((0.86..=0.96).contains(&score.coverage()) && score.ours.median() < 0.1, "{score}");
        }
    }
}

#[test]
fn who_says_that_it_may_stop_early_gets_an_interval_that_holds() {
    let Some(folder) = data() else { return };
    let groups = recorded::transfer_learning(&folder);
    let all = groups.last().expect("the group of all");
    for quantity in BOTH {
        for score in scores(all, Setting::EarlyCold, &AFTER_SHIFT, quantity) {
            assert!(score.ours.rmse() <= 0.7 * score.baselines[0].rmse() && 0.86 <= score.coverage(), "{score}");
        }
        for score in scores(all, Setting::EarlyWarmEarlier, &EARLY, quantity) {
            assert!(score.ours.rmse() <= 0.7 * score.baselines[0].rmse(), "{score}");
            assert_covered(&score);
        }
    }
}

#[test]
fn networks_of_every_size_are_one_family_in_proportion() {
    let Some(folder) = data() else { return };
    let group = recorded::architecture_search(&folder);
    for quantity in BOTH {
        for setting in [Setting::Warm, Setting::WarmEarlier] {
            for score in scores(&group, setting, &EARLY[..1], quantity) {
                assert_no_worse(&score);
                assert_covered(&score);
            }
        }
    }
}
