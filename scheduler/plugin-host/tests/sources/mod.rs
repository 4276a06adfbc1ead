//! What the built-in components are built from, and its hash: shared by the build tool and the test that checks it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lowtide_plugin_host::sha256_of;

/// Examples that are built and kept with the built-in ones, but not embedded.
pub(crate) const EXAMPLES: [&str; 2] = ["constant", "entsoe"];

/// The folder of a plugin, within that of all.
pub(crate) fn folder_of(id: &str) -> PathBuf {
    if EXAMPLES.contains(&id) { Path::new("examples").join(id) } else { PathBuf::from(id) }
}

/// The folder of the plugins.
pub(crate) fn plugins_folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.join("../.."), Path::to_path_buf).join("plugins")
}

/// One hash over names and contents of everything that decides what a plugin's component is.
pub(crate) fn hash_of_sources(plugins: &Path, id: &str) -> io::Result<String> {
    let mut files = vec![plugins.join("Cargo.toml"), plugins.join("Cargo.lock")];
    for folder in [PathBuf::from("wit"), PathBuf::from("sdk"), folder_of(id)] {
        collect(&plugins.join(folder), &mut files)?;
    }
    files.retain(|path| path.extension().is_none_or(|extension| extension != "md"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(plugins).unwrap_or(&file).to_string_lossy().into_owned();
        let content = fs::read(&file)?;
        all.extend_from_slice(format!("{name} {}\n", sha256_of(&content)).as_bytes());
    }
    Ok(sha256_of(&all))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
