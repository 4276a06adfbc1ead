//! From moments to columns and back.

use jiff::Timestamp;

/// Milliseconds since 1970: what is sorted and compared by.
pub(crate) fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The whole moment as text: the journal is replayed from it, to the nanosecond.
pub(crate) fn exact(at: Timestamp) -> String {
    at.to_string()
}
