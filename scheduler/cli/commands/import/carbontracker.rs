//! Which files of Carbontracker belong together: of each run a standard log, an output log, and one of errors.

use std::path::{Path, PathBuf};

use lowtide_meters::import::{ImportedRun, Refused, carbontracker};

use super::{Found, fingerprint, folder, stem};
use crate::failure::Failure;

const OUTPUT: &str = "_carbontracker_output.log";
const ERRORS: &str = "_carbontracker_err.log";
const STANDARD: &str = "_carbontracker.log";

/// Reads a file or a folder. With `put_right`, means over devices are multiplied by their number.
pub(super) fn read(path: &Path, put_right: bool) -> Result<Vec<Found>, Failure> {
    let files = folder::files(path)?;
    let mut found = Vec::new();
    for file in &files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(ERRORS) {
            continue;
        }
        if let Some(run) = name.strip_suffix(OUTPUT) {
            let standard = file.with_file_name(format!("{run}{STANDARD}"));
            if !files.contains(&standard) {
                found.push(logs(None, Some(file), run, put_right));
            }
        } else if let Some(run) = name.strip_suffix(STANDARD) {
            let output = file.with_file_name(format!("{run}{OUTPUT}"));
            found.push(logs(Some(file), output.is_file().then_some(&output), run, put_right));
        } else {
            found.extend(transcript(file));
        }
    }
    Ok(found)
}

fn logs(standard: Option<&PathBuf>, output: Option<&PathBuf>, run: &str, put_right: bool) -> Found {
    let mut bytes = Vec::new();
    let mut text = |path: Option<&PathBuf>| {
        path.map(|path| {
            let content = folder::content(path).map_err(Refused)?;
            bytes.extend_from_slice(&content);
            Ok(String::from_utf8_lossy(&content).into_owned())
        })
        .transpose()
    };
    let told = text(standard).and_then(|standard| Ok((standard, text(output)?)));
    let told =
        told.and_then(|(standard, output)| carbontracker::run(standard.as_deref(), output.as_deref(), put_right));
    let file = standard.or(output).cloned().unwrap_or_default();
    Found {
        row: None,
        content: fingerprint(&bytes),
        fallback_name: file
            .parent()
            .and_then(Path::file_name)
            .map_or_else(|| stem(&file), |folder| folder.to_string_lossy().into_owned()),
        run: told.map(|told| ImportedRun { label: prefix(run), ..told }),
        file,
    }
}

/// The runs of a terminal's transcript, or one refusal.
fn transcript(file: &Path) -> Vec<Found> {
    let content = folder::content(file);
    let hash = content.as_deref().map(fingerprint).unwrap_or_default();
    let found = |row: Option<usize>, run: Result<ImportedRun, Refused>| Found {
        file: file.to_path_buf(),
        row,
        content: hash.clone(),
        fallback_name: stem(file),
        run,
    };
    let runs = content.map_err(Refused).and_then(|content| {
        carbontracker::transcript(&String::from_utf8_lossy(&content)).map_err(|refused| {
            Refused(format!("its name is not one of Carbontracker's logs, and as a transcript {refused}"))
        })
    });
    match runs {
        Ok(runs) => (1..).zip(runs).map(|(row, run)| found(Some(row), Ok(run))).collect(),
        Err(refused) => vec![found(None, Err(refused))],
    }
}

/// `resnet` of `resnet_25388.269031_2026-11-23T052645Z`: a time stands last and, since 1.2, a process before it.
fn prefix(run: &str) -> Option<String> {
    let before_time = run.rsplit_once('_').map_or("", |(before, _)| before);
    let is_process = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || c == '.');
    let prefix = match before_time.rsplit_once('_') {
        Some((prefix, process)) if is_process(process) => prefix,
        None if is_process(before_time) => "",
        _ => before_time,
    };
    (!prefix.is_empty()).then(|| prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_what_stands_before_process_and_time() {
        for (run, expected) in [
            ("2026-11-23T05:26Z", None),
            ("25419.146612_2026-11-23T052645Z", None),
            ("25419_2026-11-23T052645Z", None),
            ("resnet_25388.269031_2026-11-23T052645Z", Some("resnet")),
            ("my_net_25388_2026-11-23T052645Z", Some("my_net")),
            ("my_net_2026-11-23T05:26Z", Some("my_net")),
        ] {
            assert_eq!(prefix(run).as_deref(), expected, "{run}");
        }
    }
}
