//! What the demo shows while it runs: a board that moves on a terminal, and a line for every event. Text only; nothing
//! here asks or prints.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::v1::job::JobView;
use lowtide_api::v1::listing::SiteView;
use lowtide_model::quantity::Seconds;
use unicode_width::UnicodeWidthStr;

use super::grid::GridDay;
use crate::output::words;

/// A start this much before the planned one is worth a word.
const EARLY_HOURS: f64 = 0.5;

/// The demo's clock as people read it. Its sites lie in two time zones, so it is UTC.
pub(super) fn hour(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

/// All that is so at a moment.
pub(super) fn board(now: Timestamp, day: &GridDay, sites: &[SiteView], jobs: &[JobView]) -> String {
    let mut lines = vec![format!("{} UTC, the coming 24 hours:", hour(now))];
    let widest = |names: Vec<&str>| names.into_iter().map(UnicodeWidthStr::width).max().unwrap_or(0);
    let (names, zones) = (
        widest(sites.iter().map(|site| site.id.as_str()).chain(jobs.iter().map(|job| job.name.as_str())).collect()),
        widest(sites.iter().map(|site| site.zone.as_str()).collect()),
    );
    for SiteView { id, zone, .. } in sites {
        let tide = day.tide(zone, now).unwrap_or_default();
        let intensity = day.at(zone, now).map(words::intensity).unwrap_or_default();
        lines.push(format!("  {id:<names$}  {zone:<zones$}  {tide}  {intensity} now"));
    }
    for job in jobs {
        let name = &job.name;
        lines.push(format!("  {name:<names$}  {}", standing(job)));
    }
    lines.join("\n")
}

/// Where a job stands, in a few words.
fn standing(job: &JobView) -> String {
    let epochs = match (job.epochs_done, job.epochs_total) {
        (0, _) => String::new(),
        (done, Some(total)) => format!(", {done} of {total} epochs done"),
        (done, None) => format!(", {done} epochs done"),
    };
    let state = &job.state;
    let what = match state.as_str() {
        "held" | "waiting" | "paused" => match next(job) {
            Some((site, start)) => format!("{state} until {} at {site}", hour(start)),
            None => state.clone(),
        },
        "starting" | "running" | "pausing" => match job.attempts.last() {
            Some(attempt) => format!("{state} at {}", attempt.site),
            None => state.clone(),
        },
        _ => state.clone(),
    };
    what + &epochs
}

/// Where and when the plan lets a job run next.
fn next(job: &JobView) -> Option<(&str, Timestamp)> {
    let segment = job.plan.as_ref()?.segments.first()?;
    Some((&segment.site, segment.start))
}

/// What has happened to a job since it was looked at last, a sentence each.
pub(super) fn events(before: Option<&JobView>, job: &JobView) -> Vec<String> {
    let mut events = Vec::new();
    let name = &job.name;
    if before.is_none() {
        if let Some(first) = job.estimates.first() {
            let source = words::source(&first.source, first.after_epoch);
            let (footprint, energy) = (words::footprint(&first.footprint_g), words::energy(first.energy_kwh.median));
            events.push(format!("{name}: queued under `{}`; expected {footprint}, {energy} ({source})", job.policy));
        }
        if let Some((site, start)) = next(job)
            && job.state == "waiting"
            && job.submitted_at < start
        {
            let at_once = job.plan.as_ref().and_then(|plan| plan.run_now.as_ref());
            let instead = at_once.map(|other| format!(", at once it would be {}", words::grams(other.footprint_g)));
            events.push(format!("{name}: waits until {} at {site}{}", hour(start), instead.unwrap_or_default()));
        }
    }
    let seen_attempts = before.map_or(0, |before| before.attempts.len());
    let (seen_epochs, seen_state) = before.map_or((0, ""), |before| (before.epochs.len(), before.state.as_str()));
    for attempt in job.attempts.iter().skip(seen_attempts) {
        let how = if attempt.number == 1 { "starts" } else { "goes on from its checkpoint" };
        // A plan is made anew with every forecast: what seemed worth a wait may not be worth the rest of it.
        let planned = before.and_then(next).map(|(_, planned)| planned);
        let early = planned.filter(|planned| EARLY_HOURS < Seconds::between(attempt.start, *planned).hours());
        let early = early.map(|planned| format!(", before the planned {}: waiting on saves too little", hour(planned)));
        events.push(format!("{name}: {how} at {}{}", attempt.site, early.unwrap_or_default()));
    }
    for epoch in job.epochs.iter().skip(seen_epochs) {
        let of = job.epochs_total.map(|total| format!(" of {total}")).unwrap_or_default();
        let (energy, source) = (words::energy(epoch.energy_kwh), words::energy_source(&epoch.energy_source));
        let took = words::duration(epoch.duration_s);
        events.push(format!("{name}: epoch {}{of} in {took}, {energy} ({source})", epoch.index));
    }
    let measured = |job: &JobView| job.estimates.iter().find(|estimate| 0 < estimate.after_epoch).cloned();
    if before.and_then(measured).is_none()
        && let Some(estimate) = measured(job)
    {
        let source = words::source(&estimate.source, estimate.after_epoch);
        let (footprint, energy) = (words::footprint(&estimate.footprint_g), words::energy(estimate.energy_kwh.median));
        events.push(format!("{name}: now expected {footprint}, {energy} ({source})"));
    }
    if seen_state != job.state {
        events.extend(change(job));
    }
    events
}

/// What its new state means, where its attempts do not tell already.
fn change(job: &JobView) -> Option<String> {
    let name = &job.name;
    match job.state.as_str() {
        "pausing" => Some(format!("{name}: is asked to leave a checkpoint")),
        "paused" => {
            let until = next(job).map(|(site, start)| format!(" until {} at {site}", hour(start)));
            Some(format!("{name}: paused after epoch {}{}", job.epochs_done, until.unwrap_or_default()))
        }
        "succeeded" => Some(format!("{name}: done")),
        "held" | "failed" | "cancelled" | "lost" => {
            let detail = job.state_detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            Some(format!("{name}: {}{detail}", job.state))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::{at, running, succeeded, waiting};

    #[test]
    fn each_event_is_told_once() {
        let (queued, started, ended) = (waiting(), running(), succeeded());
        insta::assert_snapshot!(events(None, &queued).join("\n"), @r"
        train.py: queued under `follow-the-tide`; expected 1.8 kgCO2e (1.3–2.6), 6.2 kWh (from earlier jobs like it)
        train.py: waits until 21:30 at north, at once it would be 3.1 kg
        ");
        insta::assert_snapshot!(events(Some(&queued), &started).join("\n"), @r"
        train.py: starts at north, before the planned 21:30: waiting on saves too little
        train.py: epoch 1 of 90 in 6 min, 70 Wh (measured)
        train.py: epoch 2 of 90 in 6 min, 70 Wh (measured)
        train.py: epoch 3 of 90 in 6 min, 70 Wh (measured)
        train.py: now expected 1.75 kgCO2e (1.6–1.9), 6.3 kWh (measured over 3 epochs)
        ");
        insta::assert_snapshot!(events(Some(&started), &ended).join("\n"), @r"
        train.py: done
        ");
        assert_eq!(events(Some(&started), &started), Vec::<String>::new());
    }

    #[test]
    fn a_pause_and_its_end_are_told() {
        let running = running();
        let mut paused = running.clone();
        paused.state = "paused".to_owned();
        insta::assert_snapshot!(events(Some(&running), &paused).join("\n"), @r"
        train.py: paused after epoch 3 until 21:30 at north
        ");
        let mut resumed = running.clone();
        let mut attempt = resumed.attempts[0].clone();
        attempt.number = 2;
        resumed.attempts.push(attempt);
        insta::assert_snapshot!(events(Some(&paused), &resumed).join("\n"), @r"
        train.py: goes on from its checkpoint at north, before the planned 21:30: waiting on saves too little
        ");
    }

    #[test]
    fn the_board_tells_where_all_stands() {
        let site = |id: &str, zone: &str| SiteView {
            id: id.to_owned(),
            zone: zone.to_owned(),
            zone_origin: String::new(),
            executor: "local".to_owned(),
            cpus: 2,
            gpus: 0,
            cpus_used: 0,
            gpus_used: 0,
            pue: 1.0,
            power_caps_w: Vec::new(),
            plugin: None,
            intensity_g_per_kwh: None,
            intensity_kind: None,
            problem: None,
        };
        let sites = [site("home", "US-CAL-CISO"), site("away", "DE")];
        let jobs = [waiting(), running(), succeeded()];
        let board = board(at("2021-08-16T14:30:00Z"), &GridDay::built_in(), &sites, &jobs);
        insta::assert_snapshot!(board, @r"
        14:30 UTC, the coming 24 hours:
          home      US-CAL-CISO  ▄▂▁▁▁▁▁▁▁▂▂▄▅▆▆▆▅▅▅▅▅▅▅▅  300 g/kWh now
          away      DE           ▄▄▆▇█████▇▇▇▇▇██▇▆▅▄▄▃▃▃  284 g/kWh now
          train.py  waiting until 21:30 at north
          train.py  running at north, 3 of 90 epochs done
          train.py  succeeded, 3 of 90 epochs done
        ");
    }
}
