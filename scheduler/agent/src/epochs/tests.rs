//! Epochs out of lines and their times.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::marks::{Meaning, Recogniser};

fn stamp(seconds: f64) -> Stamp {
    Stamp { at: Duration::from_secs_f64(seconds), energy: Joules::saturating(seconds * 10.0) }
}

fn watch(epochs: &mut Epochs, line: &str, at: Stamp) {
    static COMMON: LazyLock<Recogniser> = LazyLock::new(|| Recogniser::new(None).0);
    let recogniser = &*COMMON;
    if let Some(finding) = recogniser.look(line.as_bytes()) {
        epochs.heed(finding, Origin::Output, at);
    }
}

/// Runs a job that starts at 0 s and prints these lines at these seconds: its epochs as (index, start, end).
fn epochs_of(lines: &[(f64, &str)], exit: f64) -> Vec<(u32, f64, f64)> {
    run(Epochs::new(stamp(0.0), false, None), lines, exit, true)
}

fn run(mut epochs: Epochs, lines: &[(f64, &str)], exit: f64, well: bool) -> Vec<(u32, f64, f64)> {
    let mut ended = Vec::new();
    for batch in lines.chunk_by(|one, next| one.0.total_cmp(&next.0).is_eq()) {
        let at = stamp(batch[0].0);
        for (_, line) in batch {
            watch(&mut epochs, line, at);
        }
        ended.extend(epochs.settle(at));
    }
    ended.extend(epochs.finish(well, stamp(exit)));
    for epoch in &ended {
        let share = epoch.end.energy.minus(epoch.start.energy).get();
        let time = epoch.end.at.saturating_sub(epoch.start.at).as_secs_f64();
        assert!((share - time * 10.0).abs() < 1e-6, "energy follows time: {epoch:?}");
    }
    let seconds = |stamp: Stamp| (stamp.at.as_secs_f64() * 1e6).round() / 1e6;
    ended.iter().map(|epoch| (epoch.index, seconds(epoch.start), seconds(epoch.end))).collect()
}

#[test]
fn headers_at_the_beginning_get_an_epoch_each_and_no_setup() {
    let lines = [(1.0, "Epoch 1/3"), (11.0, "Epoch 2/3"), (21.0, "Epoch 3/3")];
    assert_eq!(epochs_of(&lines, 31.0), [(1, 1.0, 11.0), (2, 11.0, 21.0), (3, 21.0, 31.0)]);
}

#[test]
fn headers_at_the_end_get_an_epoch_each() {
    let lines = [(10.0, "Epoch 1/3"), (20.0, "Epoch 2/3"), (30.0, "Epoch 3/3")];
    assert_eq!(epochs_of(&lines, 30.5), [(1, 0.0, 10.0), (2, 10.0, 20.0), (3, 20.0, 30.0)]);
}

#[test]
fn a_single_header_is_judged_by_the_end_of_the_process() {
    assert_eq!(epochs_of(&[(1.0, "Epoch 1/1")], 11.0), [(1, 1.0, 11.0)]);
    assert_eq!(epochs_of(&[(10.0, "Epoch 1/1")], 10.5), [(1, 0.0, 10.0)]);
}

#[test]
fn bars_of_keras_show_that_its_headers_begin_epochs_however_long_the_imports() {
    let lines = [
        (30.0, "Epoch 1/2"),
        (30.1, " 1/22 [>....] - ETA: 5s"),
        (35.0, "22/22 [====] - 5s - loss: 0.3"),
        (35.0, "Epoch 2/2"),
        (40.0, "22/22 [====] - 5s - loss: 0.2"),
    ];
    assert_eq!(epochs_of(&lines, 40.0), [(1, 30.0, 35.0), (2, 35.0, 40.0)]);
}

#[test]
fn results_end_epochs_at_once_and_validation_lines_do_not_end_them_twice() {
    let lines = [
        (5.0, "Epoch 1: train loss=0.9"),
        (6.0, "Epoch 1: val loss=1.0"),
        (11.0, "Epoch 2: train loss=0.8"),
        (12.0, "Epoch 2: val loss=0.9"),
    ];
    assert_eq!(epochs_of(&lines, 13.0), [(1, 0.0, 5.0), (2, 5.0, 11.0)]);
}

#[test]
fn headers_followed_by_results_begin_epochs() {
    let lines =
        [(20.0, "Epoch 1/2"), (30.0, "Epoch 1/2 loss: 0.9"), (30.0, "Epoch 2/2"), (40.0, "Epoch 2/2 loss: 0.8")];
    assert_eq!(epochs_of(&lines, 45.0), [(1, 20.0, 30.0), (2, 30.0, 40.0)]);
}

