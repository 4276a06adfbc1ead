//! Logs of Carbontracker, versions 1.0 to 2.4.
//!
//! A run leaves a standard log, with the power of each epoch, and an output log, with what it predicted and what it used. The
//! power lines are without PUE, the blocks of consumption with it. Since 2.0.0 a power is the *mean* over the devices of a
//! component, and the consumption is too low by their number (commit 505a2d9): it is put right here from the devices the log
//! names, and said, unless that is switched off. The same faults are why an epoch may have no power ("too short"): it is filled
//! with the mean of the others of its component, and said. Times are local times of somewhere, whatever the `Z` in a name says.

use lowtide_model::quantity::{GramsCo2e, Joules, Pue, Seconds};

use super::{ImportedEpoch, ImportedRun, Refused};

/// The first version whose powers are means over devices.
const MEANS_SINCE: (u32, u32) = (2, 0);

/// Reads a run from its logs: the standard one, the output one, or both. A transcript of a terminal stands for the second.
pub fn run(standard: Option<&str>, output: Option<&str>, put_right: bool) -> Result<ImportedRun, Refused> {
    let log = Log::read(standard.unwrap_or_default());
    let blocks = blocks(output.unwrap_or_default());
    if standard.is_some_and(|text| !text.contains("carbontracker version")) {
        return Err(Refused::because("the standard log names no version of Carbontracker"));
    }
    if log.epochs.is_empty() && blocks.is_empty() {
        return Err(Refused::because("it holds neither an epoch nor a consumption"));
    }
    let actual = blocks.iter().rev().find(|block| block.kind == BlockKind::Actual);
    let planned = blocks.iter().rev().find(|block| block.kind == BlockKind::Predicted).and_then(|block| block.epochs);
    let mut notes = Vec::new();
    let complete = complete_epochs(&log, actual, &mut notes);
    let epochs = energies(&log, complete, put_right, &mut notes);
    let pue = log.pue.unwrap_or(1.0);
    let told: Vec<Joules> = epochs.iter().filter_map(|epoch| epoch.energy).collect();
    let measured = !epochs.is_empty() && told.len() == epochs.len();
    let (duration, energy) = match (measured, actual) {
        (true, _) => (epochs.iter().map(|epoch| epoch.duration).sum(), told.into_iter().sum()),
        (false, Some(actual)) => {
            if log.has_means() {
                notes.push(
                    "the power of no epoch is known: the total is as told, too low by the number of devices".to_owned(),
                );
            }
            (actual.duration, actual.energy.times(1.0 / pue))
        }
        (false, None) => return Err(Refused::because("nothing of it was measured, and it tells no consumption")),
    };
    notes.extend(log.interrupted.then(|| "it was stopped before all its epochs".to_owned()));
    if standard.is_none() {
        notes.push("only what it printed is known: PUE is not told, its consumption is taken as it is".to_owned());
    }
    let epochs_run =
        actual.and_then(|actual| actual.epochs).or_else(|| u32::try_from(epochs.len()).ok().filter(|n| 0 < *n));
    // With `monitor_epochs` the tool looks at the first epochs only; the run went on.
    let unseen = epochs_run.zip(planned).filter(|(run, planned)| !log.interrupted && run < planned);
    let times = unseen.map_or(1.0, |(run, planned)| f64::from(planned) / f64::from(run));
    if let Some((run, planned)) = unseen {
        notes.push(format!("{run} of {planned} epochs were measured: the others are taken to be like them"));
    }
    Ok(ImportedRun {
        tool: log
            .version
            .map_or_else(|| "carbontracker".to_owned(), |version| format!("carbontracker {}", version.text)),
        label: None,
        began: log.began,
        epochs_run: unseen.map(|(_, planned)| planned).or(epochs_run),
        epochs_planned: log.planned.or(planned),
        stopped_early: log.interrupted,
        epochs,
        duration: duration.times(times),
        energy: energy.times(times),
        footprint: actual.and_then(|actual| actual.footprint).map(|told| GramsCo2e::saturating(told.get() * times)),
        notes,
    })
}

