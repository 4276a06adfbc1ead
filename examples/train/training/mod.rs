//! Training jobs with nothing but the standard library: a small neural network, three tasks to learn, checkpoints.
//!
//! Each behaves as lowtide would like every job to: it says `Epoch 3/6 …` at the end of each epoch, has its checkpoint on
//! disk by then, and goes on from it when started again with `LOWTIDE_RESUME=1`. It does not catch the signal that asks
//! it to leave: dying of it at the end of an epoch loses nothing.
//!
//! An epoch lasts a given time and not a given number of batches, so that a slow machine keeps a plan made for a fast
//! one. What a batch teaches is real either way.

mod arguments;
mod checkpoint;
mod digits;
mod network;
mod random;
mod spirals;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::Arguments;
use checkpoint::Checkpoint;
use network::{Network, Score};
use random::Random;

/// Examples a network sees between two steps.
const BATCH: usize = 32;
/// Where the random numbers begin: every run of a task draws the same ones.
const SEED: u64 = 20_210_816;

/// What is to be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Digits of eight by eight pixels.
    Digits,
    /// Two intertwined spirals.
    Spirals,
    /// The next letter of a poem.
    Text,
}

/// One thing to learn: what is seen, and which of the classes it is.
struct Example {
    input: Vec<f32>,
    class: usize,
}

impl Task {
    /// The task of that name.
    fn of_name(name: &str) -> Option<Self> {
        [Self::Digits, Self::Spirals, Self::Text].into_iter().find(|task| task.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Spirals => "spirals",
            Self::Text => "text",
        }
    }

    /// Units in each layer, from input to classes.
    fn layers(self) -> Vec<usize> {
        match self {
            Self::Digits => vec![digits::INPUTS, 24, digits::CLASSES],
            Self::Spirals => vec![spirals::INPUTS, 24, 24, spirals::CLASSES],
            Self::Text => vec![text::INPUTS, 48, text::CLASSES],
        }
    }

    /// How far one step goes.
    const fn rate(self) -> f32 {
        match self {
            Self::Digits | Self::Spirals => 0.05,
            Self::Text => 0.1,
        }
    }

    fn example(self, random: &mut Random) -> Example {
        match self {
            Self::Digits => digits::example(random),
            Self::Spirals => spirals::example(random),
            Self::Text => text::example(random),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A network on its way.
struct Training {
    task: Task,
    network: Network,
    random: Random,
    epochs_done: u32,
}

impl Training {
    fn begin(task: Task) -> Self {
        let mut random = Random::new(SEED);
        Self { task, network: Network::new(&task.layers(), &mut random), random, epochs_done: 0 }
    }

    fn go_on(task: Task, checkpoint: Checkpoint) -> Result<Self, String> {
        let Checkpoint { task: name, epochs_done, random, weights, velocity } = checkpoint;
        if name != task.name() {
            return Err(format!("it is of `{name}`, not of `{task}`"));
        }
        let network = Network::of(&task.layers(), weights, velocity)?;
        Ok(Self { task, network, random: Random::new(random), epochs_done })
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            task: self.task.name().to_owned(),
            epochs_done: self.epochs_done,
            random: self.random.state(),
            weights: self.network.weights().to_vec(),
            velocity: self.network.velocity().to_vec(),
        }
    }

    /// One step.
    fn batch(&mut self) -> Score {
        let examples: Vec<Example> = (0..BATCH).map(|_| self.task.example(&mut self.random)).collect();
        self.network.learn(&examples, self.task.rate())
    }

    /// Steps until `length` has passed; at least one.
    fn epoch(&mut self, length: Duration) -> Score {
        let begin = Instant::now();
        let mut score = self.batch();
        while begin.elapsed() < length {
            score += self.batch();
        }
        self.epochs_done += 1;
        score
    }
}

/// Trains a task, `digits`, `spirals` or `text`, as the command line says. The code is 0 when all epochs are done, 1 when something failed, 2 when the command
/// line makes no sense.
pub(crate) fn run(task: &str, arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(task) = Task::of_name(task) else {
        say(&format!("there is no task `{task}`: choose digits, spirals or text"));
        return ExitCode::from(2);
    };
    let resume = std::env::var_os("LOWTIDE_RESUME").is_some_and(|value| value == "1");
    let arguments = match arguments::parse(arguments, resume) {
        Ok(arguments) => arguments,
        Err(message) => {
            say(&format!("{task}: {message}"));
            return ExitCode::from(2);
        }
    };
    match train(task, &arguments, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("{task}: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn train(task: Task, arguments: &Arguments, out: &mut impl Write) -> Result<(), String> {
    let told = |error: io::Error| format!("the progress cannot be told: {error}");
    let mut training = resumed(task, arguments)?.unwrap_or_else(|| Training::begin(task));
    if 0 < training.epochs_done {
        writeln!(out, "{task}: going on after {} of {} epochs", training.epochs_done, arguments.epochs)
            .map_err(told)?;
    }
    while training.epochs_done < arguments.epochs {
        let score = training.epoch(arguments.epoch_length);
        // Written before the epoch is told: who is asked to leave at the end of an epoch has its checkpoint by then.
        if let Some(path) = &arguments.checkpoint {
            checkpoint::write(path, &training.checkpoint())
                .map_err(|error| format!("the checkpoint {} cannot be written: {error}", path.display()))?;
        }
        let Score { examples, .. } = score;
        let (loss, accuracy) = (score.mean_loss(), score.accuracy());
        let (epoch, epochs) = (training.epochs_done, arguments.epochs);
        writeln!(out, "Epoch {epoch}/{epochs} loss={loss:.4} accuracy={accuracy:.3} examples={examples}")
            .and_then(|()| out.flush())
            .map_err(told)?;
    }
    Ok(())
}

/// What an earlier run has left, if this one is to go on from it and there is any.
fn resumed(task: Task, arguments: &Arguments) -> Result<Option<Training>, String> {
    let Some(path) = arguments.checkpoint.as_ref().filter(|_| arguments.resume) else { return Ok(None) };
    match checkpoint::read(path) {
        Ok(Some(checkpoint)) => Training::go_on(task, checkpoint)
            .map(Some)
            .map_err(|reason| format!("the checkpoint {} cannot be used: {reason}", path.display())),
        // Asked to leave before its first epoch had ended: there is nothing to go on from.
        Ok(None) => Ok(None),
        Err(reason) => Err(format!("the checkpoint {} cannot be used: {reason}", path.display())),
    }
}

/// What cannot be told on stderr cannot be told at all.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests;
