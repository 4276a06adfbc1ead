//! The page "Carbon budgets, approvals and recurring jobs", word by word: its configuration is put in place, its commands
//! are run as they stand, and what it promises is what they print.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::world::World;

/// The fenced blocks of the page: what stands after the fence, and the text.
fn blocks() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/budgets-and-recurring-jobs.md");
    let page = fs::read_to_string(path).expect("the page is part of the repository");
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            if !open {
                blocks.push((kind.to_owned(), String::new()));
            }
            open = !open;
        } else if open {
            let (_, text) = blocks.last_mut().expect("a block was opened");
            text.push_str(line);
            text.push('\n');
        }
    }
    blocks
}

#[test]
fn the_commands_of_the_page_work_and_print_what_it_says() {
    let world = World::empty();
    let of = |wanted: &'static str| blocks().into_iter().filter(move |(kind, _)| kind == wanted).map(|(_, text)| text);
    let config: String = of("toml title=~/.config/lowtide/config.toml").collect();
    fs::write(world.config(), config).expect("written");
    // A job of an hour fits into the month whenever the test runs.
    world.ok(&["daemon", "start", "--virtual-start", "2026-11-23T12:00:00Z", "--time-scale", "1"]);
    let commands: String = std::iter::once("set -eu\n".to_owned()).chain(of("sh")).collect();
    // `lowtide` is found as a user finds it.
    let folder = Path::new(env!("CARGO_BIN_EXE_lowtide")).parent().expect("it lies in a folder").to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).expect("paths");
    let mut shell = Command::new("bash");
    let as_user = world.lowtide(&[]);
    shell.env_clear().envs(as_user.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", paths);
    let output = shell.arg("-c").arg(&commands).current_dir(world.work()).output().expect("bash runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));

    // Every label that the page shows of a budget stands in what was printed, and what cannot vary does to the letter.
    let shown: String = of("text").collect();
    for line in shown.lines() {
        let label = line.trim_start().split("  ").next().unwrap_or_default();
        assert!(printed.contains(label), "`{label}` is not in: {printed}");
    }
    for exact in ["500 g a month", "100 g", "job 2 second, ~400 g"] {
        assert!(shown.contains(exact) && printed.contains(exact), "`{exact}` is not in: {printed}");
    }
    for promised in
        ["approved beyond budget `vision` by ada", "the deadline is Friday", "r1", "nightly", "Europe/Copenhagen"]
    {
        assert!(printed.contains(promised), "`{promised}` is not in: {printed}");
    }
}