/// Reads every run that a transcript of a terminal holds: pages of results often hold many.
pub fn transcript(text: &str) -> Result<Vec<ImportedRun>, Refused> {
    let actual: Vec<Block> = blocks(text).into_iter().filter(|block| block.kind == BlockKind::Actual).collect();
    if actual.is_empty() {
        return Err(Refused::because("it holds no `Actual consumption` of Carbontracker"));
    }
    let run = |block: Block| ImportedRun {
        tool: "carbontracker".to_owned(),
        label: None,
        began: None,
        epochs: Vec::new(),
        epochs_run: block.epochs,
        epochs_planned: None,
        stopped_early: false,
        duration: block.duration,
        energy: block.energy,
        footprint: block.footprint,
        notes: vec![
            "only what it printed is known: version, devices and PUE are not told, its consumption is taken as it is"
                .to_owned(),
        ],
    };
    Ok(actual.into_iter().map(run).collect())
}

/// Epochs that ended: an interrupted one is logged as the others are, but not counted by the tool.
fn complete_epochs(log: &Log, actual: Option<&Block>, notes: &mut Vec<String>) -> usize {
    let counted = actual.and_then(|actual| actual.epochs).map(|epochs| epochs as usize);
    match counted.filter(|counted| log.interrupted && *counted < log.epochs.len()) {
        Some(counted) => {
            notes.push(format!("epoch {} was cut off and is left out", counted + 1));
            counted
        }
        None => log.epochs.len(),
    }
}

fn energies(log: &Log, complete: usize, put_right: bool, notes: &mut Vec<String>) -> Vec<ImportedEpoch> {
    let epochs = &log.epochs[..complete];
    let mut sums: Vec<Option<f64>> = vec![None; complete];
    for component in &log.components {
        let powers: Vec<Option<f64>> = epochs.iter().map(|epoch| epoch.power(&component.name)).collect();
        let known: Vec<f64> = powers.iter().copied().flatten().collect();
        if known.is_empty() {
            notes.push(format!("{} was found and never measured: it is left out", component.name));
            continue;
        }
        let factor = if log.has_means() && put_right { component.devices.max(1) } else { 1 };
        if 1 < factor {
            notes.push(format!(
                "{}: {} gives the mean of {factor} devices; its power is multiplied by {factor}",
                component.name,
                log.version.as_ref().map_or("the tool", |version| version.text.as_str())
            ));
        } else if log.has_means() && 1 < component.devices {
            notes.push(format!("{}: the mean of {} devices, not put right", component.name, component.devices));
        }
        let missing = powers.len() - known.len();
        if 0 < missing {
            notes.push(format!(
                "{}: {missing} epochs without a power are filled with the mean of the others",
                component.name
            ));
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        for (sum, power) in sums.iter_mut().zip(powers) {
            *sum = Some(sum.unwrap_or(0.0) + power.unwrap_or(mean) * f64::from(factor));
        }
    }
    let epoch = |(epoch, watts): (&Epoch, Option<f64>)| ImportedEpoch {
        duration: epoch.duration,
        energy: watts.map(|watts| Joules::saturating(watts * epoch.duration.get())),
    };
    epochs.iter().zip(sums).map(epoch).collect()
}

/// The standard log.
#[derive(Debug, Default)]
struct Log {
    version: Option<Version>,
    began: Option<String>,
    pue: Option<f64>,
    components: Vec<Component>,
    epochs: Vec<Epoch>,
    interrupted: bool,
    /// Epochs it was to run, where it was interrupted.
    planned: Option<u32>,
}

#[derive(Debug)]
struct Version {
    text: String,
    number: (u32, u32),
}

#[derive(Debug)]
struct Component {
    name: String,
    devices: u32,
}

#[derive(Debug)]
struct Epoch {
    duration: Seconds,
    /// Component, and its power in watts: of all its devices, or their mean.
    powers: Vec<(String, Option<f64>)>,
}

impl Log {
    fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            // `2026-11-23 05:26:21 - what happened`
            let Some((at, what)) = line.split_once(" - ") else { continue };
            if let Some(version) = what.strip_prefix("carbontracker version ") {
                log.version = Version::of(version.trim());
                log.began = Some(at.trim().to_owned());
            } else if let Some(rest) = what.strip_prefix("The following components were found: ") {
                log.components = components(rest);
            } else if let Some(duration) = what.strip_prefix("Duration: ").and_then(duration) {
                log.epochs.push(Epoch { duration, powers: Vec::new() });
            } else if let Some((component, power)) =
                what.strip_prefix("Average power usage (W) for ").and_then(|rest| rest.split_once(": "))
            {
                if let Some(epoch) = log.epochs.last_mut() {
                    epoch.powers.push((component.trim().to_owned(), power_of(power)));
                }
            } else if let Some(rest) = what.strip_prefix("Training was interrupted") {
                log.interrupted = true;
                // `before all 20 epochs were monitored`
                log.planned = rest.split(' ').find_map(|word| word.parse().ok());
            } else if let Some((_, rest)) = what.split_once("PUE coefficient of ") {
                let number = rest.split(' ').next().and_then(|number| number.parse::<f64>().ok());
                log.pue = number.filter(|pue| Pue::new(*pue).is_ok());
            }
        }
        log
    }

    fn has_means(&self) -> bool {
        self.version.as_ref().is_some_and(|version| MEANS_SINCE <= version.number)
    }
}

