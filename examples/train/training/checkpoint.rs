//! What a training job leaves on disk: all it needs to go on as if it had never stopped.
//!
//! A line of text that says what it is, then numbers, the lowest byte first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The first words of a checkpoint; the number changes with the format.
const FORMAT: &str = "lowtide-example-checkpoint-1";

/// The state of a training job between two epochs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checkpoint {
    /// What is being learnt.
    pub(super) task: String,
    /// Epochs behind it.
    pub(super) epochs_done: u32,
    /// Where the random numbers go on.
    pub(super) random: u64,
    /// The network's weights.
    pub(super) weights: Vec<f32>,
    /// Its momentum, one number a weight.
    pub(super) velocity: Vec<f32>,
}

/// Writes under another name, then renames: whoever looks finds the old checkpoint or the new one, never half of one.
pub(super) fn write(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(&to_bytes(checkpoint))?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// The checkpoint at `path`, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Checkpoint>, String> {
    match fs::read(path) {
        Ok(bytes) => of_bytes(&bytes).map(Some).ok_or_else(|| "it is damaged or of another program".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn to_bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { task, epochs_done, random, weights, velocity } = checkpoint;
    let mut bytes = format!("{FORMAT} {task} {}\n", weights.len()).into_bytes();
    bytes.extend(epochs_done.to_le_bytes());
    bytes.extend(random.to_le_bytes());
    bytes.extend(weights.iter().chain(velocity).flat_map(|value| value.to_le_bytes()));
    bytes
}

fn of_bytes(bytes: &[u8]) -> Option<Checkpoint> {
    let end_of_line = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end_of_line]).ok()?, &bytes[end_of_line + 1..]);
    let mut words = head.split(' ');
    if words.next()? != FORMAT {
        return None;
    }
    let task = words.next()?.to_owned();
    let count: usize = words.next()?.parse().ok()?;
    let (epochs_done, rest) = rest.split_first_chunk()?;
    let (random, rest) = rest.split_first_chunk()?;
    if Some(rest.len()) != count.checked_mul(8) {
        return None;
    }
    let (numbers, _) = rest.as_chunks();
    let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let (weights, velocity) = values.split_at(count);
    Some(Checkpoint {
        task,
        epochs_done: u32::from_le_bytes(*epochs_done),
        random: u64::from_le_bytes(*random),
        weights: weights.to_vec(),
        velocity: velocity.to_vec(),
    })
}
