//! Learns which of two intertwined spirals a point belongs to.
//!
//! `cargo run --release --example spirals -- --epochs 6 --epoch-seconds 2 --checkpoint spirals.checkpoint`

mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    training::run("spirals", std::env::args().skip(1))
}