#[test]
fn progress_within_epochs_and_numbers_from_zero() {
    let lines = [
        (2.0, "Epoch 0:   0%|          | 0/22"),
        (7.0, "Epoch 0:  50%|#####     | 11/22"),
        (12.0, "Epoch 0: 100%|##########| 22/22"),
        (13.0, "Epoch 1:   0%|          | 0/22"),
        (22.0, "Epoch 1: 100%|##########| 22/22"),
    ];
    assert_eq!(epochs_of(&lines, 23.0), [(1, 2.0, 13.0), (2, 13.0, 23.0)]);
}

#[test]
fn logs_of_the_trainer_end_epochs_when_they_pass_them() {
    let lines = [
        (4.0, "{'loss': 2.0, 'epoch': 0.5}"),
        (8.0, "{'loss': 1.5, 'epoch': 1.0}"),
        (9.0, "{'eval_loss': 1.5, 'epoch': 1.0}"),
        (12.0, "{'loss': 1.0, 'epoch': 1.5}"),
        (20.0, "{'loss': 0.5, 'epoch': 2.5}"),
        (24.0, "{'train_runtime': 24.0, 'epoch': 3.0}"),
    ];
    assert_eq!(epochs_of(&lines, 25.0), [(1, 4.0, 8.0), (2, 8.0, 20.0), (3, 20.0, 24.0)]);
}

#[test]
fn a_job_that_prints_every_tenth_epoch_gets_all() {
    let lines = [(10.0, "Epoch 10, loss 0.5"), (20.0, "Epoch 20, loss 0.4"), (30.0, "Epoch 30, loss 0.3")];
    let epochs = epochs_of(&lines, 30.0);
    assert_eq!(epochs.len(), 30);
    assert_eq!((epochs[0], epochs[29]), ((1, 0.0, 1.0), (30, 29.0, 30.0)));
}

#[test]
fn a_script_that_goes_on_by_itself_gets_only_what_it_ran() {
    let lines = [(10.0, "Epoch 57/60, loss 0.5"), (20.0, "Epoch 58/60, loss 0.4")];
    assert_eq!(epochs_of(&lines, 20.0), [(57, 0.0, 10.0), (58, 10.0, 20.0)]);
    let resumed = Epochs::new(stamp(0.0), true, None);
    assert_eq!(run(resumed, &lines[..1], 20.0, true), [(57, 0.0, 10.0)]);
}

#[test]
fn output_held_back_by_a_buffer_is_shared_out() {
    let lines = [(30.0, "Epoch 1/3"), (30.0, "Epoch 2/3"), (30.0, "Epoch 3/3")];
    assert_eq!(epochs_of(&lines, 30.0), [(1, 0.0, 10.0), (2, 10.0, 20.0), (3, 20.0, 30.0)]);
}

#[test]
fn a_job_that_fails_or_leaves_has_not_ended_its_last_epoch() {
    let lines = [(1.0, "Epoch 1/3"), (11.0, "Epoch 2/3")];
    assert_eq!(run(Epochs::new(stamp(0.0), false, None), &lines, 15.0, false), [(1, 1.0, 11.0)]);
}

#[test]
fn settings_and_summaries_that_name_epochs_do_no_harm() {
    let lines = [(0.1, "settings: epoch: 90"), (1.0, "Epoch 1/2"), (11.0, "Epoch 2/2"), (21.0, "best epoch: 1")];
    assert_eq!(epochs_of(&lines, 21.5), [(1, 1.0, 11.0), (2, 11.0, 21.5)]);
}

