//! Processor time of everything on the host, from `/proc/stat`: what a job's own is compared with.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lowtide_model::quantity::Seconds;

/// Linux tells processor times in steps of 1/100 s on all processors lowtide runs on (`USER_HZ`, part of the kernel's
/// interface whatever its own clock is).
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// Longer than the first line of `/proc/stat`: ten numbers of at most 20 digits.
const LONGEST_LINE: usize = 256;

/// The host's processor time, followed.
#[derive(Debug)]
pub(crate) struct HostTime {
    file: Option<File>,
    last: Option<u64>,
}

impl HostTime {
    /// Of that `/proc`. Takes the first look.
    pub(crate) fn open(proc_root: &Path) -> Self {
        let mut time = Self { file: File::open(proc_root.join("stat")).ok(), last: None };
        time.since_last();
        time
    }

    /// Is never asked.
    pub(crate) const fn none() -> Self {
        Self { file: None, last: None }
    }

    /// What all processors together worked since the last look; absent where it cannot be told.
    pub(crate) fn since_last(&mut self) -> Option<Seconds> {
        let mut text = [0; LONGEST_LINE];
        let length = self.file.as_ref()?.read_at(&mut text, 0).ok()?;
        let busy = busy_ticks(&text[..length]);
        let last = std::mem::replace(&mut self.last, busy);
        // It steps back by a little where `iowait` or `steal` are corrected.
        Some(Seconds::saturating(busy?.saturating_sub(last?) as f64 / TICKS_PER_SECOND))
    }
}

/// Busy time of the line `cpu  user nice system idle iowait irq softirq steal guest guest_nice` (proc_stat(5)). Guests
/// are in `user` and `nice` already; idle and waiting for a disk are no work, and stolen time is another machine's.
fn busy_ticks(stat: &[u8]) -> Option<u64> {
    let line = stat.split(|byte| *byte == b'\n').next()?;
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    (fields.next()? == "cpu").then_some(())?;
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).take(7).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq] = ticks[..] else { return None };
    [user, nice, system, irq, softirq].into_iter().try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_and_idling_does_not() {
        let stat = b"cpu  100 20 30 4000 500 6 7 800 90 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(busy_ticks(stat), Some(163));
        for rubbish in [&b""[..], b"cpu 1 2 3", b"cpu0 1 2 3 4 5 6 7", b"cpu a b c d e f g", b"\xff\xfe"] {
            assert_eq!(busy_ticks(rubbish), None);
        }
    }

    #[test]
    fn a_host_that_does_not_tell_is_unknown_not_idle() {
        assert_eq!(HostTime::open(Path::new("/nonexistent")).since_last(), None);
    }
}
