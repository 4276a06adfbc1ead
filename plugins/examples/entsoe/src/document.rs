//! Reads documents of the Transparency Platform. Elements are known by their local names: the versions in the namespaces
//! move. Times are the start of a `Period` plus position times resolution, and both belong to each `Period` alone.

use lowtide_region_sdk::{Error, Timestamp, parse_time};
use roxmltree::{Document, Node};

/// The most positions a `Period` may have: a year of quarters of an hour, which is the most the platform gives at once.
const MOST_POSITIONS: u64 = 366 * 96;
/// "No matching data", and whatever else is wrong with a time asked for.
const NO_DATA: &str = "999";

/// What plants of one type gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// `B01` and so on.
    pub(crate) kind: String,
    pub(crate) start: Timestamp,
    /// Seconds.
    pub(crate) step: u32,
    /// MW.
    pub(crate) power: f64,
}

/// The outputs in a document A75. What goes out of the zone's plants, for pumping and charging, is left out.
pub(crate) fn read(body: &[u8]) -> Result<Vec<Output>, Error> {
    if body.starts_with(b"PK") {
        return Err(malformed("a ZIP archive, and it was not asked for one"));
    }
    let text = std::str::from_utf8(body).map_err(|_| malformed("something else than UTF-8"))?;
    let document = Document::parse(text).map_err(|error| malformed(&format!("something else than XML: {error}")))?;
    let root = document.root_element();
    match root.tag_name().name() {
        "Acknowledgement_MarketDocument" => return Err(refusal(root)),
        "GL_MarketDocument" if text_of(root, "type") == Some("A75") => {}
        other => {
            let kind = text_of(root, "type").unwrap_or("none");
            return Err(malformed(&format!("a {other} of the type {kind} instead of generation by type (A75)")));
        }
    }
    let mut outputs = Vec::new();
    for series in children(root, "TimeSeries") {
        if children(series, "outBiddingZone_Domain.mRID").next().is_some() {
            continue;
        }
        let unit = text_of(series, "quantity_Measure_Unit.name").unwrap_or("MAW");
        if unit != "MAW" {
            return Err(malformed(&format!("generation in the unit `{unit}`")));
        }
        let kind = children(series, "MktPSRType").next().and_then(|plants| text_of(plants, "psrType"));
        let kind = kind.ok_or_else(|| malformed("generation without the type of its plants"))?;
        let repeats = text_of(series, "curveType") == Some("A03");
        for period in children(series, "Period") {
            read_period(period, kind, repeats, &mut outputs)?;
        }
    }
    Ok(outputs)
}

/// Where values repeat (A03), a position that is not there has the value of the one before it, to the end of the period.
fn read_period(period: Node, kind: &str, repeats: bool, outputs: &mut Vec<Output>) -> Result<(), Error> {
    let interval = children(period, "timeInterval").next().ok_or_else(|| malformed("a period without its time"))?;
    let start = moment(interval, "start")?;
    let end = moment(interval, "end")?;
    let step =
        text_of(period, "resolution").and_then(seconds).ok_or_else(|| malformed("a period without its steps"))?;
    let positions = end.saturating_sub(start) / u64::from(step);
    if MOST_POSITIONS < positions {
        return Err(malformed(&format!("a period of {positions} steps")));
    }
    let mut points = Vec::new();
    for point in children(period, "Point") {
        let position: Option<u64> = text_of(point, "position").and_then(|text| text.parse().ok());
        let quantity: Option<f64> = text_of(point, "quantity").and_then(|text| text.parse().ok());
        let (Some(position), Some(quantity)) = (position, quantity) else {
            return Err(malformed("a point without its position or quantity"));
        };
        if !(1..=positions).contains(&position) {
            return Err(malformed(&format!("position {position} in a period of {positions} steps")));
        }
        points.push((position, quantity));
    }
    points.sort_by_key(|(position, _)| *position);
    for (index, (position, power)) in points.iter().enumerate() {
        let until = match points.get(index + 1) {
            _ if !repeats => position + 1,
            Some((next, _)) => *next,
            None => positions + 1,
        };
        outputs.extend((*position..until).map(|position| Output {
            kind: kind.to_owned(),
            start: start + (position - 1) * u64::from(step),
            step,
            power: *power,
        }));
    }
    Ok(())
}

