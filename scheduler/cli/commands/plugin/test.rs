//! `lowtide plugin test PLUGIN`: asks a plugin once, of a recording, of the live service while recording it, or of nothing but
//! granted files; in the very host the daemon has.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lowtide_api::v1::forecast::{Series, SeriesList};
use lowtide_model::forecast::Signal;
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;
use lowtide_plugin_host::{
    Call, Fetcher, Grants, Manifest, NetworkFetcher, PluginError, Query, RecordingFetcher, ReplayFetcher, Usage,
};

use super::subject::Subject;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::layout;

/// What stands for a required setting, such as a key, that a recording does not need.
const NOT_NEEDED: &str = "not-needed-for-a-recording";
/// How far a plugin is asked where nobody says.
const DEFAULT_HOURS: f64 = 24.0;

/// Ask a plugin once and show what it tells; needs no daemon
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lowtide plugin test ./my-grid.wasm --replay replay --zone DE --now 2026-01-01T00:00Z\n  \
    lowtide plugin test ./my-grid.wasm --record replay --zone DE --config api-key=…\n\n\
    A replay folder holds replay.json, a list of {\"url\", \"status\", \"headers\", \"body\": file}."
)]
pub(crate) struct Args {
    /// Name of a plugin, or its `.wasm` file
    plugin: String,

    /// Answer its requests from this folder
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,

    /// Ask the live service and keep its answers in this folder, without secrets
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    record: Option<PathBuf>,

    /// Zone to ask for; may be repeated
    #[arg(long, value_name = "ZONE", required = true)]
    zone: Vec<String>,

    /// From this time on; --now by default
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Up to this time; a day later by default
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// The time the plugin takes it to be
    #[arg(long, value_name = "TIME")]
    now: Option<String>,

    /// A setting
    #[arg(id = "setting", long = "config", value_name = "KEY=VALUE")]
    config: Vec<String>,

    // `--config` is a plugin's setting here. An argument of the id of the global flag takes that flag's place in this
    // verb, and hands its value up to it.
    /// Configuration file, which is `--config` elsewhere
    #[arg(id = "config", long = "config-file", help_heading = crate::args::GLOBAL, value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// A file it may read, by the name it knows it by
    #[arg(long, value_name = "NAME=FILE")]
    asset: Vec<String>,

    /// A host it may reach beyond those it asks for
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,

    /// average or marginal; the first it tells by default
    #[arg(long, value_name = "SIGNAL", value_parser = ["average", "marginal"])]
    signal: Option<String>,

    /// Print `{"series": […]}`, or `{"error": {"kind", "message"}}`
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let subject = Subject::find(&args.plugin, context)?;
    let now = args.now.as_deref().map(time).transpose()?.unwrap_or_else(Timestamp::now);
    let start = args.from.as_deref().map(time).transpose()?.unwrap_or(now);
    let end = args.to.as_deref().map(time).transpose()?.unwrap_or(Seconds::from_hours(DEFAULT_HOURS).after(start));
    let window = Window::new(start, end).map_err(|error| Failure::invalid(format!("--from and --to: {error}")))?;
    let zone = |name: &String| ZoneId::new(name.clone()).map_err(|error| Failure::invalid(format!("--zone: {error}")));
    let zones = args.zone.iter().map(zone).collect::<Result<Vec<ZoneId>, Failure>>()?;
    let config = settings(args, &subject.manifest)?;
    let recorder = recorder(args, &subject.manifest, &config)?;
    let mut hosts = subject.manifest.hosts.clone();
    hosts.extend(args.allow_host.iter().cloned());
    let fetcher: Arc<dyn Fetcher> = match (&args.replay, &recorder) {
        (Some(folder), _) => {
            let replay = ReplayFetcher::open(folder).map_err(|error| {
                Failure::invalid(error.to_string()).hint("`--record DIR` makes such a folder from the live service")
            })?;
            // A recording answers for its own hosts; the live service is reached only by what the manifest asks and the
            // caller allows.
            hosts.extend(replay.origins());
            Arc::new(replay)
        }
        (None, Some(recorder)) => recorder.clone(),
        (None, None) => Arc::new(network()?),
    };
    let assets = pairs(&args.asset, "--asset")?.map(|(name, path)| (name, PathBuf::from(path))).collect();
    let call = Call { now, config, grants: Grants { hosts, assets }, fetcher };