#[test]
fn many_results_an_epoch_are_progress() {
    let lines: Vec<(f64, String)> =
        (0..40_u32).map(|step| (f64::from(step + 1), format!("Epoch {} loss {step}", step / 10 + 1))).collect();
    let lines: Vec<(f64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    let epochs = epochs_of(&lines, 40.0);
    assert_eq!(epochs[1..], [(2, 11.0, 21.0), (3, 21.0, 31.0), (4, 31.0, 40.0)]);
}

#[test]
fn reports_silence_the_output() {
    let mut epochs = Epochs::new(stamp(0.0), false, Some(9));
    watch(&mut epochs, "Epoch 7/9", stamp(1.0));
    let reported = |epoch| Mark { epoch, total: None, meaning: Meaning::Ended, from_zero: false };
    epochs.heed(Finding::Mark(reported(1)), Origin::Report, stamp(10.0));
    watch(&mut epochs, "Epoch 8/9 loss=0.1", stamp(10.0));
    let ended = epochs.settle(stamp(10.0));
    assert_eq!(ended.iter().map(|epoch| (epoch.index, epoch.total)).collect::<Vec<_>>(), [(1, Some(9))]);
}

#[test]
fn reports_undo_what_the_output_seemed_to_say() {
    let mut epochs = Epochs::new(stamp(0.0), true, None);
    watch(&mut epochs, "Epoch 77/77: in the film, loss=1", stamp(1.0));
    let reported = |epoch| Mark { epoch, total: Some(9), meaning: Meaning::Ended, from_zero: false };
    epochs.heed(Finding::Mark(reported(4)), Origin::Report, stamp(2.0));
    let ended = epochs.settle(stamp(2.0));
    assert_eq!(ended.iter().map(|epoch| (epoch.index, epoch.total)).collect::<Vec<_>>(), [(4, Some(9))]);
}

#[test]
fn totals_come_from_the_job_or_the_user() {
    let total = |declared, line| {
        let mut epochs = Epochs::new(stamp(0.0), false, declared);
        watch(&mut epochs, line, stamp(1.0));
        epochs.settle(stamp(1.0))[0].total
    };
    assert_eq!(total(None, "Epoch 1 loss=1"), None);
    assert_eq!(total(Some(5), "Epoch 1 loss=1"), Some(5));
    assert_eq!(total(Some(5), "Epoch 1/7 loss=1"), Some(7));
    assert_eq!(total(Some(25), "Epoch 0/24 loss=1"), Some(25));
}

fn any_line() -> impl Strategy<Value = String> {
    let number = 0..30_u32;
    prop_oneof![
        number.clone().prop_map(|n| format!("Epoch {n}/20")),
        number.clone().prop_map(|n| format!("Epoch {n}")),
        number.clone().prop_map(|n| format!("Epoch {n} loss=0.5")),
        number.clone().prop_map(|n| format!("Epoch {n}: 50%|##  | 1/2")),
        (number, 0..10_u32).prop_map(|(n, tenths)| format!("{{'loss': 1, 'epoch': {n}.{tenths}}}")),
        Just("3/20 [==>]".to_owned()),
        (0..3000_u32).prop_map(|n| format!("step {n}/2500 loss=0.5")),
        (0..3000_u32).prop_map(|n| format!("Epoch {n}/2500 loss=0.5")),
        (0..30_u32, 0..9_u32).prop_map(|(n, rank)| format!("[rank{rank}]:Epoch {n}/20 loss=0.5")),
        (0..30_u32).prop_map(|n| format!("[{n}]\ttrain-rmse:0.5")),
        Just("Num Epochs = 7".to_owned()),
        Just("max_steps: 2500".to_owned()),
        "[ -~]{0,30}",
    ]
}

proptest! {
    /// Whatever a job prints, and whenever: epochs are in order, never overlap, and use no more than there was.
    #[test]
    fn epochs_are_in_order_and_never_overlap(
        lines in prop::collection::vec((any_line(), 0..5_u32), 0..40),
        resumed: bool,
        well: bool,
        declared in prop::option::of(prop_oneof![1..60_u32, Just(2500)]),
    ) {
        let mut epochs = Epochs::new(stamp(0.0), resumed, declared);
        let mut ended = Vec::new();
        let mut now = 0.0;
        for (line, wait) in &lines {
            now += f64::from(*wait);
            watch(&mut epochs, line, stamp(now));
            if *wait % 2 == 0 {
                ended.extend(epochs.settle(stamp(now)));
            }
        }
        ended.extend(epochs.finish(well, stamp(now + 1.0)));
        let mut last = (0, Duration::ZERO);
        for epoch in &ended {
            prop_assert!(epoch.index > last.0, "{ended:?}");
            prop_assert!(epoch.start.at >= last.1 && epoch.start.at < epoch.end.at, "{ended:?}");
            prop_assert!(epoch.start.energy <= epoch.end.energy);
            last = (epoch.index, epoch.end.at);
        }
        let used: f64 = ended.iter().map(|epoch| epoch.end.energy.minus(epoch.start.energy).get()).sum();
        prop_assert!(used <= (now + 1.0) * 10.0 + 1e-6);
    }

    /// Bytes of any kind, cut anywhere, end no more epochs than are told at most and nothing else.
    #[test]
    fn any_bytes_are_heeded_without_harm(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            any_line().prop_map(|line| format!("{line}\n").into_bytes()),
            Just(b"\x1b[".to_vec()),
            Just("\r\u{2588}\u{2501}".as_bytes().to_vec()),
        ], 0..60),
    ) {
        static COMMON: LazyLock<Recogniser> = LazyLock::new(|| Recogniser::new(None).0);
        let mut lines = crate::lines::Lines::default();
        let mut epochs = Epochs::new(stamp(0.0), false, None);
        let mut told = 0;
        for (second, piece) in (1..).zip(&pieces) {
            let now = stamp(f64::from(second));
            lines.feed(piece, |line| {
                if let Some(finding) = COMMON.look(line) {
                    epochs.heed(finding, Origin::Output, now);
                }
            });
            told += epochs.settle(now).len();
        }
        told += epochs.finish(true, stamp(1000.0)).len();
        prop_assert!(told <= MOST_TOLD as usize);
    }
}

