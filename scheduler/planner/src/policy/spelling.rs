//! A policy as a file spells it, key by key: what is told of it can be read again.

use lowtide_model::job::Urgency;
use lowtide_model::quantity::Seconds;

use crate::policy::file::KEYS;
use crate::policy::timetable::Timetable;
use crate::policy::{CarbonLimit, LimitAction, Policy, Tier, Weights};

/// Keys and values in the order of the documentation. What has no value, such as a deadline that nobody set, is left out.
pub(super) fn spelled(policy: &Policy) -> Vec<(String, String)> {
    KEYS.iter().flat_map(|key| under(policy, key)).collect()
}

/// What a key of the file holds: itself, or the keys of its table.
fn under(policy: &Policy, key: &str) -> Vec<(String, String)> {
    match key {
        "weights" => weights(policy.weights),
        "limit" => policy.limit.map(limit).unwrap_or_default(),
        "urgency" => policy.urgency.iter().flat_map(|(urgency, said)| tier(*urgency, said)).collect(),
        _ => plain(policy, key).map(|value| (key.to_owned(), value)).into_iter().collect(),
    }
}

fn plain(policy: &Policy, key: &str) -> Option<String> {
    let switch = |on: bool| Some(on.to_string());
    match key {
        "description" => Some(quoted(&policy.description)),
        "objective" => Some(quoted(if policy.weights == Weights::CARBON { "carbon" } else { "weighted" })),
        "delay_grams_per_hour" => {
            let weights = policy.weights;
            (weights.ranks_by_footprint() && weights != Weights::CARBON).then(|| weights.grams_per_hour.to_string())
        }
        "deadline" => policy.deadline.map(duration),
        "max_delay" => policy.max_delay.map(duration),
        "sites" => list(policy.sites.iter().map(ToString::to_string)),
        "zones" => list(policy.zones.iter().map(ToString::to_string)),
        "windows" => timetables(&policy.windows),
        "blackouts" => timetables(&policy.blackouts),
        "delay" => switch(policy.delay),
        "route" => switch(policy.route),
        "pausable" => switch(policy.pausable),
        "minimum_saving" => Some(policy.minimum_saving.to_string()),
        "spread" => Some(policy.spread.to_string()),
        "probe_epochs" => Some(policy.probe_epochs.to_string()),
        _ => None,
    }
}

/// The weights, where `objective` and `delay_grams_per_hour` do not say them all.
fn weights(weights: Weights) -> Vec<(String, String)> {
    let Weights { carbon, grams_per_money, grams_per_hour } = weights;
    let keys = [("carbon", carbon), ("grams_per_money", grams_per_money), ("grams_per_hour", grams_per_hour)];
    let told = !weights.ranks_by_footprint();
    keys.into_iter().filter(|_| told).map(|(key, value)| (format!("weights.{key}"), value.to_string())).collect()
}

fn limit(limit: CarbonLimit) -> Vec<(String, String)> {
    let CarbonLimit { grams, action } = limit;
    let action = match action {
        LimitAction::Warn => "warn",
        LimitAction::Hold => "hold",
        LimitAction::Stop => "stop",
    };
    vec![("limit.grams".to_owned(), grams.get().to_string()), ("limit.action".to_owned(), quoted(action))]
}

fn tier(urgency: Urgency, said: &Tier) -> Vec<(String, String)> {
    let Tier { max_delay, minimum_saving, delay, pausable } = said;
    let keys = [
        ("max_delay", max_delay.map(duration)),
        ("minimum_saving", minimum_saving.map(|share| share.to_string())),
        ("delay", delay.map(|on| on.to_string())),
        ("pausable", pausable.map(|on| on.to_string())),
    ];
    let path = |key| format!("urgency.{}.{key}", urgency.name());
    keys.into_iter().filter_map(|(key, value)| Some((path(key), value?))).collect()
}

fn timetables(timetables: &[Timetable]) -> Option<String> {
    let spelled: Vec<String> = timetables.iter().map(window).collect();
    (!spelled.is_empty()).then(|| format!("[{}]", spelled.join(", ")))
}

fn window(timetable: &Timetable) -> String {
    let (cron, zone) = (timetable.expression(), timetable.zone_name());
    format!("{{ cron = \"{cron}\", duration = {}, zone = \"{zone}\" }}", duration(timetable.duration()))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn list(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.map(|name| quoted(&name)).collect();
    (!names.is_empty()).then(|| format!("[{}]", names.join(", ")))
}

/// In the largest unit that needs no fraction.
fn duration(length: Seconds) -> String {
    let seconds = length.get();
    let (scale, unit) = [(3600.0, "h"), (60.0, "min")]
        .into_iter()
        .find(|(scale, _)| (seconds / scale).fract() == 0.0)
        .unwrap_or((1.0, "s"));
    format!("\"{}{unit}\"", seconds / scale)
}
