//! Verbs and global flags. What a single verb takes stands in that verb's own file.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::printer::ColorWhen;

/// The scheduler that waits for the low tide of the grid.
///
/// lowtide queues training jobs, measures their first epochs, predicts their carbon footprint, and runs them when and
/// where the grid is cleanest, within what you allow. Alone, it lists your jobs.
#[derive(Debug, Parser)]
#[command(
    name = "lowtide",
    version,
    max_term_width = 100,
    infer_subcommands = false,
    after_help = "Start with: lowtide submit --deadline 36h -- python train.py\n\
                  See how it works, in a minute: lowtide demo",
    after_long_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "\
Start with:
  lowtide submit --deadline 36h -- python train.py

Exit codes: 0 done, 1 the request failed, 2 usage, 3 no daemon can be reached; `submit --follow` and `measure` pass \
the command's own code on.

With --json data goes to stdout as one value, and an error to stderr as {\"error\": {\"kind\", \"message\", \"hint\"}}.

Environment: LOWTIDE_CONFIG, LOWTIDE_STATE_DIR as the flags; LOWTIDE_LOG how much the daemon writes to its log (info, \
debug, …); NO_COLOR no colour.";

/// The heading of flags that every verb takes, so that a verb's own come first.
pub(crate) const GLOBAL: &str = "Global options";

/// What every verb takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Configuration file; without it ~/.config/lowtide/config.toml if that exists
    #[arg(long, global = true, help_heading = GLOBAL, env = "LOWTIDE_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Directory of the daemon's state, one daemon for each; ~/.local/state/lowtide by default
    #[arg(long, global = true, help_heading = GLOBAL, env = "LOWTIDE_STATE_DIR", value_name = "DIR", hide_env_values = true)]
    pub(crate) state_dir: Option<PathBuf>,

    /// When to use colour
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: ColorWhen,

    /// Only what a script needs: ids, data, errors
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Submit(Box<commands::submit::Args>),
    Jobs(commands::jobs::Args),
    Show(commands::show::Args),
    Logs(commands::logs::Args),
    Explain(commands::explain::Args),
    /// End jobs; one that runs is asked to leave first
    #[command(after_help = "Example: lowtide cancel 42 43")]
    Cancel(commands::act::CancelArgs),
    /// Put waiting jobs aside until they are released
    #[command(after_help = "Example: lowtide hold 42 --reason 'not before the data is fixed'")]
    Hold(commands::act::ReasonedArgs),
    /// Let held jobs go; for a job over its policy's limit or over a budget this is the approval
    #[command(after_help = "Example: lowtide release 42 --reason 'the deadline is Friday'")]
    Release(commands::act::ReasonedArgs),
    Approvals(commands::approvals::Args),
    /// Ask running jobs to leave a checkpoint and stay away until they are resumed
    #[command(after_help = "Example: lowtide pause 42\n\nOnly for jobs submitted with --checkpoint.")]
    Pause(commands::act::Args),
    /// Let paused jobs go on
    #[command(after_help = "Example: lowtide resume 42")]
    Resume(commands::act::Args),
    /// Run jobs at once, whatever the plan
    #[command(after_help = "Example: lowtide run-now 42")]
    RunNow(commands::act::Args),
    /// Give a job another priority: where there is not room for all, the higher goes first
    #[command(after_help = "Example: lowtide priority 42 10\n\nWhat runs is never stopped for a higher priority.")]
    Priority(commands::act::PriorityArgs),
    Measure(commands::measure::Args),
    /// Take in what other tools recorded, so that the first prediction knows the job
    #[command(subcommand)]
    Import(commands::import::Tool),
    Forecast(commands::forecast::Args),
    Report(commands::report::Args),
    Simulate(Box<commands::simulate::Args>),
    /// Policies: what you allow and prefer
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Carbon budgets: how much a project, a user or everybody may emit in a day, a week or a month
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Region plugins: who tells the carbon intensity
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Sites: where jobs run
    #[command(subcommand)]
    Site(SiteCommand),
    /// The daemon that keeps the queue
    #[command(subcommand)]
    Daemon(DaemonCommand),
    Doctor(commands::doctor::Args),
    Demo(commands::demo::Args),
    #[command(hide = true)]
    Agent(commands::agent::Args),
    #[command(hide = true)]
    CompilePlugin(commands::plugin::compile::Args),
    #[command(hide = true)]
    Completions(commands::completions::Args),
    #[command(hide = true)]
    Man(commands::man::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the policies, built-in ones and yours
    #[command(after_help = "Example: lowtide policy list")]
    List(commands::policy::ListArgs),
    /// Show what a policy says
    #[command(after_help = "Example: lowtide policy show patient\n\n\
        A copy to change: lowtide policy show patient > ~/.config/lowtide/policies/mine.toml")]
    Show(commands::policy::ShowArgs),
    /// Check a policy file before it is used; needs no daemon
    #[command(after_help = "Example: lowtide policy check mine.toml")]
    Check(commands::policy::CheckArgs),
    /// Try a policy file on the jobs that have run
    Try(commands::trial::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// List the budgets: used, running, planned and left
    #[command(after_help = "Example: lowtide budget list --json")]
    List(commands::budget::ListArgs),
    /// Show a budget, when it begins anew, and the jobs that wait for it
    #[command(after_help = "Example: lowtide budget show team")]
    Show(commands::budget::ShowArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins, what they serve here and what they may reach
    #[command(after_help = "Example: lowtide plugin list --json")]
    List(commands::plugin::list::Args),
    New(commands::plugin::new::Args),
    Build(commands::plugin::build::Args),
    Inspect(commands::plugin::inspect::Args),
    Test(Box<commands::plugin::test::Args>),
    Install(commands::plugin::install::Args),
    Update(commands::plugin::update::Args),
    Remove(commands::plugin::remove::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// List the sites, their zones, and their intensity now
    #[command(after_help = "Example: lowtide site list")]
    List(commands::site::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DaemonCommand {
    Start(commands::daemon::StartArgs),
    /// Stop the daemon; running jobs go on and are found again by the next one
    #[command(after_help = "Example: lowtide daemon stop")]
    Stop,
    /// Say whether a daemon runs, and how it is; exit code 3 if none does
    #[command(after_help = "Example: lowtide daemon status --json")]
    Status(commands::daemon::StatusArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_help_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
                let path = format!("{path} {}", verb.get_name());
                assert!(verb.get_about().is_some(), "{path} does not say what it is for");
                if verb.has_subcommands() {
                    check(verb, &path);
                    continue;
                }
                let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains(&path), "{path} shows no example");
            }
        }
        check(&Cli::command(), "lowtide");
    }
}
