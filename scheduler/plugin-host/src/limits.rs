//! What a guest may use, and the accountant that holds it to that.

use std::time::Duration;

use wasmtime::{ResourceLimiter, Result};

/// Linear memory of all of a guest's memories together. Providers' documents are at most some hundred kilobytes.
pub(crate) const MEMORY_BYTES: usize = 64 << 20;
/// Elements of all tables together.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Instances, memories and tables of one component; one written in Python has 38.
pub(crate) const INSTANCES: usize = 100;
/// How often the guest is interrupted to let others run.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Ticks a guest may compute: about a second. Waiting for a fetch does not count.
pub(crate) const CPU_TICKS: u32 = 100;
/// Calls of guests under way at once: together they have at most 512 MiB of memory. Others wait for their turn.
pub(crate) const CALLS: usize = 8;
/// How long a call may take in all, its fetches included.
pub(crate) const CALL: Duration = Duration::from_secs(30);
/// How long one fetch may take.
pub(crate) const FETCH: Duration = Duration::from_secs(10);
/// Fetches in a call.
pub(crate) const FETCHES: u32 = 8;
/// Bytes of a body.
pub(crate) const BODY_BYTES: usize = 2 << 20;
/// Bytes that a guest may hand to the host in one call of either, 4 MiB: beyond 192 points a zone and dozens of zones.
pub(crate) const HOST_CALL_BYTES: usize = 4 << 20;
/// Bytes of a granted file.
pub(crate) const ASSET_BYTES: u64 = 16 << 20;
/// Bytes of a component.
pub(crate) const COMPONENT_BYTES: usize = 32 << 20;
/// Characters of a line in the log, and lines a call.
pub(crate) const LOG_CHARACTERS: usize = 1024;
pub(crate) const LOG_LINES: u32 = 100;
/// Points of a zone in one answer: a week of five minutes.
pub(crate) const POINTS: usize = 2016;
/// Seconds of the shortest point.
pub(crate) const SHORTEST_POINT: u32 = 60;
/// The highest intensity that can be: the dirtiest plants emit about 1,500 g/kWh.
pub(crate) const HIGHEST_INTENSITY: f64 = 5000.0;

/// Counts what a guest has grown to.
#[derive(Debug, Default)]
pub(crate) struct Accountant {
    memory: usize,
    elements: usize,
    /// Whether growth was refused: a guest aborts then, and its trap does not say why.
    pub(crate) refused: bool,
}

impl ResourceLimiter for Accountant {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let grown = self.memory.saturating_add(desired.saturating_sub(current));
        Ok(Self::grant(&mut self.memory, &mut self.refused, grown, MEMORY_BYTES))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let grown = self.elements.saturating_add(desired.saturating_sub(current));
        Ok(Self::grant(&mut self.elements, &mut self.refused, grown, TABLE_ELEMENTS))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}

impl Accountant {
    /// Linear memory, which never shrinks: what is there is the most there was.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    fn grant(used: &mut usize, refused: &mut bool, wanted: usize, most: usize) -> bool {
        if wanted <= most {
            *used = wanted;
            true
        } else {
            *refused = true;
            false
        }
    }
}
