//! Compiling a stranger's component in a process of its own, with limits: Cranelift may take hundreds of megabytes and many
//! seconds for one, and a component may be made to take more. The result goes to the private cache.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::artifact::Artifact;
use crate::cache::Cache;
use crate::error::PluginError;
use crate::host::{PluginHost, first_line, sha256_of};

/// How long a compilation may take; a component written in Python takes about ten seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// Seconds of computing, over all threads.
const CPU_SECONDS: u64 = 180;
/// Address space. Cranelift's threads reserve far more than they touch.
const ADDRESS_SPACE: u64 = 6 << 30;
/// Bytes of a file it writes; that of a component written in Python has 35 MB.
const FILE_BYTES: u64 = 256 << 20;

/// Compiles a component into the cache in a child process: `program compile-plugin FILE CACHE`.
pub async fn compile_in_child(program: &Path, file: &Path, cache: &Path) -> Result<(), PluginError> {
    let refused = |why: String| PluginError::NotAPlugin(why);
    let child = tokio::process::Command::new(program)
        .arg("compile-plugin")
        .arg(file)
        .arg(cache)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| refused(format!("the compiler cannot be started: {error}")))?;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let ended = ended.map_err(|_| PluginError::TimedOut("it took longer than two minutes to compile"))?;
    let output = ended.map_err(|error| refused(format!("the compiler: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().next().unwrap_or_default();
    let words: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
    Err(refused(if words.is_empty() { format!("compiling it ended with {}", output.status) } else { words }))
}

/// What the child does: limits itself, compiles, keeps.
pub fn compile_here(file: &Path, cache: PathBuf) -> Result<(), String> {
    for (resource, limit) in [
        (Resource::Cpu, CPU_SECONDS),
        (Resource::As, ADDRESS_SPACE),
        (Resource::Fsize, FILE_BYTES),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|error| format!("the compiler cannot be limited: {error}"))?;
    }
    let artifact = Artifact::read(file).map_err(|error| error.to_string())?;
    let host = PluginHost::new(None).map_err(|error| error.to_string())?;
    let cache = Cache::open(cache).ok_or("the cache of compiled plugins is not private to you")?;
    let component = cache.component(host.engine(), &artifact.wasm, &sha256_of(&artifact.wasm));
    component.map(drop).map_err(|error| first_line(&error))
}
