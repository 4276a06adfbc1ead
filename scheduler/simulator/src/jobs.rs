//! Job traces, read by their head.
//!
//! Times are hours since the start of the replay, whatever the file counts in: a column says its unit by its end (`_s`,
//! `_min`, `_h`), or holds RFC 3339 times, or is guessed at by the lengths: a median below a hundred is hours, else seconds.

use crate::table::{Row, Table, TraceError};
use crate::time;

const ARRIVAL: [&str; 9] = [
    "arrival_time",
    "arrival",
    "arrival_s",
    "arrival_min",
    "arrival_h",
    "submitted_at",
    "submit_time",
    "submit",
    "creation_time",
];
const LENGTH: [&str; 8] =
    ["length", "length_s", "length_min", "length_h", "duration", "duration_s", "duration_min", "duration_h"];
const BEGIN: [&str; 2] = ["scheduled_time", "start_time"];
const END: [&str; 2] = ["deletion_time", "end_time"];
const DEADLINE: [&str; 6] = ["deadline", "deadline_time", "deadline_s", "deadline_min", "deadline_h", "due"];
const WAIT: [&str; 5] = ["max_wait_s", "max_wait_min", "max_wait_h", "max_delay_h", "slack_h"];
const CPUS: [&str; 4] = ["cpus", "cpu", "num_cpus", "cpu_milli"];
const POWER: [&str; 4] = ["power_kw", "power_w", "power", "watts"];
const NAME: [&str; 4] = ["id", "name", "job", "job_id"];

/// A median length below this is taken for hours: no trace of batch jobs has a median of four days, nor of two minutes.
const HOURS_BELOW: f64 = 100.0;

/// What a job draws for each processor where no column tells, kW.
pub const KILOWATTS_PER_CPU: f64 = 1.0;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    fn hours(self) -> f64 {
        match self {
            Self::Seconds => 1.0 / 3600.0,
            Self::Minutes => 1.0 / 60.0,
            Self::Hours => 1.0,
        }
    }

    fn of_column(name: &str) -> Option<Self> {
        match name.rsplit_once('_').map(|(_, end)| end) {
            Some("s") => Some(Self::Seconds),
            Some("min") => Some(Self::Minutes),
            Some("h") => Some(Self::Hours),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }
}

/// One job of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceJob {
    /// What the trace calls it; its line number where it does not.
    pub name: String,
    /// Hours from the start of the replay to its submission.
    pub arrival: f64,
    /// Hours it runs.
    pub length: f64,
    /// When it has to be done, where the file says so, hours from the start of the replay.
    pub deadline: Option<f64>,
    /// Processors.
    pub cpus: f64,
    /// What it draws in all, kW.
    pub kilowatts: f64,
}

/// A job trace as read.
#[derive(Debug, Clone, PartialEq)]
pub struct JobTrace {
    /// The jobs, in the order of their arrival.
    pub jobs: Vec<TraceJob>,
    /// What columns without a unit were taken to count in, where there are any.
    pub guessed: Option<Unit>,
    /// Rows left out: without an arrival, or without a length above 0.
    pub left_out: usize,
}

