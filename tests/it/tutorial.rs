//! The page "Write a region plugin", word by word: its commands are run as they stand, in an empty home, for both languages.
//! Only the port of the stand-in is another one, so that two runs do not meet.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::World;

/// The port that the page names.
const PORT: &str = "8123";

/// Breaks off at the first failure, and leaves no server behind then.
const PRELUDE: &str = "set -eu\ntrap '[ ! -f server.pid ] || kill \"$(cat server.pid)\" 2> /dev/null || true' EXIT\n";

/// A fenced block of the page: its first line, after the fence, and its text.
struct Block {
    section: String,
    kind: String,
    text: String,
}

fn page() -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/write-a-region-plugin.md");
    let page = fs::read_to_string(path).expect("the page is part of the repository");
    let mut blocks: Vec<Block> = Vec::new();
    let (mut section, mut open) = (String::new(), false);
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        } else if let Some(kind) = line.strip_prefix("```") {
            if !open {
                blocks.push(Block { section: section.clone(), kind: kind.to_owned(), text: String::new() });
            }
            open = !open;
        } else if open {
            let text = &mut blocks.last_mut().expect("a block was opened").text;
            text.push_str(line);
            text.push('\n');
        }
    }
    blocks
}

/// The page's commands for a language, as one script, and the files it has the reader write.
fn script(language: &str, port: u16) -> (String, Vec<(String, String)>) {
    let (mut commands, mut files) = (String::from(PRELUDE), Vec::new());
    for block in page().into_iter().filter(|block| block.section == language || block.section == "Let it decide") {
        let text = block.text.replace(PORT, &port.to_string());
        match block.kind.strip_prefix("toml title=") {
            Some(file) => files.push((file.to_owned(), text)),
            None if block.kind == "sh" => commands.push_str(&text),
            None => {}
        }
    }
    (commands, files)
}

/// Runs the page in an empty home and gives back what it printed.
fn run(language: &str, variables: &[(&str, PathBuf)]) -> String {
    let world = World::empty();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let (commands, files) = script(language, port);
    for (file, text) in files {
        assert_eq!(file, "~/.config/lowtide/config.toml");
        // Which of the starts that are as good it takes depends on the installation's number; by this one it is the first.
        fs::write(world.config(), format!("seed = 5\n{text}")).expect("written");
    }
    // `lowtide` is found as a user finds it, and bash stands in for the user.
    let program = Path::new(env!("CARGO_BIN_EXE_lowtide"));
    let folder = program.parent().expect("it lies in a folder").to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).expect("paths");
    let mut shell = Command::new("bash");
    let as_user = world.lowtide(&[]);
    shell.env_clear().envs(as_user.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", paths);
    for (name, value) in variables {
        shell.env(name, value);
    }
    let output = shell.arg("-c").arg(&commands).current_dir(world.work()).output().expect("bash runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the page does not work: {}\n{text}", output.status);
    text
}

/// Where cargo and rustup keep what they downloaded: in the home of whoever runs the tests, not in the empty one.
fn toolchain() -> Vec<(&'static str, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let of = |name: &'static str, folder: &str| {
        (name, std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from))
    };
    vec![of("CARGO_HOME", ".cargo"), of("RUSTUP_HOME", ".rustup")]
}

fn has_target() -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    sysroot.is_ok_and(|output| {
        let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        sysroot.join("lib/rustlib/wasm32-unknown-unknown").is_dir()
    })
}

fn told(text: &str) {
    // The plan of the dry run: the clean hours of the recording.
    let says = |words: [&str; 2]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(says(["plan", "here, today 12:00 to 13:00"]), "{text}");
    assert!(says(["source", "my-grid"]), "{text}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn the_page_works_in_rust() {
    if !has_target() {
        eprintln!("SKIPPED: rustup target add wasm32-unknown-unknown");
        return;
    }
    told(&run("In Rust", &toolchain()));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn the_page_works_in_python() {
    let named = std::env::var_os("LOWTIDE_COMPONENTIZE_PY").map(PathBuf::from);
    let Some(program) = named.filter(|program| program.is_file()) else {
        eprintln!("SKIPPED: LOWTIDE_COMPONENTIZE_PY does not name a componentize-py");
        return;
    };
    told(&run("In Python", &[("LOWTIDE_COMPONENTIZE_PY", program)]));
}

#[test]
fn the_page_has_commands_for_both_languages() {
    for language in ["In Rust", "In Python"] {
        let (commands, files) = script(language, 1);
        for verb in ["plugin new", "plugin build", "plugin test", "plugin install", "lowtide submit", "plugin remove"] {
            assert!(commands.contains(verb), "{language}: {verb}");
        }
        assert_eq!(files.len(), 1);
    }
}

#[test]
fn the_reference_names_all_of_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contract = fs::read_to_string(root.join("plugins/wit/region-0.1/region.wit")).expect("the contract");
    let page = fs::read_to_string(root.join("docs/region-wit.md")).expect("the reference");
    let code: String =
        contract.lines().filter(|line| !line.trim_start().starts_with("///")).collect::<Vec<_>>().join("\n");
    let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '%'));
    let grammar =
        ["package", "interface", "use", "world", "import", "export", "func", "type", "record", "variant", "enum"];
    // Whole words: `low` is not named by `lowtide`.
    let named: BTreeSet<&str> = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    for word in words.map(|word| word.trim_start_matches('%')).filter(|word| 2 < word.len() && !grammar.contains(word))
    {
        assert!(named.contains(word), "the reference does not name `{word}`");
    }
}
