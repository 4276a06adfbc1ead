//! Short listings: policies, plugins, sites, the daemon itself.

use std::fmt::Write as _;

use lowtide_api::v1::listing::{PluginView, PolicyView, SettingView, SiteView, Status};
use unicode_width::UnicodeWidthStr;

use super::layout::{self, Column, Field, Look};
use super::words::{self, Clock};

/// Settings longer than this do not move the column of where they come from.
const LONG_SETTING: usize = 50;

/// A table of policies; that of jobs which name none carries a `*`.
#[must_use]
pub(crate) fn policies(policies: &[PolicyView], look: Look) -> String {
    let columns = [Column::words("policy", 0), Column::words("what it is for", 0), Column::words("from", 1)];
    let row = |policy: &PolicyView| {
        let mark = if policy.default { " *" } else { "" };
        vec![format!("{}{mark}", policy.id), policy.description.clone(), policy.origin.clone()]
    };
    let others = policies.iter().filter_map(|policy| Some(format!("{} for {}\n", policy.id, whose(policy)?)));
    let mut text = layout::table(&columns, &policies.iter().map(row).collect::<Vec<_>>(), look);
    if policies.iter().any(|policy| policy.default) {
        text.push_str("\n* for jobs that name none\n");
    }
    text.extend(others);
    text
}

/// The users and projects whose jobs run under a policy when they name none.
fn whose(policy: &PolicyView) -> Option<String> {
    let part = |what: &str, names: &[String]| match names {
        [] => None,
        [name] => Some(format!("{what} {name}")),
        names => Some(format!("{what}s {}", names.join(", "))),
    };
    let parts = [part("user", &policy.default_of_users), part("project", &policy.default_of_projects)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("jobs of {} that name none", parts.join(" and ")))
}

/// A policy and its settings, as its file spells them.
#[must_use]
pub(crate) fn policy(policy: &PolicyView) -> String {
    let PolicyView { id, origin, default, extends, settings, .. } = policy;
    let whose = whose(policy).map(|whose| format!(", for {whose}"));
    let default =
        if *default { ", for jobs that name none".to_owned() } else { String::new() } + &whose.unwrap_or_default();
    let extends = if extends.is_empty() { String::new() } else { format!(", extends {}", extends.join(", ")) };
    let mut text = format!("# {id} ({origin}{default}{extends})\n");
    let lines: Vec<(String, &str)> = settings
        .iter()
        .map(|SettingView { key, value, from }| (format!("{key} = {value}"), from.as_deref().unwrap_or("default")))
        .collect();
    let width = lines.iter().map(|(line, _)| line.width()).filter(|width| *width < LONG_SETTING).max().unwrap_or(0);
    for (line, from) in lines {
        let gap = width.saturating_sub(line.width());
        let _ = writeln!(text, "{line}{:gap$}  # {from}", "");
    }
    text
}

/// Plugins, each in a few lines.
#[must_use]
pub(crate) fn plugins(plugins: &[PluginView], look: Look) -> String {
    let mut text = String::new();
    for plugin in plugins {
        let PluginView { id, version, description, origin, hosts, serves, sha256: _ } = plugin;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&layout::clean(&format!("{id} {version} ({origin})")));
        text.push('\n');
        let nothing = || "nothing".to_owned();
        let mut fields = vec![
            Field::new("what", description),
            Field::new("may reach", if hosts.is_empty() { nothing() } else { hosts.join(", ") }),
        ];
        if !serves.is_empty() {
            fields.push(Field::new("serves", serves.join(", ")));
        }
        text.push_str(&layout::fields(&fields, look.width));
    }
    text
}

/// Sites, each in a few lines.
#[must_use]
pub(crate) fn sites(sites: &[SiteView], look: Look) -> String {
    let mut text = String::new();
    for site in sites {
        let SiteView {
            id,
            zone,
            zone_origin,
            executor,
            cpus,
            gpus,
            cpus_used,
            gpus_used,
            pue,
            power_caps_w,
            plugin,
            intensity_g_per_kwh,
            intensity_kind,
            problem,
        } = site;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&layout::clean(&format!("{id} ({executor})")));
        text.push('\n');
        let gpus = if *gpus == 0 { String::new() } else { format!(", {gpus_used} of {gpus} GPUs") };
        let mut fields = vec![
            Field::new("zone", zone).remark(zone_origin),
            Field::new("in use", format!("{cpus_used} of {cpus} CPUs{gpus}")),
        ];
        if let Some(intensity) = intensity_g_per_kwh {
            let kind = intensity_kind.as_deref().map(words::intensity_kind).unwrap_or_default();
            let teller = plugin.as_ref().map(|plugin| format!(", {plugin}")).unwrap_or_default();
            fields.push(Field::new("intensity", words::intensity(*intensity)).remark(format!("{kind}{teller}")));
        }
        if 1.0 < *pue {
            fields.push(Field::new("PUE", words::significant(*pue)));
        }
        if !power_caps_w.is_empty() {
            let watts: Vec<String> = power_caps_w.iter().map(u32::to_string).collect();
            fields.push(Field::new("power caps", format!("{} W a GPU", watts.join(", "))));
        }
        fields.extend(problem.as_ref().map(|problem| Field::new("problem", problem)));
        text.push_str(&layout::fields(&fields, look.width));
    }
    text
}

