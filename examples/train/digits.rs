//! Learns to read digits of eight by eight pixels, drawn with noise.
//!
//! `cargo run --release --example digits -- --epochs 6 --epoch-seconds 2 --checkpoint digits.checkpoint`

mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    training::run("digits", std::env::args().skip(1))
}
