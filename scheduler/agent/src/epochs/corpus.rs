//! Epochs out of the recorded outputs in `tests/epochs`, however they are cut.
//!
//! A file has a header of lines that begin with `# `, the last of which is `# output:`; the rest are the bytes of the
//! output, in which `⟦1.50⟧` stands for a pause of 1.5 s. The header says:
//! - `# from:` how it came about: recorded, or composed after the print statements of which source;
//! - `# expect: 1-3 of 3`: the epochs that end, and how many there will be as the last one says (`of ?`: unknown), or
//!   `# expect: nothing`;
//! - optionally `# exit: 1`, `# resumed`, `# declared: 6` and `# pattern: …`, of the order.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::lines::Lines;
use crate::marks::Recogniser;

/// How long one byte takes in this test.
const BYTE: Duration = Duration::from_micros(10);

struct Sample {
    name: String,
    from: String,
    expected: String,
    well: bool,
    resumed: bool,
    declared: Option<u32>,
    pattern: Option<String>,
    /// Each with the time it was written.
    output: Vec<(Duration, u8)>,
}

impl Sample {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(path).expect("it reads");
        let end = b"# output:\n";
        let at = bytes.windows(end.len()).position(|part| part == end).unwrap_or_else(|| panic!("{name}: no output"));
        let header = std::str::from_utf8(&bytes[..at]).expect("a header for people");
        let field = |key: &str| {
            let field = header.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key));
            field.map(|value| value.trim().to_owned())
        };
        Self {
            from: field("from:").unwrap_or_else(|| panic!("{name} does not say where it comes from")),
            expected: field("expect:").unwrap_or_else(|| panic!("{name} expects nothing said")),
            well: field("exit:").is_none_or(|code| code == "0"),
            resumed: field("resumed").is_some(),
            declared: field("declared:").map(|number| number.parse().expect("a number")),
            pattern: field("pattern:"),
            output: timed(&bytes[at + end.len()..]),
            name,
        }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/epochs");
        let entries = std::fs::read_dir(folder).expect("the corpus");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The epochs found when the output comes in pieces of the sizes that `size` gives, over and over.
    fn found(&self, mut size: impl FnMut() -> usize) -> String {
        let (recogniser, fault) = Recogniser::new(self.pattern.as_deref());
        assert_eq!(fault, None, "{}", self.name);
        let stamp = |at: Duration| Stamp { at, energy: Joules::saturating(at.as_secs_f64()) };
        let mut epochs = Epochs::new(stamp(Duration::ZERO), self.resumed, self.declared);
        let mut lines = Lines::default();
        let mut ended = Vec::new();
        let mut rest = &self.output[..];
        let mut now = Duration::ZERO;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(size().clamp(1, rest.len()));
            rest = later;
            now = piece[piece.len() - 1].0;
            let bytes: Vec<u8> = piece.iter().map(|(_, byte)| *byte).collect();
            lines.feed(&bytes, |line| take(&recogniser, &mut epochs, line, stamp(now)));
            ended.extend(epochs.settle(stamp(now)));
        }
        lines.finish(|line| take(&recogniser, &mut epochs, line, stamp(now)));
        ended.extend(epochs.finish(self.well, stamp(now + Duration::from_millis(500))));
        told(&ended)
    }
}

fn take(recogniser: &Recogniser, epochs: &mut Epochs, line: &[u8], at: Stamp) {
    if let Some(finding) = recogniser.look(line) {
        epochs.heed(finding, Origin::Output, at);
    }
}

fn timed(mut bytes: &[u8]) -> Vec<(Duration, u8)> {
    let (open, close) = ("⟦".as_bytes(), "⟧".as_bytes());
    let mut now = Duration::ZERO;
    let mut output = Vec::new();
    while let [byte, rest @ ..] = bytes {
        let pause = bytes.strip_prefix(open).and_then(|rest| {
            let end = rest.windows(close.len()).position(|part| part == close)?;
            let seconds: f64 = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
            Some((Duration::from_secs_f64(seconds), &rest[end + close.len()..]))
        });
        if let Some((pause, rest)) = pause {
            now += pause;
            bytes = rest;
        } else {
            now += BYTE;
            output.push((now, *byte));
            bytes = rest;
        }
    }
    output
}

fn told(ended: &[EndedEpoch]) -> String {
    let Some(last) = ended.last() else { return "nothing".to_owned() };
    let mut text = String::new();
    for run in ended.chunk_by(|one, next| one.index + 1 == next.index) {
        let separator = if text.is_empty() { "" } else { ", " };
        write!(text, "{separator}{}-{}", run[0].index, run[run.len() - 1].index).expect("memory");
    }
    let total = last.total.map_or("?".to_owned(), |total| total.to_string());
    format!("{text} of {total}")
}

#[test]
fn recorded_outputs_give_their_epochs_however_they_are_cut() {
    let samples = Sample::all();
    assert!(samples.len() >= 30, "{} samples", samples.len());
    let mut wrong = String::new();
    for sample in &samples {
        assert!(sample.from.starts_with("recorded: ") || sample.from.starts_with("composed "), "{}", sample.from);
        let mut check = |how: &str, found: &str| {
            if found != sample.expected {
                writeln!(wrong, "{} ({how}): found {found}, expected {}", sample.name, sample.expected)
                    .expect("memory");
            }
        };
        check("byte by byte", &sample.found(|| 1));
        for seed in 1..6_u64 {
            // Numbers that look random, the same each time: a step of the generator of MMIX (Knuth).
            let mut state = seed;
            let size = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                1 + usize::try_from(state >> 58).expect("6 bits")
            };
            check("in pieces", &sample.found(size));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