impl Version {
    fn of(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let number = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { text: text.to_owned(), number })
    }
}

impl Epoch {
    fn power(&self, component: &str) -> Option<f64> {
        self.powers.iter().find(|(name, _)| name.eq_ignore_ascii_case(component)).and_then(|(_, power)| *power)
    }
}

/// `GPU with device(s) A, B. CPU with device(s) cpu:0.`
fn components(text: &str) -> Vec<Component> {
    const WITH: &str = " with device(s) ";
    let mut components = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(WITH) {
        let name = before.rsplit(['.', ' ']).next().unwrap_or(before).to_ascii_lowercase();
        // The devices end where the next component begins, or the line does.
        let end = after.find(WITH).map_or(after.len(), |next| after[..next].rfind(". ").map_or(next, |end| end + 1));
        let devices =
            after[..end].trim_end_matches(['.', ' ']).split(',').filter(|device| !device.trim().is_empty()).count();
        components.push(Component { name, devices: u32::try_from(devices).unwrap_or(1) });
        rest = &after[end..];
    }
    components
}

/// A number, an array of numpy of which the sum is meant, `None` or `nan`.
fn power_of(text: &str) -> Option<f64> {
    let text = text.trim();
    let numbers = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed: Option<Vec<f64>> =
        numbers.split([' ', ',']).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
    let sum: f64 = parsed.filter(|numbers| !numbers.is_empty())?.iter().sum();
    (sum.is_finite() && 0.0 <= sum).then_some(sum)
}

