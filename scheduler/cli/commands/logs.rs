//! `lowtide logs [-f] ID`: what a job wrote.

use lowtide_api::client::Stream;

use crate::context::Context;
use crate::failure::Failure;
use crate::follow;

/// Print what a job wrote, all attempts in order: its stdout to stdout, its stderr to stderr
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide logs -f 42")]
pub(crate) struct Args {
    /// Number of the job
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,

    /// Go on until the job is over
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    // A job that does not exist is found out before anything is waited for.
    context.ask_about_job(async |client| client.job(args.id).await).await?;
    if args.follow {
        return tokio::select! {
            followed = follow::follow_output(args.id, context) => followed,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
    }
    for stream in [Stream::Stdout, Stream::Stderr] {
        let mut offset = 0;
        loop {
            let piece = context.ask(async |client| client.output(args.id, stream, offset).await).await?;
            if piece.bytes.is_empty() {
                break;
            }
            match stream {
                Stream::Stdout => context.printer.job_stdout(&piece.bytes)?,
                Stream::Stderr => context.printer.job_stderr(&piece.bytes)?,
            }
            offset = piece.next_offset;
        }
    }
    Ok(())
}