struct Columns {
    arrival: (usize, &'static str),
    length: Option<(usize, &'static str)>,
    begin: Option<(usize, &'static str)>,
    end: Option<(usize, &'static str)>,
    deadline: Option<(usize, &'static str)>,
    wait: Option<(usize, &'static str)>,
    cpus: Option<(usize, &'static str)>,
    power: Option<(usize, &'static str)>,
    name: Option<(usize, &'static str)>,
}

impl Columns {
    fn of(table: &Table) -> Result<Self, TraceError> {
        let (length, end) = (table.find(&LENGTH), table.find(&END));
        if length.is_none() && end.is_none() {
            table.require("the length", &LENGTH)?;
        }
        Ok(Self {
            arrival: table.require("the arrival", &ARRIVAL)?,
            length,
            begin: table.find(&BEGIN),
            end,
            deadline: table.find(&DEADLINE),
            wait: table.find(&WAIT),
            cpus: table.find(&CPUS),
            power: table.find(&POWER),
            name: table.find(&NAME),
        })
    }

    /// Whether any time is in a column that does not say its unit. Columns named for a Kubernetes trace hold seconds.
    fn has_bare(&self) -> bool {
        self.length.is_some_and(|(_, name)| Unit::of_column(name).is_none())
            || Unit::of_column(self.arrival.1).is_none()
    }
}

impl JobTrace {
    /// Reads a trace. `start_s` is hour 0 of the replay, seconds since 1970; `unit` is that of columns that do not say theirs.
    pub fn read(text: &str, start_s: i64, unit: Option<Unit>) -> Result<Self, TraceError> {
        let table = Table::new(text)?;
        let columns = Columns::of(&table)?;
        let guessed = match unit {
            Some(_) => None,
            None if columns.has_bare() => guess(&table, &columns)?,
            None => None,
        };
        let bare = unit.or(guessed).or(Unit::of_column(columns.arrival.1)).unwrap_or(Unit::Seconds);
        let mut jobs = Vec::new();
        let mut left_out = 0;
        for row in table.rows() {
            match job(&row, &columns, bare, start_s)? {
                Some(job) => jobs.push(job),
                None => left_out += 1,
            }
        }
        if jobs.is_empty() {
            return Err(TraceError::Nothing("the trace holds no job with an arrival and a length".to_owned()));
        }
        jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        Ok(Self { jobs, guessed, left_out })
    }
}

fn guess(table: &Table, columns: &Columns) -> Result<Option<Unit>, TraceError> {
    let Some((place, name)) = columns.length else { return Ok(Some(Unit::Seconds)) };
    if let Some(unit) = Unit::of_column(name) {
        return Ok(Some(unit));
    }
    let mut lengths = Vec::new();
    for row in table.rows() {
        lengths.extend(row.number(place)?);
    }
    if lengths.is_empty() {
        return Ok(None);
    }
    let middle = lengths.len() / 2;
    let (_, median, _) = lengths.select_nth_unstable_by(middle, f64::total_cmp);
    Ok(Some(if *median < HOURS_BELOW { Unit::Hours } else { Unit::Seconds }))
}

/// One row; nothing where it tells of no job that ran.
fn job(row: &Row, columns: &Columns, bare: Unit, start_s: i64) -> Result<Option<TraceJob>, TraceError> {
    let moment = |column: (usize, &'static str)| moment(row, column, bare, start_s);
    let optional = |column: Option<(usize, &'static str)>| column.map_or(Ok(None), moment);
    let span = |column: Option<(usize, &'static str)>| -> Result<Option<f64>, TraceError> {
        let Some((place, name)) = column else { return Ok(None) };
        Ok(row.number(place)?.map(|value| value * Unit::of_column(name).unwrap_or(bare).hours()))
    };
    let Some(arrival) = moment(columns.arrival)? else { return Ok(None) };
    let length = match span(columns.length)? {
        Some(length) => Some(length),
        None => optional(columns.end)?.zip(optional(columns.begin)?.or(Some(arrival))).map(|(end, begin)| end - begin),
    };
    let Some(length) = length.filter(|length| *length > 0.0) else { return Ok(None) };
    let deadline = match optional(columns.deadline)? {
        Some(deadline) => Some(deadline),
        None => span(columns.wait)?.map(|wait| arrival + length + wait),
    };
    let cpus = number(row, columns.cpus)?.map(|(name, cpus)| if name == "cpu_milli" { cpus / 1000.0 } else { cpus });
    let cpus = cpus.unwrap_or(1.0);
    let kilowatts = number(row, columns.power)?
        .map_or(cpus * KILOWATTS_PER_CPU, |(name, power)| if name == "power_kw" { power } else { power / 1000.0 });
    if cpus < 0.0 || kilowatts < 0.0 {
        return Err(row.refuse("a negative number", "a number of processors or a power"));
    }
    let name = columns.name.map(|(place, _)| row.field(place).to_owned()).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| (row.line - 1).to_string());
    Ok(Some(TraceJob { name, arrival, length, deadline, cpus, kilowatts }))
}

fn number(row: &Row, column: Option<(usize, &'static str)>) -> Result<Option<(&'static str, f64)>, TraceError> {
    let Some((place, name)) = column else { return Ok(None) };
    Ok(row.number(place)?.map(|value| (name, value)))
}

/// A moment in hours from the start: a number in the column's unit, or a time of the calendar.
fn moment(
    row: &Row,
    (place, name): (usize, &'static str),
    bare: Unit,
    start_s: i64,
) -> Result<Option<f64>, TraceError> {
    let text = row.field(place);
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return Ok(Some(number * Unit::of_column(name).unwrap_or(bare).hours()));
    }
    let at = time::seconds(text).ok_or_else(|| row.refuse(text, "a number or a time such as 2020-01-01T00:00Z"))?;
    Ok(Some((at - start_s) as f64 / 3600.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> JobTrace {
        JobTrace::read(text, 0, None).expect("a trace")
    }

    #[test]
    fn seconds_and_hours_under_one_head_are_told_apart_by_their_lengths() {
        let seconds = read("arrival_time,length,cpus\n3600,7200,2\n0,1800,1\n");
        assert_eq!(seconds.guessed, Some(Unit::Seconds));
        assert_eq!(
            seconds.jobs[1],
            TraceJob { name: "1".into(), arrival: 1.0, length: 2.0, deadline: None, cpus: 2.0, kilowatts: 2.0 }
        );
        let hours = read("arrival_time,length,cpus\n0.5,25.4,1\n");
        assert_eq!((hours.guessed, hours.jobs[0].length), (Some(Unit::Hours), 25.4));
    }

    #[test]
    fn a_column_says_its_unit_by_its_end() {
        let trace = read("id,arrival_min,duration_min,deadline_h,power_w\na,570,3180,80,300\n");
        let job = &trace.jobs[0];
        assert_eq!((trace.guessed, job.name.as_str(), job.deadline), (None, "a", Some(80.0)));
        assert!(
            (job.arrival - 9.5).abs() < 1e-9 && (job.length - 53.0).abs() < 1e-9 && (job.kilowatts - 0.3).abs() < 1e-9
        );
    }

    #[test]
    fn pods_run_from_their_scheduling_to_their_deletion() {
        let text =
            "name,cpu_milli,creation_time,deletion_time,scheduled_time\npod,12000,3600,10800,7200\nnever,1000,0,,\n";
        let trace = read(text);
        assert_eq!((trace.jobs.len(), trace.left_out), (1, 1));
        assert!((trace.jobs[0].length - 1.0).abs() < 1e-9 && (trace.jobs[0].cpus - 12.0).abs() < 1e-9);
    }

    #[test]
    fn calendar_times_count_from_the_start() {
        let trace = read("submitted_at,duration_h,deadline\n1970-01-01T02:00Z,3,1970-01-02T00:00:00Z\n");
        assert!((trace.jobs[0].arrival - 2.0).abs() < 1e-9);
        assert_eq!(trace.jobs[0].deadline, Some(24.0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text: &str| JobTrace::read(text, 0, None).expect_err("refused").to_string();
        assert!(told("arrival,cpus\n1,1\n").starts_with("there is no column for the length"));
        assert!(told("arrival,length\nx,1\n").starts_with("line 2: `x` is not"));
        assert!(told("arrival,length\n").starts_with("the trace holds no job"));
    }
}