/// `0:00:02.20`, `325:31:49`, `1 day, 2:00:00`.
fn duration(text: &str) -> Option<Seconds> {
    let text = text.trim();
    let (days, clock) = match text.split_once(',') {
        Some((days, clock)) => (days.split(' ').next()?.parse::<f64>().ok()?, clock.trim()),
        None => (0.0, text),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = days * 86_400.0 + number(hours)? * 3600.0 + number(minutes)? * 60.0 + number(seconds)?;
    Seconds::new(seconds).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    Predicted,
    Actual,
}

/// A block of consumption.
#[derive(Debug)]
struct Block {
    kind: BlockKind,
    epochs: Option<u32>,
    duration: Seconds,
    energy: Joules,
    footprint: Option<GramsCo2e>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let kind = if line.contains("Actual consumption") {
            BlockKind::Actual
        } else if line.contains("Predicted consumption") {
            BlockKind::Predicted
        } else {
            continue;
        };
        let epochs = line.split("for ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok());
        let (mut time, mut energy, mut footprint) = (None, None, None);
        while let Some(line) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            let Some((key, value)) = line.trim().split_once(':') else { continue };
            let value = value.trim();
            let number = || value.split(' ').next().and_then(|number| number.parse::<f64>().ok());
            match key {
                "Time" => time = duration(value),
                "Energy" => energy = number().and_then(|kwh| Joules::from_kwh(kwh).ok()),
                "CO2eq" => footprint = number().and_then(|grams| GramsCo2e::new(grams).ok()),
                _ => {}
            }
        }
        if let (Some(duration), Some(energy)) = (time, energy) {
            blocks.push(Block { kind, epochs, duration, energy, footprint });
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR_GPUS: &str = "2026-11-23 05:27:02 - carbontracker version 2.4.7\n\
        2026-11-23 05:27:02 - Only predicted and actual consumptions are multiplied by a PUE coefficient of 1.58 (x).\n\
        2026-11-23 05:27:02 - The following components were found: GPU with device(s) A 3.1, A 3.1, A, A. CPU with device(s) dram:0, cpu:0.\n\
        2026-11-23 05:27:04 - Epoch 1:\n\
        2026-11-23 05:27:04 - Duration: 0:00:10.00\n\
        2026-11-23 05:27:04 - Average power usage (W) for gpu: 100.0\n\
        2026-11-23 05:27:04 - Average power usage (W) for cpu: 70.0\n\
        2026-11-23 05:27:14 - Epoch 2:\n\
        2026-11-23 05:27:14 - Duration: 0:00:20.00\n\
        2026-11-23 05:27:14 - Average power usage (W) for gpu: 100.0\n\
        2026-11-23 05:27:14 - Average power usage (W) for cpu: None\n";

    #[test]
    fn a_mean_over_devices_is_put_right_and_said() {
        let told = run(Some(FOUR_GPUS), None, true).expect("a run");
        let joules: Vec<f64> = told.epochs.iter().filter_map(|epoch| epoch.energy).map(Joules::get).collect();
        assert_eq!(joules, [5400.0, 10_800.0]);
        assert_eq!((told.energy.get(), told.duration.get(), told.epochs_run), (16_200.0, 30.0, Some(2)));
        assert_eq!(told.tool, "carbontracker 2.4.7");
        assert!(told.notes.iter().any(|note| note.contains("multiplied by 4")), "{:?}", told.notes);
        assert!(told.notes.iter().any(|note| note.contains("1 epochs without a power")), "{:?}", told.notes);
        let as_told = run(Some(FOUR_GPUS), None, false).expect("a run");
        assert_eq!(as_told.epochs[0].energy.map(Joules::get), Some(1700.0));
        assert!(as_told.notes.iter().any(|note| note.contains("not put right")), "{:?}", as_told.notes);
    }

    #[test]
    fn an_array_of_the_first_versions_is_a_sum_already() {
        let old = FOUR_GPUS.replace("2.4.7", "1.1.6").replace("gpu: 100.0", "gpu: [100.  100.  100.5 99.5]");
        let told = run(Some(&old), None, true).expect("a run");
        assert_eq!(told.epochs[0].energy.map(Joules::get), Some(4700.0));
    }

    #[test]
    fn a_transcript_may_hold_many_runs() {
        let page = "CarbonTracker:\nActual consumption for 1 epoch(s): # really 4\n        Time:   1:37:40 \n        \
            Energy: 0.338987 kWh\n        CO2eq:  32.058499 g\nCarbonTracker:\nPredicted consumption for 200 epoch(s):\n\
            \tTime:\t325:31:49\n\tEnergy:\t67.8 kWh\ntext\nActual consumption:\n\tTime:\t1 day, 0:00:01\n\tEnergy:\t2 kWh\n";
        let told = transcript(page).expect("runs");
        assert_eq!(told.len(), 2);
        assert!((told[0].duration.get() - 5860.0).abs() < 1e-9 && told[0].epochs_run == Some(1));
        assert!((told[1].duration.get() - 86_401.0).abs() < 1e-9 && told[1].epochs_run.is_none());
        assert!(transcript("nothing of the kind").is_err());
    }
}