    let (_host, plugin) = subject.load(context).await?;
    let signal = match args.signal.as_deref() {
        Some("marginal") => Signal::Marginal,
        Some(_) => Signal::Average,
        None => {
            let set = call.config.get("signal").map(String::as_str) == Some("marginal");
            let told = plugin.describe(&call).await.ok().and_then(|info| info.signals.first().copied());
            if set { Signal::Marginal } else { told.unwrap_or(Signal::Average) }
        }
    };
    let begun = Instant::now();
    let (told, usage) = plugin.series_measured(&Query { zones, signal, window }, &call).await;
    let took = begun.elapsed();
    match told {
        Err(error) => refused(&error, args.json, context),
        Ok(forecasts) => {
            let list = SeriesList { series: forecasts.iter().map(Series::of).collect() };
            if args.json {
                context.printer.json(&list)?;
            } else {
                context.printer.data(&text(&list, &usage, took, context))?;
            }
            if let Some((recorder, folder)) = recorder.zip(args.record.as_ref()) {
                let answers = recorder.answers();
                context.printer.note(&format!(
                    "{answers} answers are kept in {}; they are found again with --replay, --from {start}, --to {end} and --now {now}",
                    folder.display()
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A plugin's own refusal is the result of the test: with `--json` it is data.
fn refused(error: &PluginError, json: bool, context: &Context) -> Result<ExitCode, Failure> {
    if !json {
        return Err(Failure::new(Kind::Unavailable, format!("{}: {error}", error.kind())));
    }
    let mut value = serde_json::json!({ "kind": error.kind(), "message": error.to_string() });
    if let Some(pause) = error.retry_after() {
        value["retry_after_s"] = pause.as_secs().into();
    }
    context.printer.json(&serde_json::json!({ "error": value }))?;
    Ok(ExitCode::FAILURE)
}

fn text(list: &SeriesList, usage: &Usage, took: std::time::Duration, context: &Context) -> String {
    let mut text = String::new();
    for series in &list.series {
        let Series { zone, signal, basis, accounting, points, .. } = series;
        text.push_str(&layout::clean(&format!("{zone}: {signal}, {basis}, {accounting}; {} values", points.len())));
        text.push('\n');
        let rows: Vec<Vec<String>> = points
            .iter()
            .map(|point| {
                let band = point.low.zip(point.high).map(|(low, high)| format!("{low:.0} to {high:.0}"));
                let minutes = Seconds::between(point.start, point.end).get() / 60.0;
                vec![
                    point.start.to_string(),
                    format!("{minutes:.0} min"),
                    format!("{:.1}", point.intensity_g_per_kwh),
                    band.unwrap_or_default(),
                    point.kind.clone(),
                ]
            })
            .collect();
        let columns = [
            layout::Column::words("start", 0),
            layout::Column::numbers("length", 2),
            layout::Column::numbers("g/kWh", 0),
            layout::Column::words("90 % band", 3),
            layout::Column::words("kind", 1),
        ];
        text.push_str(&layout::table(&columns, &rows, context.look()));
        text.push('\n');
    }
    if list.series.is_empty() {
        text.push_str("It tells nothing of these zones and this time.\n");
    }
    let milliseconds = took.as_secs_f64() * 1000.0;
    let kilobytes = usage.memory_bytes / 1024;
    let requests = if usage.fetches == 1 { "request" } else { "requests" };
    let fetches = usage.fetches;
    format!("{text}{fetches} {requests}, {kilobytes} KiB of memory, {milliseconds:.1} ms\n")
}

fn settings(args: &Args, manifest: &Manifest) -> Result<BTreeMap<String, String>, Failure> {
    let mut config: BTreeMap<String, String> = pairs(&args.config, "--config")?.collect();
    if args.replay.is_some() {
        // A recording asks for no key and no account.
        for (name, _) in manifest.config.iter().filter(|(_, key)| key.required) {
            config.entry(name.clone()).or_insert_with(|| NOT_NEEDED.to_owned());
        }
    }
    Ok(config)
}

fn recorder(
    args: &Args,
    manifest: &Manifest,
    config: &BTreeMap<String, String>,
) -> Result<Option<Arc<RecordingFetcher>>, Failure> {
    let Some(folder) = &args.record else { return Ok(None) };
    let secrets = manifest.config.iter().filter(|(_, key)| key.secret);
    let secrets = secrets.filter_map(|(name, _)| config.get(name)).cloned().collect();
    let recorder = RecordingFetcher::new(Arc::new(network()?), folder, secrets);
    let recorder =
        recorder.map_err(|error| Failure::io(format!("the folder {} cannot be made", folder.display()), &error))?;
    Ok(Some(Arc::new(recorder)))
}

fn network() -> Result<NetworkFetcher, Failure> {
    NetworkFetcher::new().map_err(|error| Failure::new(Kind::Internal, error.to_string()))
}

fn pairs<'a>(given: &'a [String], flag: &str) -> Result<impl Iterator<Item = (String, String)> + 'a, Failure> {
    if let Some(odd) = given.iter().find(|pair| !pair.contains('=')) {
        return Err(Failure::invalid(format!("{flag} {odd}: there is no `=`")).hint(format!("{flag} KEY=VALUE")));
    }
    Ok(given.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())))
}

/// A time in RFC 3339, its seconds optional: providers and people leave them out.
fn time(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|_| Failure::invalid(format!("`{text}` is no time")).hint("write it as 2026-01-31T18:00Z"))
}
