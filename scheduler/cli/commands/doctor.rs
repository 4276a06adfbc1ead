//! `lowtide doctor`: what works here and what does not, each with the way to mend it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use lowtide_api::client::ClientError;
use lowtide_daemon::config::Configuration;
use lowtide_meters::{Condition, MeterConfig};
use serde::Serialize;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::layout::{self, Look};

/// Look for what is wrong: meters, daemon, state, configuration, plugins, disk
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide doctor\n\nExit code 0 unless something fails. It changes nothing.")]
pub(crate) struct Args {
    /// Print `{"findings": […]}` instead of text
    #[arg(long)]
    json: bool,
}

/// Free space below which something is said, and below which nothing works for long.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;
const NO_SPACE_BYTES: u64 = 50 << 20;

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    area: &'static str,
    subject: String,
    verdict: Verdict,
    detail: String,
    fix: Option<String>,
}

impl Finding {
    fn new(area: &'static str, subject: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { area, subject: subject.into(), verdict, detail: detail.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let mut findings = vec![state(context), disk(context), configuration(context)];
    findings.extend(daemon(context).await);
    let meters = MeterConfig::from_environment(|name| std::env::var(name).ok());
    findings.extend(lowtide_meters::survey(&meters).into_iter().map(meter));
    if args.json {
        context.printer.json(&serde_json::json!({ "findings": findings }))?;
    } else {
        context.printer.data(&text(&findings, context.look()))?;
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The nearest directory that is there: what will be made is made in it.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn state(context: &Context) -> Finding {
    let path = context.state.path();
    let finding = |verdict, detail: &str| Finding::new("state", path.display().to_string(), verdict, detail);
    let there = nearest(path);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    if !there.is_dir() {
        return finding(Verdict::Fail, "cannot be made: there is a file in its place")
            .fix("name another place with `--state-dir` or LOWTIDE_STATE_DIR");
    }
    match rustix::fs::access(there, access) {
        Ok(()) if there == path => finding(Verdict::Ok, "can be written"),
        Ok(()) => finding(Verdict::Ok, "is made at the first start"),
        Err(_) => finding(Verdict::Fail, "cannot be written")
            .fix(format!("make {} writable, or name another place with `--state-dir`", there.display())),
    }
}

fn disk(context: &Context) -> Finding {
    let there = nearest(context.state.path());
    match rustix::fs::statvfs(there) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let detail = format!("{} free", size(free));
            let verdict = match free {
                free if free < NO_SPACE_BYTES => Verdict::Fail,
                free if free < LITTLE_SPACE_BYTES => Verdict::Warn,
                _ => Verdict::Ok,
            };
            let finding = Finding::new("disk", there.display().to_string(), verdict, detail);
            if verdict == Verdict::Ok {
                finding
            } else {
                finding.fix("make room: jobs' output and the queue are kept there")
            }
        }
        Err(error) => {
            Finding::new("disk", there.display().to_string(), Verdict::Warn, format!("cannot be asked: {error}"))
        }
    }
}

fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1_u32 << 30);
    if gib < 1.0 { format!("{:.0} MiB", gib * 1024.0) } else { format!("{gib:.1} GiB") }
}

fn configuration(context: &Context) -> Finding {
    let Some(path) = &context.config else {
        return Finding::new(
            "config",
            "none",
            Verdict::Ok,
            "the defaults hold: one local site, its zone from the time zone",
        );
    };
    let finding = |verdict, detail: String| Finding::new("config", path.display().to_string(), verdict, detail);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return finding(Verdict::Fail, format!("cannot be read: {error}")).fix("check the path and its rights");
        }
    };
    match Configuration::parse(&text, path.parent().unwrap_or(Path::new("/"))) {
        Ok(_) => finding(Verdict::Ok, "is well-formed".to_owned()),
        Err(error) => {
            finding(Verdict::Fail, error.to_string().trim_end().to_owned()).fix("mend it: no daemon starts with it")
        }
    }
}