/// An acknowledgement is the platform's way of refusing.
fn refusal(root: Node) -> Error {
    let reason = children(root, "Reason").next();
    let code = reason.and_then(|reason| text_of(reason, "code")).unwrap_or("none");
    let text = reason.and_then(|reason| text_of(reason, "text")).unwrap_or_default();
    if code == NO_DATA {
        Error::OutOfRange
    } else {
        Error::Unavailable(format!("ENTSO-E refused, reason {code}: {}", text.chars().take(160).collect::<String>()))
    }
}

/// `PT15M`, `PT60M`, `PT1H`, `P1D`.
fn seconds(resolution: &str) -> Option<u32> {
    let (count, unit) = match resolution.strip_prefix("PT") {
        Some(clock) => {
            clock.strip_suffix('M').map(|count| (count, 60)).or(clock.strip_suffix('H').map(|count| (count, 3600)))?
        }
        None => (resolution.strip_prefix('P')?.strip_suffix('D')?, 86_400),
    };
    count.parse::<u32>().ok()?.checked_mul(unit).filter(|step| 0 < *step)
}

fn moment(interval: Node, name: &'static str) -> Result<Timestamp, Error> {
    text_of(interval, name).and_then(parse_time).ok_or_else(|| malformed(&format!("a period without its {name}")))
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn text_of<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    children(node, name).next()?.text().map(str::trim)
}

fn malformed(what: &str) -> Error {
    Error::Malformed(format!("ENTSO-E answered {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(curve: &str, points: &str) -> String {
        format!(
            "<?xml version='1.0'?><n:GL_MarketDocument xmlns:n='urn:of:tomorrow:9:9'><n:type>A75</n:type><n:TimeSeries>\
             <n:inBiddingZone_Domain.mRID>X</n:inBiddingZone_Domain.mRID><n:curveType>{curve}</n:curveType>\
             <n:MktPSRType><n:psrType>B04</n:psrType></n:MktPSRType><n:Period><n:timeInterval>\
             <n:start>1970-01-02T00:00Z</n:start><n:end>1970-01-02T01:00Z</n:end></n:timeInterval>\
             <n:resolution>PT15M</n:resolution>{points}</n:Period></n:TimeSeries></n:GL_MarketDocument>"
        )
    }

    fn point(position: &str, quantity: &str) -> String {
        format!("<n:Point><n:position>{position}</n:position><n:quantity>{quantity}</n:quantity></n:Point>")
    }

    fn told(text: &str) -> Result<Vec<(Timestamp, f64)>, Error> {
        Ok(read(text.as_bytes())?.into_iter().map(|output| (output.start, output.power)).collect())
    }

    #[test]
    fn omitted_positions_repeat_where_the_curve_says_so() {
        let points = format!("{}{}", point("1", "10"), point("3", "20.5"));
        let repeated = told(&document("A03", &points)).expect("well-formed");
        assert_eq!(repeated, [(86_400, 10.0), (87_300, 10.0), (88_200, 20.5), (89_100, 20.5)]);
        let gaps = told(&document("A01", &points)).expect("well-formed");
        assert_eq!(gaps, [(86_400, 10.0), (88_200, 20.5)]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for points in [point("0", "1"), point("5", "1"), point("1", "x"), point("-1", "1"), point("1.5", "1")] {
            assert!(matches!(told(&document("A03", &points)), Err(Error::Malformed(_))), "{points}");
        }
        let long = document("A03", &point("1", "1")).replace("1970-01-02T01:00Z", "9999-01-02T01:00Z");
        assert!(matches!(told(&long), Err(Error::Malformed(_))), "it would repeat for ever");
        for text in ["", "<html>", "PK\u{3}\u{4}", "<a/>", "<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>"] {
            assert!(matches!(told(text), Err(Error::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn resolutions_as_the_platform_writes_them() {
        let of = ["PT15M", "PT30M", "PT60M", "PT1H", "P1D", "PT0M", "P1M", "15", ""].map(seconds);
        assert_eq!(of, [Some(900), Some(1800), Some(3600), Some(3600), Some(86_400), None, None, None, None]);
    }
}
