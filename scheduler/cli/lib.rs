//! The command line of lowtide: flags, a printer, and one file for each verb.
//!
//! It decides nothing about jobs: it asks the daemon, which it starts where none runs, and shows the answer. What it
//! does by itself needs no daemon: `measure`, `policy check`, `doctor`.

mod args;
mod commands;
mod connect;
mod context;
mod failure;
mod follow;
mod output;
mod printer;
mod value;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{BudgetCommand, Cli, Command, DaemonCommand, PluginCommand, PolicyCommand, SiteCommand};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::printer::{ColorWhen, Printer};

/// Runs the command line of this process. Exit codes: 0 done, 1 the request failed, 2 usage, 3 daemon unreachable;
/// `submit --follow` and `measure` pass the command's own code on.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = wants_json(&arguments);
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, json),
    };
    let printer = Printer::new(cli.global.color, cli.global.quiet);
    match run(cli, printer) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure, json);
            failure.exit_code()
        }
    }
}

/// Whether errors are to be JSON: asked before the flags are understood, because that may be what fails.
fn wants_json(arguments: &[OsString]) -> bool {
    let ours = || arguments.iter().map(OsString::as_os_str).take_while(|argument| *argument != OsStr::new("--"));
    ours().any(|argument| argument == "--json" || argument == "--format=json")
        || ours().zip(ours().skip(1)).any(|(flag, value)| flag == "--format" && value == "json")
}

fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure = Failure::new(Kind::Usage, message).hint("`lowtide help` lists verbs and flags");
        Printer::new(ColorWhen::Never, false).failure(&failure, true);
        return failure.exit_code();
    }
    // Help that nobody reads (`--help | head`) is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(cli: Cli, printer: Printer) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let command = command.unwrap_or_else(|| Command::Jobs(commands::jobs::Args::default()));
    // These need no place of their own and must work where there is no HOME.
    let command = match command {
        Command::Agent(args) => return Ok(commands::agent::run(&args)),
        Command::CompilePlugin(args) => return Ok(commands::plugin::compile::run(&args)),
        Command::Plugin(PluginCommand::New(args)) => {
            return commands::plugin::new::run(&args, printer).map(|()| ExitCode::SUCCESS);
        }
        Command::Completions(args) => return commands::completions::run(&args, printer),
        Command::Man(args) => return commands::man::run(&args, printer),
        Command::Policy(PolicyCommand::Check(args)) => return commands::policy::check(&args, printer),
        Command::Measure(args) => {
            let context = Context::new(printer, global).unwrap_or_else(|_| Context::without_place(printer));
            return commands::measure::run(&args, &context);
        }
        Command::Demo(args) => return commands::demo::run(&args, printer),
        Command::Simulate(args) => return commands::simulate::run(&args, printer).map(|()| ExitCode::SUCCESS),
        other => other,
    };
    let context = Context::new(printer, global)?;
    if let Command::Daemon(DaemonCommand::Start(args)) = &command
        && args.foreground
    {
        // The daemon has a runtime of its own.
        return commands::daemon::foreground(args, &context);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the command line cannot start", &error))?;
    let code = runtime.block_on(run_verb(command, &context));
    runtime.shutdown_background();
    code
}

async fn run_verb(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        Command::Submit(args) => return commands::submit::run(*args, context).await,
        Command::Doctor(args) => return commands::doctor::run(&args, context).await,
        Command::Import(tool) => return commands::import::run(&tool, context).await,
        Command::Jobs(args) => commands::jobs::run(&args, context).await,
        Command::Show(args) => commands::show::run(&args, context).await,
        Command::Logs(args) => commands::logs::run(&args, context).await,
        Command::Explain(args) => commands::explain::run(&args, context).await,
        Command::Cancel(args) => commands::act::cancel(&args, context).await,
        Command::Hold(args) => commands::act::hold(&args, context).await,
        Command::Release(args) => commands::act::release(&args, context).await,
        Command::Approvals(args) => commands::approvals::run(&args, context).await,
        Command::Pause(args) => commands::act::pause(&args, context).await,
        Command::Resume(args) => commands::act::resume(&args, context).await,
        Command::RunNow(args) => commands::act::run_now(&args, context).await,
        Command::Priority(args) => commands::act::prioritise(args, context).await,
        Command::Forecast(args) => commands::forecast::run(&args, context).await,
        Command::Report(args) => commands::report::run(&args, context).await,
        Command::Policy(PolicyCommand::List(args)) => commands::policy::list(&args, context).await,
        Command::Policy(PolicyCommand::Show(args)) => commands::policy::show(&args, context).await,
        Command::Policy(PolicyCommand::Try(args)) => commands::trial::run(&args, context).await,
        Command::Plugin(PluginCommand::Test(args)) => return commands::plugin::test::run(&args, context).await,
        Command::Plugin(PluginCommand::List(args)) => commands::plugin::list::run(&args, context).await,
        Command::Plugin(PluginCommand::Build(args)) => commands::plugin::build::run(&args, context).await,
        Command::Plugin(PluginCommand::Inspect(args)) => commands::plugin::inspect::run(&args, context).await,
        Command::Plugin(PluginCommand::Install(args)) => commands::plugin::install::run(&args, context).await,
        Command::Plugin(PluginCommand::Update(args)) => commands::plugin::update::run(&args, context).await,
        Command::Plugin(PluginCommand::Remove(args)) => commands::plugin::remove::run(&args, context).await,
        Command::Budget(BudgetCommand::List(args)) => commands::budget::list(&args, context).await,
        Command::Budget(BudgetCommand::Show(args)) => commands::budget::show(&args, context).await,
        Command::Site(SiteCommand::List(args)) => commands::site::list(&args, context).await,
        Command::Daemon(DaemonCommand::Start(args)) => commands::daemon::start(&args, context).await,
        Command::Daemon(DaemonCommand::Stop) => commands::daemon::stop(context).await,
        Command::Daemon(DaemonCommand::Status(args)) => commands::daemon::status(&args, context).await,
        Command::Agent(_)
        | Command::CompilePlugin(_)
        | Command::Plugin(PluginCommand::New(_))
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Measure(_)
        | Command::Demo(_)
        | Command::Simulate(_)
        | Command::Policy(PolicyCommand::Check(_)) => {
            return Err(Failure::new(Kind::Internal, "a verb without a daemon was asked of the daemon"));
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_flag_of_the_command_is_not_ours() {
        let wants = |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(wants("lowtide jobs --json"));
        assert!(wants("lowtide report --format json"));
        assert!(wants("lowtide report --format=json"));
        assert!(!wants("lowtide submit -- tool --json"));
        assert!(!wants("lowtide report --format csv"));
    }
}