/// The daemon, what it warns of, its plugins, its sites. None is started for this.
async fn daemon(context: &Context) -> Vec<Finding> {
    let client = context.client();
    let status = match client.status().await {
        Ok(status) => status,
        Err(ClientError::Unreachable { .. }) => {
            return vec![Finding::new("daemon", "none runs", Verdict::Ok, "the next command that needs one starts it")];
        }
        Err(error) => {
            let finding =
                Finding::new("daemon", context.socket().display().to_string(), Verdict::Fail, error.to_string());
            return vec![finding.fix("`lowtide daemon stop`, then try again")];
        }
    };
    let mut findings = Vec::new();
    let same = status.version == env!("CARGO_PKG_VERSION");
    let detail = format!("version {}, answers", status.version);
    let finding = Finding::new(
        "daemon",
        format!("process {}", status.pid),
        if same { Verdict::Ok } else { Verdict::Warn },
        detail,
    );
    findings.push(if same {
        finding
    } else {
        finding.fix("`lowtide daemon stop`: the next command starts this version's; running jobs go on")
    });
    findings.extend(status.warnings.into_iter().map(|warning| Finding::new("daemon", "warns", Verdict::Warn, warning)));
    match client.plugins().await {
        Ok(known) => {
            let detail = known.plugins.iter().map(|plugin| plugin.id.as_str()).collect::<Vec<_>>().join(", ");
            findings.push(Finding::new("plugins", format!("{} loaded", known.plugins.len()), Verdict::Ok, detail));
        }
        Err(error) => findings.push(Finding::new("plugins", "none", Verdict::Fail, error.to_string())),
    }
    match client.sites().await {
        Ok(known) => findings.extend(known.sites.into_iter().map(|site| {
            let subject = format!("{} in {}", site.id, site.zone);
            match site.problem {
                Some(problem) => Finding::new("site", subject, Verdict::Warn, problem).fix(
                    "jobs run there all the same; [zones] in the configuration names another plugin or annual mean",
                ),
                None => {
                    let teller =
                        site.plugin.map_or_else(|| "no plugin".to_owned(), |plugin| format!("told by {plugin}"));
                    Finding::new("site", subject, Verdict::Ok, teller)
                }
            }
        })),
        Err(error) => findings.push(Finding::new("site", "none", Verdict::Fail, error.to_string())),
    }
    findings
}

fn meter(found: lowtide_meters::Finding) -> Finding {
    let lowtide_meters::Finding { subject, condition, detail, fix } = found;
    // A missing counter costs precision, never a job: it is no failure.
    let verdict = match (condition, &fix) {
        (Condition::Readable, _) | (Condition::Absent, None) => Verdict::Ok,
        (Condition::Unreadable, _) | (Condition::Absent, Some(_)) => Verdict::Warn,
    };
    Finding { area: "meter", subject, verdict, detail, fix }
}

fn text(findings: &[Finding], look: Look) -> String {
    let mut text = String::new();
    for Finding { area, subject, verdict, detail, fix } in findings {
        let head = format!("{:<4}  {area}: {subject}", verdict.name());
        text.push_str(&layout::clean(&head));
        text.push('\n');
        for paragraph in detail.lines() {
            for line in layout::wrap(paragraph, look.width.saturating_sub(6)) {
                text.push_str(format!("      {}", layout::clean(&line)).trim_end());
                text.push('\n');
            }
        }
        if let Some(fix) = fix {
            // Not wrapped: it is to be copied.
            let _ = writeln!(text, "      fix: {fix}");
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (warnings, failures) = (count(Verdict::Warn), count(Verdict::Fail));
    let verdict = match (warnings, failures) {
        (0, 0) => "Everything works".to_owned(),
        (_, 0) => format!("{warnings} to look at; jobs run all the same"),
        (_, _) => format!("{failures} failed, {warnings} to look at"),
    };
    text + "\n" + &verdict + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_what_to_do() {
        let findings = [
            Finding::new("state", "/home/ada/.local/state/lowtide", Verdict::Ok, "can be written"),
            Finding::new("meter", "RAPL package-0", Verdict::Warn, "permission denied; modelled instead")
                .fix("sudo chmod a+r …"),
        ];
        insta::assert_snapshot!(text(&findings, Look { width: 60, color: false }), @r"
        ok    state: /home/ada/.local/state/lowtide
              can be written
        warn  meter: RAPL package-0
              permission denied; modelled instead
              fix: sudo chmod a+r …

        1 to look at; jobs run all the same
        ");
    }

    #[test]
    fn a_machine_without_counters_is_not_broken() {
        let absent = lowtide_meters::Finding {
            subject: "RAPL".to_owned(),
            condition: Condition::Absent,
            detail: "no zone".to_owned(),
            fix: None,
        };
        assert_eq!(meter(absent).verdict, Verdict::Ok);
    }
}
