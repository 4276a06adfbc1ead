//! `lowtide import`: runs that other tools recorded, into the history by which jobs are predicted.
//!
//! Files are read here, and the daemon is told numbers only. Nothing is kept until all that could be read has been shown.

mod carbontracker;
mod codecarbon;
mod folder;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lowtide_api::v1::import::{ImportAnswer, ImportRequest, ImportedEpochView, ImportedRunView};
use lowtide_meters::import::{ImportedEpoch, ImportedRun, Refused};
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::layout::{self, Column};
use crate::output::words;

/// Runs sent to the daemon at a time, so that a request stays far below the megabytes it may have.
const RUNS_A_REQUEST: usize = 500;

/// Take in what other tools recorded, so that the first prediction knows the job
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Tool {
    /// Logs of Carbontracker, all versions, or transcripts of terminals that hold what it printed
    #[command(after_help = "Example: lowtide import carbontracker --name resnet ./logs\n\n\
        Since 2.0.0 Carbontracker logs the mean power of a component's devices: the energy is too low by their number.\n\
        It is multiplied by the number of devices the log names, and shown; `--as-told` leaves it as it is.")]
    Carbontracker(CarbontrackerArgs),
    /// CSV files of CodeCarbon, of every set of columns it has had
    #[command(after_help = "Example: lowtide import codecarbon emissions.csv")]
    Codecarbon(Common),
}

/// What both take.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// A file, or a folder with all below it
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Name of the jobs the runs belong to; by default what the tool called them, else the file's or folder's name
    #[arg(long)]
    name: Option<String>,

    /// Project of the jobs the runs belong to; none by default
    #[arg(long)]
    project: Option<String>,

    /// Show what would be imported, and import nothing; needs no daemon
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CarbontrackerArgs {
    #[command(flatten)]
    common: Common,

    /// Take powers as they stand, also where they are known to be means over devices
    #[arg(long)]
    as_told: bool,
}

/// One run, or why there is none, and where it was read.
struct Found {
    file: PathBuf,
    /// Which of the file's runs, from 1 on, where it may hold more than one.
    row: Option<usize>,
    /// SHA-256 of what was read: the same file elsewhere is the same run.
    content: String,
    /// What to call it where the tool does not say.
    fallback_name: String,
    run: Result<ImportedRun, Refused>,
}

