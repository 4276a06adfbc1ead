//! `lowtide plugin inspect PLUGIN`: what a plugin is, asks for, and says of itself.

use jiff::Timestamp;
use lowtide_model::forecast::Signal;
use lowtide_plugin_host::{Call, Grants, Manifest, NetworkFetcher};
use serde_json::{Value, json};

use super::subject::{Origin, Subject, rights};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::layout::{self, Field};

/// Show what a plugin is, what it asks for and what was granted
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin inspect ./my-grid.wasm")]
pub(crate) struct Args {
    /// Name of a plugin, or its `.wasm` file
    plugin: String,

    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let subject = Subject::find(&args.plugin, context)?;
    let (_host, plugin) = subject.load(context).await?;
    let fetcher = NetworkFetcher::new().map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    // It may reach nothing to say what it is.
    let call = Call {
        now: Timestamp::now(),
        config: std::collections::BTreeMap::new(),
        grants: Grants::default(),
        fetcher: std::sync::Arc::new(fetcher),
    };
    let info = plugin.describe(&call).await;
    let Manifest { id, version, api, description, hosts, zones, attribution, config, fetch: _ } = &subject.manifest;
    let granted = match &subject.origin {
        Origin::BuiltIn => Some(hosts.clone()),
        Origin::Installed(lock) => Some(lock.hosts.clone()),
        Origin::File(_) => None,
    };
    let origin = match &subject.origin {
        Origin::BuiltIn => "built-in".to_owned(),
        Origin::Installed(lock) => format!("installed from {} at {}", lock.installed_from, lock.installed_at),
        Origin::File(path) => format!("{}, not installed", path.display()),
    };
    if args.json {
        let signal = |signal: &Signal| if *signal == Signal::Average { "average" } else { "marginal" };
        let told = match &info {
            Ok(info) => json!({
                "zones": info.zones,
                "signals": info.signals.iter().map(signal).collect::<Vec<_>>(),
                "resolution_s": info.resolution.get(),
                "horizon_s": info.horizon.get(),
                "refresh_interval_s": info.refresh_interval.get(),
            }),
            Err(error) => json!({ "error": { "kind": error.kind(), "message": error.to_string() } }),
        };
        let settings: serde_json::Map<String, Value> = config
            .iter()
            .map(|(name, key)| {
                let value = json!({ "help": key.help, "default": key.default, "required": key.required,
                    "secret": key.secret });
                (name.clone(), value)
            })
            .collect();
        return context.printer.json(&json!({
            "id": id, "version": version, "api": api, "description": description, "origin": origin,
            "sha256": subject.sha256(), "bytes": subject.wasm.len(), "zones": zones, "hosts": hosts,
            "granted": granted, "attribution": attribution, "config": settings, "describes": told,
        }));
    }
    let mut fields = vec![
        Field::new("what", description),
        Field::new("origin", origin),
        Field::new("SHA-256", subject.sha256()),
        Field::new("size", format!("{} bytes", subject.wasm.len())),
        Field::new("contract", api),
        Field::new("zones", zones.join(", ")),
        Field::new("asks to", rights(&subject.manifest).join("; ")),
    ];
    if let Some(granted) = granted {
        let granted = if granted.is_empty() { "nothing".to_owned() } else { granted.join(", ") };
        fields.push(Field::new("may reach", granted));
    }
    match &info {
        Ok(info) => {
            let minutes = |seconds: f64| format!("{:.0} min", seconds / 60.0);
            fields.push(Field::new("values of", minutes(info.resolution.get())));
            fields.push(Field::new("ahead", format!("{:.0} h", info.horizon.hours())));
            fields.push(Field::new("asked every", minutes(info.refresh_interval.get())));
        }
        Err(error) => fields.push(Field::new("says of itself", format!("nothing: {error}"))),
    }
    if let Some(attribution) = attribution {
        fields.push(Field::new("data by", attribution));
    }
    let mut text = format!("{}\n", layout::clean(&format!("{id} {version}")));
    let fields: Vec<Field> = fields;
    text.push_str(&layout::fields(&fields, context.look().width));
    if !config.is_empty() {
        let settings: Vec<String> = config
            .iter()
            .map(|(name, key)| {
                let default = key.default.as_ref().map_or_else(String::new, |default| format!(" (default {default})"));
                let required = if key.required { ", required" } else { "" };
                let secret = if key.secret { ", secret" } else { "" };
                layout::clean(&format!("{name}{required}{secret}: {}{default}", key.help))
            })
            .collect();
        text.push_str("\nSettings\n");
        text.push_str(&layout::bullets(&settings, context.look().width));
    }
    context.printer.data(&text)
}
