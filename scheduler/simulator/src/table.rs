//! Comma-separated files with a head, as public traces come: read line by line, without copying the file.

use thiserror::Error;

/// A file that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TraceError {
    /// It has no head.
    #[error("the file is empty: its first line has to name the columns")]
    Empty,
    /// A column that is needed is not there.
    #[error("there is no column for {what}: looked for {wanted}; the file has {found}")]
    NoColumn {
        /// What it would tell.
        what: &'static str,
        /// The names that are understood.
        wanted: String,
        /// The names that are there.
        found: String,
    },
    /// A field is not what its column says.
    #[error("line {line}: `{text}` is not {expected}")]
    Field {
        /// Counted from 1, with the head.
        line: usize,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// There is nothing to replay.
    #[error("{0}")]
    Nothing(String),
}

/// Longest field that an error repeats.
const SHOWN: usize = 40;

/// A file's head and lines.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    head: &'a str,
    body: &'a str,
}

impl<'a> Table<'a> {
    /// The file, with or without a byte order mark.
    pub fn new(text: &'a str) -> Result<Self, TraceError> {
        let text = text.trim_start_matches('\u{feff}');
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        if head.trim().is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Self { head, body })
    }

    /// The names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &'a str> {
        self.head.trim_end_matches('\r').split(',').map(|name| name.trim().trim_matches('"'))
    }

    /// Where the first of these columns is, and which it is.
    #[must_use]
    pub fn find(&self, names: &[&'static str]) -> Option<(usize, &'static str)> {
        names.iter().find_map(|wanted| {
            let place = self.columns().position(|name| name.eq_ignore_ascii_case(wanted))?;
            Some((place, *wanted))
        })
    }

    /// The same, where it has to be there.
    pub fn require(&self, what: &'static str, names: &[&'static str]) -> Result<(usize, &'static str), TraceError> {
        self.find(names).ok_or_else(|| TraceError::NoColumn {
            what,
            wanted: names.join(", "),
            found: self.columns().collect::<Vec<_>>().join(", "),
        })
    }

    /// Lines that are not blank, with their numbers.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let lines = (2..).zip(self.body.lines());
        lines.filter(|(_, text)| !text.trim().is_empty()).map(|(line, text)| Row { line, text })
    }
}

/// One line.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its number in the file.
    pub line: usize,
    text: &'a str,
}

impl<'a> Row<'a> {
    /// A field; empty where the line is too short.
    #[must_use]
    pub fn field(&self, place: usize) -> &'a str {
        self.text.split(',').nth(place).unwrap_or_default().trim().trim_matches('"')
    }

    /// A finite number, or nothing where the field is blank.
    pub fn number(&self, place: usize) -> Result<Option<f64>, TraceError> {
        let text = self.field(place);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| self.refuse(text, "a number"))
    }

    /// What is said of a field that cannot be used.
    #[must_use]
    pub fn refuse(&self, text: &str, expected: &'static str) -> TraceError {
        TraceError::Field { line: self.line, text: text.chars().take(SHOWN).collect(), expected }
    }
}