/// The daemon itself.
#[must_use]
pub(crate) fn status(status: &Status, clock: &Clock, look: Look) -> String {
    let Status {
        pid,
        socket,
        version,
        state_directory,
        config,
        now,
        time_scale,
        started_at,
        jobs_open,
        jobs_running,
        warnings,
    } = status;
    let mut fields = vec![
        Field::new("socket", socket),
        Field::new("state", state_directory),
        Field::new("config", config.as_deref().unwrap_or("none: the defaults")),
        Field::new("started", words::moment(*started_at, clock)),
        Field::new("jobs", format!("{jobs_open} not yet over, {jobs_running} of them running")),
    ];
    if (time_scale - 1.0).abs() > f64::EPSILON {
        let scale = format!("{} times as fast as the wall's; it shows {now}", words::significant(*time_scale));
        fields.push(Field::new("clock", scale));
    }
    fields.extend(warnings.iter().map(|warning| Field::new("warning", warning)));
    format!("lowtide {version} runs as process {pid}\n{}", layout::fields(&fields, look.width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn a_site_says_how_it_knows_what_it_says() {
        let site = SiteView {
            id: "local".to_owned(),
            zone: "DE".to_owned(),
            zone_origin: "from the system's time zone Europe/Berlin".to_owned(),
            executor: "local".to_owned(),
            cpus: 8,
            gpus: 1,
            cpus_used: 2,
            gpus_used: 0,
            pue: 1.2,
            power_caps_w: vec![250, 200],
            plugin: Some("energy-charts".to_owned()),
            intensity_g_per_kwh: Some(381.4),
            intensity_kind: Some("static".to_owned()),
            problem: Some("energy-charts did not answer in time".to_owned()),
        };
        insta::assert_snapshot!(sites(&[site], testing::look(80)), @r"
        local (local)
          zone        DE           from the system's time zone Europe/Berlin
          in use      2 of 8 CPUs, 0 of 1 GPUs
          intensity   381 g/kWh    annual mean, energy-charts
          PUE         1.2
          power caps  250, 200 W a GPU
          problem     energy-charts did not answer in time
        ");
    }

    #[test]
    fn a_plugin_says_what_it_may_reach() {
        let plugin = PluginView {
            id: "gb-neso".to_owned(),
            version: "0.1.0".to_owned(),
            description: "Great Britain: national, regional and by postcode, with a 48 h forecast".to_owned(),
            origin: "built-in".to_owned(),
            hosts: vec!["api.carbonintensity.org.uk".to_owned()],
            serves: vec!["GB".to_owned()],
            sha256: String::new(),
        };
        insta::assert_snapshot!(plugins(&[plugin], testing::look(60)), @r"
        gb-neso 0.1.0 (built-in)
          what       Great Britain: national, regional and by
                     postcode, with a 48 h forecast
          may reach  api.carbonintensity.org.uk
          serves     GB
        ");
    }

    #[test]
    fn the_default_policy_is_marked() {
        let policy = PolicyView {
            id: "patient".to_owned(),
            description: "Wait up to a day for cleaner hours; pause and go on where the job can".to_owned(),
            origin: "built-in".to_owned(),
            default: true,
            default_of_users: vec!["ada".to_owned(), "bob".to_owned()],
            default_of_projects: vec!["vision".to_owned()],
            extends: vec!["patient".to_owned()],
            settings: vec![
                SettingView {
                    key: "max_delay".to_owned(),
                    value: "\"24h\"".to_owned(),
                    from: Some("patient".to_owned()),
                },
                SettingView { key: "route".to_owned(), value: "false".to_owned(), from: None },
            ],
        };
        insta::assert_snapshot!(policies(std::slice::from_ref(&policy), testing::look(60)), @r"
        policy     what it is for
        patient *  Wait up to a day for cleaner hours; pause and go…

        * for jobs that name none
        patient for jobs of users ada, bob and project vision that name none
        ");
        insta::assert_snapshot!(super::policy(&policy), @r#"
        # patient (built-in, for jobs that name none, for jobs of users ada, bob and project vision that name none, extends patient)
        max_delay = "24h"  # patient
        route = false      # default
        "#);
    }
}
