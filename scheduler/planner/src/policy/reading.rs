//! Durations and clocks as people write them: in policies, and wherever else windows are told by `cron`, `duration` and `zone`.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, SpanRelativeTo, Unit};
use lowtide_model::quantity::Seconds;

use super::file::closest;

/// The longest duration that can be written: a year.
const LONGEST_HOURS: f64 = 366.0 * 24.0;
/// As much of a text as an error repeats, in characters.
const MOST_SHOWN: usize = 40;

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct Misread {
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Misread {
    fn new(message: String, hint: &str) -> Self {
        Self { message, hint: Some(hint.to_owned()) }
    }
}

/// `36h`, `1d 12h`, `90 min`: days have 24 hours, weeks seven days.
pub fn duration(text: &str) -> Result<Seconds, Misread> {
    let misread = |hint| {
        Misread::new(
            format!("expected a duration, found `\"{}\"`", text.chars().take(MOST_SHOWN).collect::<String>()),
            hint,
        )
    };
    let span: Span = text.parse().map_err(|_| misread(DURATION_HINT))?;
    let seconds = span
        .total((Unit::Second, SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| misread("months and years have no fixed length; write days or hours"))?;
    Seconds::new(seconds)
        .ok()
        .filter(|length| length.hours() <= LONGEST_HOURS)
        .ok_or_else(|| Misread { message: "a duration must lie between nothing and 366 days".to_owned(), hint: None })
}

/// How a duration is written.
pub(super) const DURATION_HINT: &str = "write it as `\"36h\"`, `\"90min\"` or `\"1d 12h\"`";

/// The clock of that name; nothing for `local`, which only the caller knows.
pub fn clock(name: &str) -> Result<Option<TimeZone>, Misread> {
    if name == "local" {
        return Ok(None);
    }
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map(Some).map_err(|_| {
        let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = closest(name, &known).map_or_else(
            || "write `local`, `UTC` or a name as in `Europe/Berlin`".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        Misread::new(format!("`{name}` is not a time zone"), &hint)
    })
}
