//! Bidding zones of Europe and their Energy Identification Codes: <https://www.entsoe.eu/data/energy-identification-codes-eic/>.

/// Zone and code. `DE` is the zone of Germany and Luxembourg, `IE` that of the whole island.
const ZONES: [(&str, &str); 57] = [
    ("AL", "10YAL-KESH-----5"),
    ("AT", "10YAT-APG------L"),
    ("BA", "10YBA-JPCC-----D"),
    ("BE", "10YBE----------2"),
    ("BG", "10YCA-BULGARIA-R"),
    ("CH", "10YCH-SWISSGRIDZ"),
    ("CY", "10YCY-1001A0003J"),
    ("CZ", "10YCZ-CEPS-----N"),
    ("DE", "10Y1001A1001A82H"),
    ("DE-LU", "10Y1001A1001A82H"),
    ("DK1", "10YDK-1--------W"),
    ("DK2", "10YDK-2--------M"),
    ("EE", "10Y1001A1001A39I"),
    ("ES", "10YES-REE------0"),
    ("FI", "10YFI-1--------U"),
    ("FR", "10YFR-RTE------C"),
    ("GB", "10YGB----------A"),
    ("GE", "10Y1001A1001B012"),
    ("GR", "10YGR-HTSO-----Y"),
    ("HR", "10YHR-HEP------M"),
    ("HU", "10YHU-MAVIR----U"),
    ("IE", "10Y1001A1001A59C"),
    ("IT", "10YIT-GRTN-----B"),
    ("IT-CAL", "10Y1001C--00096J"),
    ("IT-CNO", "10Y1001A1001A70O"),
    ("IT-CSO", "10Y1001A1001A71M"),
    ("IT-NO", "10Y1001A1001A73I"),
    ("IT-SAR", "10Y1001A1001A74G"),
    ("IT-SIC", "10Y1001A1001A75E"),
    ("IT-SO", "10Y1001A1001A788"),
    ("LT", "10YLT-1001A0008Q"),
    ("LU", "10YLU-CEGEDEL-NQ"),
    ("LV", "10YLV-1001A00074"),
    ("MD", "10Y1001A1001A990"),
    ("ME", "10YCS-CG-TSO---S"),
    ("MK", "10YMK-MEPSO----8"),
    ("MT", "10Y1001A1001A93C"),
    ("NIE", "10Y1001A1001A016"),
    ("NL", "10YNL----------L"),
    ("NO1", "10YNO-1--------2"),
    ("NO2", "10YNO-2--------T"),
    ("NO3", "10YNO-3--------J"),
    ("NO4", "10YNO-4--------9"),
    ("NO5", "10Y1001A1001A48H"),
    ("PL", "10YPL-AREA-----S"),
    ("PT", "10YPT-REN------W"),
    ("RO", "10YRO-TEL------P"),
    ("RS", "10YCS-SERBIATSOV"),
    ("SE1", "10Y1001A1001A44P"),
    ("SE2", "10Y1001A1001A45N"),
    ("SE3", "10Y1001A1001A46L"),
    ("SE4", "10Y1001A1001A47J"),
    ("SI", "10YSI-ELES-----O"),
    ("SK", "10YSK-SEPS-----K"),
    ("TR", "10YTR-TEIAS----W"),
    ("UA", "10Y1001C--00003F"),
    ("XK", "10Y1001C--00100H"),
];

/// Names there are: those of the table, and `SE-SE4` and the like as Electricity Maps writes them.
pub(crate) fn names() -> Vec<String> {
    let long = ZONES.iter().filter(|(name, _)| name.ends_with(|last: char| last.is_ascii_digit()));
    let long = long.map(|(name, _)| format!("{}-{name}", &name[..2]));
    ZONES.iter().map(|(name, _)| (*name).to_owned()).chain(long).collect()
}

/// The code of a zone.
pub(crate) fn code(zone: &str) -> Option<&'static str> {
    let of = |zone: &str| ZONES.iter().find(|(name, _)| *name == zone).map(|(_, code)| *code);
    of(zone).or_else(|| {
        let (country, name) = zone.split_once('-')?;
        name.strip_prefix(country)?.parse::<u8>().ok()?;
        of(name)
    })
}

/// Whether a text has the form of a code.
pub(crate) fn is_code(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() == 16 && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check character of ENTSO-E's EIC reference manual: weights 16 to 2, modulo 37.
    fn check(code: &str) -> char {
        let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
        let value = |letter: char| alphabet.find(letter).expect("a letter of the alphabet");
        let sum: usize = code.chars().take(15).zip((2..=16).rev()).map(|(letter, weight)| value(letter) * weight).sum();
        alphabet.chars().nth(36 - (sum - 1) % 37).expect("of 37")
    }

    #[test]
    fn no_code_is_mistyped() {
        for (zone, code) in ZONES {
            assert!(is_code(code), "{zone}");
            assert_eq!(Some(check(code)), code.chars().last(), "{zone}");
        }
    }

    #[test]
    fn zones_go_by_both_names() {
        assert_eq!(code("SE4"), Some("10Y1001A1001A47J"));
        assert_eq!((code("SE-SE4"), code("DK-DK1")), (code("SE4"), code("DK1")));
        assert!(
            [code("SE-DK1"), code("US-CAL-CISO"), code(""), code("SE5"), code("FR-FR")].iter().all(Option::is_none)
        );
        assert!(names().iter().all(|name| code(name).is_some()));
    }
}
