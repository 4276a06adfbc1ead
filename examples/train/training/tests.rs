#![allow(clippy::float_cmp, reason = "what is read back is the same to the bit")]

use std::path::PathBuf;

use super::*;

const TASKS: [Task; 3] = [Task::Digits, Task::Spirals, Task::Text];

/// A directory of the test's own, empty.
fn directory(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("lowtide-training-{test}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    directory
}

fn batches(training: &mut Training, count: usize) -> Score {
    let mut score = Score::default();
    for _ in 0..count {
        score += training.batch();
    }
    score
}

#[test]
fn every_task_is_really_learnt() {
    for (task, count, accuracy) in [(Task::Digits, 300, 0.85), (Task::Spirals, 1000, 0.8), (Task::Text, 400, 0.4)] {
        let mut training = Training::begin(task);
        let first = batches(&mut training, 20);
        batches(&mut training, count);
        let last = batches(&mut training, 50);
        assert!(last.mean_loss() < first.mean_loss() / 1.5, "{task}: {first:?} then {last:?}");
        assert!(accuracy < last.accuracy(), "{task}: {last:?}");
    }
}

#[test]
fn backpropagation_computes_what_a_nudge_measures() {
    const NUDGE: f32 = 1e-2;
    let mut random = Random::new(1);
    let network = Network::new(&[3, 4, 4, 2], &mut random);
    let examples: Vec<Example> =
        (0..5).map(|index| Example { input: (0..3).map(|_| random.normal()).collect(), class: index % 2 }).collect();
    let (_, gradient) = network.gradient(&examples);
    for (weight, slope) in gradient.iter().enumerate() {
        let loss = |by: f32| network.nudged(weight, by).gradient(&examples).0.mean_loss();
        let measured = (loss(NUDGE) - loss(-NUDGE)) / f64::from(2.0 * NUDGE);
        assert!((measured - f64::from(*slope)).abs() < 1e-4, "weight {weight}: {measured} and {slope}");
    }
}

#[test]
fn who_goes_on_from_a_checkpoint_learns_as_if_it_had_never_stopped() {
    for task in TASKS {
        let mut straight = Training::begin(task);
        batches(&mut straight, 10);
        let path = directory(task.name()).join("checkpoint");
        checkpoint::write(&path, &straight.checkpoint()).expect("it can be written");
        let kept = checkpoint::read(&path).expect("it can be read").expect("it is there");
        let mut resumed = Training::go_on(task, kept).expect("it fits");
        assert_eq!(batches(&mut straight, 10), batches(&mut resumed, 10));
        assert_eq!(straight.network, resumed.network);
    }
}

#[test]
fn epochs_are_numbered_on_after_a_pause() {
    let path = directory("numbers").join("checkpoint");
    let arguments = |epochs: u32, resume: bool| Arguments {
        epochs,
        epoch_length: Duration::ZERO,
        checkpoint: Some(path.clone()),
        resume,
    };
    let printed = |arguments: &Arguments| {
        let mut out = Vec::new();
        train(Task::Spirals, arguments, &mut out).expect("it trains");
        let text = String::from_utf8(out).expect("text");
        text.lines().filter_map(|line| Some(line.split_once(" loss=")?.0.to_owned())).collect::<Vec<_>>()
    };
    // Asked to go on where nothing was left, it begins.
    assert_eq!(printed(&arguments(2, true)), ["Epoch 1/2", "Epoch 2/2"]);
    assert_eq!(printed(&arguments(4, true)), ["Epoch 3/4", "Epoch 4/4"]);
    assert!(printed(&arguments(4, true)).is_empty());
    assert_eq!(printed(&arguments(1, false)), ["Epoch 1/1"]);
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let directory = directory("refused");
    let refusal = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).expect("it can be written");
        let arguments = Arguments { epochs: 1, epoch_length: Duration::ZERO, checkpoint: Some(path), resume: true };
        train(Task::Digits, &arguments, &mut Vec::new()).expect_err("it does not fit")
    };
    let whole = {
        let path = directory.join("whole");
        checkpoint::write(&path, &Training::begin(Task::Digits).checkpoint()).expect("it can be written");
        std::fs::read(&path).expect("it can be read")
    };
    let other = {
        let path = directory.join("other");
        checkpoint::write(&path, &Training::begin(Task::Text).checkpoint()).expect("it can be written");
        std::fs::read(&path).expect("it can be read")
    };
    for end in [0, 10, 40, whole.len() - 1] {
        assert!(refusal("cut", &whole[..end]).contains("damaged"), "cut at {end}");
    }
    assert!(refusal("other", &other).contains("of `text`"));
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for line in ["", "--epochs", "--epochs x", "--epochs 0", "--epochs 1 --epoch-seconds -1", "--epochs 1 --fast"] {
        let arguments = line.split_whitespace().map(str::to_owned);
        assert!(arguments::parse(arguments, false).is_err(), "{line}");
    }
    let line = "--epochs 3 --epoch-seconds 0.5 --checkpoint here --resume";
    let parsed = arguments::parse(line.split(' ').map(str::to_owned), false).expect("it makes sense");
    assert_eq!((parsed.epochs, parsed.epoch_length, parsed.resume), (3, Duration::from_millis(500), true));
}
