//! Recorded trainings, epoch by epoch, which are not part of the repository: `../shared/data/trackers`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One recorded training.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Runs of one family are repetitions of one another.
    pub(crate) family: String,
    /// How many epochs it was going to run; more than it ran where it stopped early.
    pub(crate) planned: Option<u32>,
    /// The epoch from which on it trains something else, where it does.
    pub(crate) shift: Option<usize>,
    /// Seconds and joules of each epoch it ran.
    pub(crate) epochs: Vec<(f64, f64)>,
}

/// Runs that are scored together, in the order in which they ran within their family.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

/// The data's folder, where it is.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/trackers");
    folder.is_dir().then_some(folder)
}

/// The rows of a table as maps from the names of the columns.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let row = |line: &str| {
        let cells = line.split(',').map(|cell| cell.trim_matches('"').to_owned());
        names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    lines.map(row).collect()
}

fn number(row: &BTreeMap<String, String>, name: &str) -> f64 {
    row[name].parse().unwrap_or_else(|_| panic!("{name}: {:?}", row[name]))
}

/// Transfer learning with early stopping (del Rey et al., SEAA 2023): a group for each network, and all together.
pub(crate) fn transfer_learning(folder: &Path) -> Vec<Group> {
    let mut epochs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in table(&folder.join("epochs/seaa2023/epochs.csv")) {
        epochs.entry(row["run"].clone()).or_default().push((number(&row, "duration_s"), number(&row, "energy_j")));
    }
    let mut groups: Vec<Group> = Vec::new();
    for row in table(&folder.join("epochs/seaa2023/runs.csv")) {
        let name = format!("{} {}", row["model"], row["gpu"].rsplit(' ').next().unwrap_or_default());
        let run = Run {
            family: name.clone(),
            planned: row["planned_epochs"].parse().ok(),
            shift: row["phase2_from_epoch"].parse().ok(),
            epochs: epochs.remove(&row["run"]).expect("its epochs"),
        };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { name, runs: vec![run] }),
        }
    }
    let runs = groups.iter().flat_map(|group| group.runs.clone()).collect();
    groups.push(Group { name: "all transfer learning".to_owned(), runs });
    groups
}

/// The second phase of each of these runs as a training of its own: real noise around one level.
pub(crate) fn stationary(groups: &[Group]) -> Group {
    let all = groups.last().expect("the group of all");
    let later = |run: &Run| Run {
        epochs: run.epochs[run.shift.map_or(0, |shift| shift - 1)..].to_vec(),
        shift: None,
        planned: None,
        ..run.clone()
    };
    Group { name: "second phases alone".to_owned(), runs: all.runs.iter().map(later).collect() }
}

/// All of these runs as one family, in no order: one script that trains whatever it is told to.
pub(crate) fn mixed(groups: &[Group]) -> Group {
    /// A prime, so that every run has its place.
    const STRIDE: usize = 7919;
    let all = &groups.last().expect("the group of all").runs;
    let mixed = |at: usize| Run { family: "mixed".to_owned(), ..all[at * STRIDE % all.len()].clone() };
    Group { name: "mixed family".to_owned(), runs: (0..all.len()).map(mixed).collect() }
}

/// Short trainings of networks of very different sizes (EC-NAS): two halves of four epochs.
pub(crate) fn architecture_search(folder: &Path) -> Group {
    const JOULES_PER_KWH: f64 = 3.6e6;
    let mut rows = table(&folder.join("carbontracker/recorded/ec-nas/5V9E.csv"));
    rows.sort_by(|a, b| a["start"].cmp(&b["start"]));
    let run = |row: &BTreeMap<String, String>| {
        let kwh = [number(row, "kwh_start"), number(row, "kwh_mid"), number(row, "kwh_end")];
        let seconds = [0.0, number(row, "s_mid"), number(row, "s_end")];
        let half = |at: usize| (seconds[at + 1] - seconds[at], (kwh[at + 1] - kwh[at]) * JOULES_PER_KWH);
        let family = "architecture search".to_owned();
        Run { family, planned: None, shift: None, epochs: vec![half(0), half(1)] }
    };
    Group { name: "architecture search".to_owned(), runs: rows.iter().map(run).collect() }
}

/// Trainings that end when they reach a target (Zeus, NSDI 2023): how many epochs they ran is recorded, seed by seed;
/// each epoch is given the mean time and energy of its configuration on a V100, for none was recorded singly.
pub(crate) fn until_target(folder: &Path) -> Group {
    let key = |row: &BTreeMap<String, String>| {
        ["dataset", "network", "batch_size", "optimizer"].map(|name| row[name].clone()).join(" ")
    };
    let mut pace: BTreeMap<String, (f64, (f64, f64))> = BTreeMap::new();
    for row in table(&folder.join("epochs/zeus-nsdi23/summary_power_v100.csv")) {
        let (limit, seconds) = (number(&row, "power_limit"), number(&row, "time_per_epoch"));
        let epoch = (seconds, seconds * number(&row, "average_power"));
        let known = pace.entry(key(&row)).or_insert((limit, epoch));
        if known.0 < limit {
            *known = (limit, epoch);
        }
    }
    // The targets of the paper.
    let targets = [("cifar100", "0.6"), ("squad", "84.0"), ("movielens-1m", "0.41"), ("imagenet", "0.65")];
    let mut runs: Vec<Run> = Vec::new();
    for row in table(&folder.join("epochs/zeus-nsdi23/summary_train.csv")) {
        let at_target = targets.iter().any(|(name, at)| row["dataset"] == *name && row["target_metric"] == *at);
        let (Ok(epochs), Some((_, epoch)), true) =
            (row["target_epoch"].parse::<f64>(), pace.get(&key(&row)), at_target)
        else {
            continue;
        };
        if epochs.is_nan() {
            continue;
        }
        let epochs = (0..100_000).take_while(|done| f64::from(*done) < epochs).map(|_| *epoch).collect();
        let family = format!("{} {}", key(&row), row["learning_rate"]);
        runs.push(Run { family, planned: None, shift: None, epochs });
    }
    Group { name: "until a target".to_owned(), runs }
}
