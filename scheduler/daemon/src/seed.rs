//! The installation's own number: made once, kept in the state directory, so that its jobs spread otherwise than those of others and
//! every day alike.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

/// The number that is kept there, or a new one, which is. And what to tell the user where it could not be kept.
pub(crate) fn kept_in(path: &Path) -> (u64, Option<String>) {
    if let Some(seed) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()) {
        return (seed, None);
    }
    // The standard library seeds its hash maps by the system's randomness; the number need not be secret.
    let seed = std::hash::RandomState::new().build_hasher().finish();
    let kept = fs::write(path, format!("{seed}\n"));
    let told = kept.err().map(|error| {
        format!("the number by which jobs spread over starts could not be kept in {}: {error}; each start of the daemon has \
                 another, and plans may move a little", path.display())
    });
    (seed, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_kept_and_one_that_cannot_be_read_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seed");
        let (made, told) = kept_in(&path);
        assert_eq!((kept_in(&path), told), ((made, None), None));
        fs::write(&path, "no number").expect("written");
        let (again, _) = kept_in(&path);
        assert_eq!(kept_in(&path).0, again);
        assert!(kept_in(Path::new("/does/not/exist/seed")).1.is_some_and(|told| told.contains("could not be kept")));
    }
}
