//! Where a daemon keeps its state and where it listens.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest path a unix socket can be bound to is 107 bytes on Linux; a little less leaves room for a suffix.
const LONGEST_SOCKET_PATH: usize = 100;

/// A daemon's own directory: one daemon, one database, one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// The directory at `path`, which should be absolute. It need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The default: `$XDG_STATE_HOME/lowtide`, else `~/.local/state/lowtide`. `None` where neither variable is set.
    #[must_use]
    pub fn default_of(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        variable("XDG_STATE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            .map(|base| Self::new(base.join("lowtide")))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("lowtide.db")
    }

    /// The attempts' run directories.
    #[must_use]
    pub fn attempts(&self) -> PathBuf {
        self.path.join("attempts")
    }

    /// Compiled plugins.
    #[must_use]
    pub fn plugin_cache(&self) -> PathBuf {
        self.path.join("plugin-cache")
    }

    /// Plugins that were installed.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.path.join("plugins")
    }

    /// Answers of providers, kept while they are fresh.
    #[must_use]
    pub fn provider_answers(&self) -> PathBuf {
        self.path.join("provider-answers")
    }

    /// The installation's own number, by which its jobs spread over starts.
    #[must_use]
    pub fn seed(&self) -> PathBuf {
        self.path.join("seed")
    }

    /// The daemon's own log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("daemon.log")
    }

    /// The socket. Where the directory's path is too long for one, it lies in a private directory of the user's under
    /// `/tmp`, named after the state directory.
    #[must_use]
    pub fn socket(&self, user_id: u32) -> PathBuf {
        let beside = self.path.join("lowtide.sock");
        if beside.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return beside;
        }
        let name = fnv1a(self.path.as_os_str().as_bytes());
        PathBuf::from(format!("/tmp/lowtide-{user_id}/{name:016x}.sock"))
    }
}

/// The 64-bit FNV-1a hash: a short name that stays the same from one program version to the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_state_path_still_gets_a_socket_that_can_be_bound() {
        let long = StateDirectory::new(PathBuf::from("/").join("x".repeat(300)));
        assert!(long.socket(1000).as_os_str().len() <= LONGEST_SOCKET_PATH);
        let short = StateDirectory::new(PathBuf::from("/var/lib/lowtide"));
        assert_eq!(short.socket(1000), Path::new("/var/lib/lowtide/lowtide.sock"));
    }

    #[test]
    fn the_default_follows_xdg() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/ada"));
        assert_eq!(
            StateDirectory::default_of(home).map(|state| state.path),
            Some(PathBuf::from("/home/ada/.local/state/lowtide"))
        );
        assert_eq!(StateDirectory::default_of(|_| None), None);
    }
}