pub(crate) async fn run(tool: &Tool, context: &Context) -> Result<ExitCode, Failure> {
    let (common, found) = match tool {
        Tool::Carbontracker(args) => (&args.common, carbontracker::read(&args.common.path, !args.as_told)?),
        Tool::Codecarbon(common) => (common, codecarbon::read(&common.path)?),
    };
    let (runs, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.run.is_ok());
    let runs: Vec<(Found, ImportedRunView)> = runs
        .into_iter()
        .filter_map(|found| {
            let view = view(common, &found, found.run.as_ref().ok()?);
            Some((found, view))
        })
        .collect();
    let answer = if common.dry_run || runs.is_empty() { None } else { Some(send(&runs, context).await?) };
    if common.json {
        context.printer.json(&as_json(&runs, &refused, answer))?;
    } else {
        context.printer.data(&as_text(&runs, context))?;
        for (note, found, others) in notes(&runs) {
            let others = if others == 0 { String::new() } else { format!(" and {others} more") };
            context.printer.note(&format!("{}{others}: {note}", place(found)));
        }
        for found in &refused {
            if let Err(reason) = &found.run {
                context.printer.warning(&format!("{} is left out: {reason}", place(found)));
            }
        }
        context.printer.note(&summary(runs.len(), refused.len(), answer));
    }
    if runs.is_empty() {
        return Err(Failure::new(
            Kind::Invalid,
            format!("{} holds no run that can be imported", common.path.display()),
        )
        .hint("`lowtide import --help` says what is read; the reasons stand above"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A run as the daemon is told it.
fn view(common: &Common, found: &Found, run: &ImportedRun) -> ImportedRunView {
    let row = found.row.map_or_else(String::new, |row| format!("#{row}"));
    let name = common.name.clone().or_else(|| run.label.clone()).unwrap_or_else(|| found.fallback_name.clone());
    ImportedRunView {
        origin: format!("sha256:{}{row}", found.content),
        project: common.project.clone(),
        name,
        duration_s: run.duration.get(),
        energy_kwh: run.energy.kwh(),
        epochs: run.epochs_run,
        epochs_planned: run.epochs_planned,
        per_epoch: per_epoch(run).unwrap_or_default(),
    }
}

/// Its epochs, if each of those it ran was measured.
fn per_epoch(run: &ImportedRun) -> Option<Vec<ImportedEpochView>> {
    let all = u32::try_from(run.epochs.len()).ok() == run.epochs_run;
    let view = |epoch: &ImportedEpoch| {
        Some(ImportedEpochView { duration_s: epoch.duration.get(), energy_kwh: epoch.energy?.kwh() })
    };
    run.epochs.iter().map(view).collect::<Option<Vec<_>>>().filter(|_| all)
}

async fn send(runs: &[(Found, ImportedRunView)], context: &Context) -> Result<ImportAnswer, Failure> {
    let mut sum = ImportAnswer { taken: 0, known: 0 };
    for piece in runs.chunks(RUNS_A_REQUEST) {
        let request = ImportRequest { runs: piece.iter().map(|(_, view)| view.clone()).collect() };
        let answer = context.ask_or_start(async |client| client.import(&request).await).await?;
        sum = ImportAnswer { taken: sum.taken + answer.taken, known: sum.known + answer.known };
    }
    Ok(sum)
}

fn place(found: &Found) -> String {
    let row = found.row.map_or_else(String::new, |row| format!(", run {row}"));
    format!("{}{row}", found.file.display())
}

/// Each remark once, with the first run it is about and how many more there are.
fn notes(runs: &[(Found, ImportedRunView)]) -> Vec<(&str, &Found, usize)> {
    let mut notes: Vec<(&str, &Found, usize)> = Vec::new();
    for (found, _) in runs {
        for note in found.run.as_ref().map(|run| run.notes.as_slice()).unwrap_or_default() {
            match notes.iter_mut().find(|(known, ..)| known == note) {
                Some((.., others)) => *others += 1,
                None => notes.push((note, found, 0)),
            }
        }
    }
    notes
}

fn summary(runs: usize, refused: usize, answer: Option<ImportAnswer>) -> String {
    let left_out = if refused == 0 { String::new() } else { format!("; {refused} left out") };
    match answer {
        Some(ImportAnswer { taken, known: 0 }) => format!("{taken} imported{left_out}"),
        Some(ImportAnswer { taken, known }) => format!("{taken} imported, {known} were known{left_out}"),
        None => format!("{runs} could be imported{left_out}; nothing was"),
    }
}

fn as_text(runs: &[(Found, ImportedRunView)], context: &Context) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let columns = [
        Column::words("name", 0),
        Column::words("recorded by", 2),
        Column::words("began, local time", 3),
        Column::numbers("epochs", 1),
        Column::numbers("time", 0),
        Column::numbers("energy", 0),
        Column::numbers("told footprint", 4),
    ];
    let row = |(found, view): &(Found, ImportedRunView)| {
        let run = found.run.as_ref().ok()?;
        Some(vec![
            view.name.clone(),
            run.tool.clone(),
            run.began.clone().unwrap_or_default(),
            run.epochs_run.map_or_else(String::new, |epochs| epochs.to_string()),
            words::duration(view.duration_s),
            words::energy(view.energy_kwh),
            run.footprint.map_or_else(String::new, |grams| words::grams(grams.get())),
        ])
    };
    layout::table(&columns, &runs.iter().filter_map(row).collect::<Vec<_>>(), context.look())
}

fn as_json(runs: &[(Found, ImportedRunView)], refused: &[Found], answer: Option<ImportAnswer>) -> Value {
    let run = |(found, view): &(Found, ImportedRunView)| {
        let run = found.run.as_ref().ok()?;
        Some(json!({
            "file": found.file,
            "run": found.row,
            "name": view.name,
            "project": view.project,
            "tool": run.tool,
            "began_local": run.began,
            "epochs": run.epochs_run,
            "epochs_planned": run.epochs_planned,
            "stopped_early": run.stopped_early,
            "duration_s": run.duration.get(),
            "energy_kwh": run.energy.kwh(),
            "told_footprint_g": run.footprint.map(GramsCo2e::get),
            "per_epoch": run.epochs.iter().map(|epoch| json!({
                "duration_s": Seconds::get(epoch.duration),
                "energy_kwh": epoch.energy.map(Joules::kwh),
            })).collect::<Vec<_>>(),
            "notes": run.notes,
        }))
    };
    let out = |found: &Found| {
        let reason = found.run.as_ref().err()?;
        Some(json!({ "file": found.file, "run": found.row, "reason": reason.to_string() }))
    };
    json!({
        "runs": runs.iter().filter_map(run).collect::<Vec<_>>(),
        "refused": refused.iter().filter_map(out).collect::<Vec<_>>(),
        "imported": answer.map(|answer| answer.taken),
        "known": answer.map(|answer| answer.known),
    })
}

fn fingerprint(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name for runs of a file whose tool gave none.
fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "imported".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
