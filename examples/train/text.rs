//! Learns to continue a poem letter by letter.
//!
//! `cargo run --release --example text -- --epochs 6 --epoch-seconds 2 --checkpoint text.checkpoint`

mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    training::run("text", std::env::args().skip(1))
}
