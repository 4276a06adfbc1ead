//! A file the user granted: `time,intensity[,low,high]` (any columns, found by name), or an hour-of-day table
//! `hour,intensity` that repeats for ever. Lines that begin with `#` are comments. A row without a value is a gap.

use lowtide_region_sdk::{
    Accounting, Band, Basis, Error, Info, Kind, Plugin, Point, Query, Series, Signal, Timestamp, config_or, host,
    parse_time,
};

const HOUR: u64 = 3600;

struct Csv;

impl Plugin for Csv {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["*".into()],
            signals: vec![Signal::Average, Signal::Marginal],
            resolution: 3600,
            horizon: 366 * 86_400,
            refresh_interval: 3600,
            attribution: None,
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        let name = config_or("file", "file");
        let bytes =
            host::asset(&name).ok_or_else(|| Error::InvalidConfig(format!("file: no file is granted as `{name}`")))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Malformed(format!("`{name}` is no text")))?;
        let table = Table::of(&text)?;
        let signal = match config_or("signal", "average").as_str() {
            "average" => Signal::Average,
            "marginal" => Signal::Marginal,
            _ => {
                return Err(Error::InvalidConfig("signal: neither average nor marginal".into()));
            }
        };
        if signal != query.signal {
            return Err(Error::Other("the file holds another signal than asked for".into()));
        }
        let points = table.points(&query)?;
        if points.is_empty() {
            return Err(Error::OutOfRange);
        }
        query
            .zones
            .iter()
            .map(|zone| Ok(series_of(zone, signal, table.basis()?, accounting()?, points.clone())))
            .collect()
    }
}

fn series_of(zone: &str, signal: Signal, basis: Basis, accounting: Accounting, points: Vec<Point>) -> Series {
    Series { zone: zone.to_owned(), signal, basis, accounting, issued_at: None, points }
}

fn accounting() -> Result<Accounting, Error> {
    match config_or("accounting", "production").as_str() {
        "production" => Ok(Accounting::Production),
        "consumption" => Ok(Accounting::Consumption),
        _ => Err(Error::InvalidConfig("accounting: neither production nor consumption".into())),
    }
}

/// The file, cut into cells.
struct Table<'a> {
    header: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
    column: usize,
}

impl<'a> Table<'a> {
    fn of(text: &'a str) -> Result<Self, Error> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let cells = |line: &'a str| line.split(',').map(str::trim).collect::<Vec<_>>();
        let header = cells(lines.next().ok_or_else(|| Error::Malformed("the file is empty".into()))?);
        let wanted = host::config_get("column");
        let found = match &wanted {
            Some(column) => header.iter().position(|name| name == column),
            None => ["intensity", "lifecycle"].iter().find_map(|name| header.iter().position(|column| column == name)),
        };
        let column = found.ok_or_else(|| {
            let wanted = wanted.unwrap_or_else(|| "intensity".into());
            Error::InvalidConfig(format!("column: the file has no `{wanted}`, but {}", header.join(", ")))
        })?;
        Ok(Self { rows: lines.map(cells).collect(), header, column })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| *column == name)
    }

    fn basis(&self) -> Result<Basis, Error> {
        let by_name = if self.header[self.column] == "direct" { "direct" } else { "lifecycle" };
        match config_or("basis", by_name).as_str() {
            "direct" => Ok(Basis::Direct),
            "lifecycle" => Ok(Basis::Lifecycle),
            _ => Err(Error::InvalidConfig("basis: neither direct nor lifecycle".into())),
        }
    }

    fn points(&self, query: &Query) -> Result<Vec<Point>, Error> {
        match host::config_get("repeat").as_deref() {
            None => self.time_series(query),
            Some("day") => self.repeated_day(query),
            Some(_) => Err(Error::InvalidConfig("repeat: only `day` is known".into())),
        }
    }

    fn time_series(&self, query: &Query) -> Result<Vec<Point>, Error> {
        let kind = kind_or(Kind::Forecast)?;
        let time = self.column("time").or_else(|| self.column("UTC time")).unwrap_or(0);
        let mut rows: Vec<(Timestamp, Option<f64>, Option<Band>)> = Vec::new();
        for row in &self.rows {
            let text = row.get(time).copied().unwrap_or_default();
            let start = parse_time(text).ok_or_else(|| Error::Malformed(format!("a row of the time `{text}`")))?;
            rows.push((start, number(row.get(self.column))?, self.band(row)?));
        }
        rows.sort_by_key(|(start, ..)| *start);
        rows.dedup_by_key(|(start, ..)| *start);
        let step = step_of(&rows);
        let point = |(index, (start, value, uncertainty)): (usize, &(Timestamp, Option<f64>, Option<Band>))| {
            // A row lasts until the next one, but no longer than is usual: a gap is a gap.
            let length = rows.get(index + 1).map_or(step, |(next, ..)| (next - start).min(step));
            let duration = u32::try_from(length).ok()?;
            Some(Point { start: *start, duration, intensity: (*value)?, uncertainty: *uncertainty, kind })
        };
        let points = rows.iter().enumerate().filter_map(point);
        Ok(points
            .filter(|point| query.start < point.start + u64::from(point.duration) && point.start < query.end)
            .collect())
    }

    fn band(&self, row: &[&str]) -> Result<Option<Band>, Error> {
        let (Some(low), Some(high)) = (self.column("low"), self.column("high")) else {
            return Ok(None);
        };
        let band = (number(row.get(low))?, number(row.get(high))?);
        Ok(if let (Some(low), Some(high)) = band { Some(Band { low, high }) } else { None })
    }

    fn repeated_day(&self, query: &Query) -> Result<Vec<Point>, Error> {
        let kind = kind_or(Kind::Estimated)?;
        let hour =
            self.column("hour").ok_or_else(|| Error::InvalidConfig("repeat: the file has no column `hour`".into()))?;
        let mut day: [Option<f64>; 24] = [None; 24];
        for row in &self.rows {
            let index = row.get(hour).and_then(|text| text.parse::<usize>().ok()).filter(|hour| *hour < 24);
            let index = index.ok_or_else(|| Error::Malformed("an hour that is not 0 to 23".into()))?;
            day[index] = number(row.get(self.column))?;
        }
        let hours = query.start / HOUR..query.end.div_ceil(HOUR);
        let point = |hour: u64| {
            let intensity = day[usize::try_from(hour % 24).ok()?]?;
            Some(Point { start: hour * HOUR, duration: 3600, intensity, uncertainty: None, kind })
        };
        Ok(hours.filter_map(point).collect())
    }
}

fn kind_or(default: Kind) -> Result<Kind, Error> {
    match host::config_get("kind").as_deref() {
        None => Ok(default),
        Some("measured") => Ok(Kind::Measured),
        Some("forecast") => Ok(Kind::Forecast),
        Some("estimated") => Ok(Kind::Estimated),
        Some("static") => Ok(Kind::Static),
        Some(_) => Err(Error::InvalidConfig("kind: not measured, forecast, estimated or static".into())),
    }
}

/// The commonest distance between two rows.
fn step_of<A, B>(rows: &[(Timestamp, A, B)]) -> u64 {
    let mut steps: Vec<u64> = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(HOUR)
}

/// A cell's number; nothing where it is empty, which is no 0.
fn number(cell: Option<&&str>) -> Result<Option<f64>, Error> {
    match cell.copied() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Error::Malformed(format!("`{text}` is no number"))),
    }
}

lowtide_region_sdk::export_plugin!(Csv with_types_in lowtide_region_sdk);