#[test]
fn a_job_that_never_says_how_many_epochs_it_has_is_told_up_to_a_limit() {
    let mut epochs = Epochs::new(stamp(0.0), false, None);
    let mut told = 0;
    for epoch in 1..=2 * MOST_TOLD {
        let now = stamp(f64::from(epoch));
        watch(&mut epochs, &format!("[{epoch}]\tvalid_0's l2: 0.5"), now);
        told += epochs.settle(now).len();
    }
    assert_eq!(told, MOST_TOLD as usize);
}

#[test]
fn steps_share_the_time_from_the_start_of_the_process() {
    let lines: Vec<(f64, String)> =
        (1..=20_u32).map(|part| (f64::from(part) * 10.0, format!("step {}/2000 | loss 4.1", part * 100))).collect();
    let lines: Vec<(f64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    let epochs = epochs_of(&lines, 201.0);
    assert_eq!(epochs.len(), 100);
    assert_eq!((epochs[0], epochs[99]), ((1, 0.0, 2.0), (100, 198.0, 200.0)));
}

#[test]
fn steps_within_epochs_are_no_epochs() {
    let lines = [
        (1.0, "Num Epochs = 2"),
        (2.0, "step 50/100"),
        (3.0, "step 100/100"),
        (10.0, "Epoch 1 finished"),
        (12.0, "step 50/100"),
        (20.0, "Epoch 2 finished"),
    ];
    assert_eq!(epochs_of(&lines, 21.0), [(1, 0.0, 10.0), (2, 10.0, 20.0)]);
    // Seen before it is known that there are epochs, they are taken back.
    assert_eq!(epochs_of(&[(2.0, "step 1/2000"), (10.0, "Epoch 1 loss=1")], 11.0), [(1, 0.0, 10.0)]);
    // And the user may say that there are.
    assert_eq!(
        run(Epochs::new(stamp(0.0), false, Some(3)), &[(2.0, "step 50/100"), (9.0, "step 99/100")], 10.0, true),
        []
    );
}

#[test]
fn results_of_four_ranks_are_one_result() {
    let lines: Vec<(f64, String)> = (1..=3_u32)
        .flat_map(|epoch| {
            (0..4_u32)
                .map(move |rank| (f64::from(epoch * 10) + f64::from(rank) * 0.1, format!("Epoch {epoch} loss={rank}")))
        })
        .collect();
    let lines: Vec<(f64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    assert_eq!(epochs_of(&lines, 31.0), [(1, 0.0, 10.0), (2, 10.0, 20.0), (3, 20.0, 30.0)]);
}

#[test]
fn trainings_one_after_the_other_count_on_if_the_user_declared_them_all() {
    let lines: Vec<(f64, String)> =
        (0..6_u32).map(|n| (f64::from(n + 1), format!("Epoch {}/3 loss=0.1", n % 3 + 1))).collect();
    let lines: Vec<(f64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    let epochs = |declared| run(Epochs::new(stamp(0.0), false, declared), &lines, 7.0, true);
    assert_eq!(epochs(Some(6)), (1..=6).map(|n| (n, f64::from(n) - 1.0, f64::from(n))).collect::<Vec<_>>());
    assert_eq!(epochs(None).len(), 3);
}

#[test]
fn many_epochs_are_told_in_thousandths() {
    let mut epochs = Epochs::new(stamp(0.0), false, None);
    let mut told = Vec::new();
    for epoch in 1..=2500_u32 {
        watch(&mut epochs, &format!("Epoch {epoch}/2500 loss=0.1"), stamp(f64::from(epoch)));
        told.extend(epochs.settle(stamp(f64::from(epoch))));
    }
    assert_eq!((told.len(), told[0].end, told[832].index, told[832].total), (834, stamp(3.0), 833, Some(834)));
    assert_eq!(told[833].end, stamp(2500.0), "the last is of one epoch");
    assert_eq!(epochs.finish(true, stamp(2501.0)), []);
}
