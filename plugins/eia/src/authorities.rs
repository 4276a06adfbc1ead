//! Balancing authorities by the region that Electricity Maps puts into the names of its zones: `US-CAL-CISO` is the
//! authority `CISO`. The codes are those of Form EIA-930; those that report no fuels any more, or only hydro, are there too:
//! the past is asked for as well.

/// Region and its authorities.
pub(crate) const AUTHORITIES: [(&str, &[&str]); 13] = [
    ("CAL", &["BANC", "CISO", "IID", "LDWP", "TIDC"]),
    ("CAR", &["CPLE", "CPLW", "DUK", "SC", "SCEG", "YAD"]),
    ("CENT", &["SPA", "SWPP"]),
    ("FLA", &["FMPP", "FPC", "FPL", "GVL", "HST", "JEA", "NSB", "SEC", "TAL", "TEC"]),
    ("MIDA", &["PJM"]),
    ("MIDW", &["AECI", "EEI", "GLHB", "LGEE", "MISO"]),
    ("NE", &["ISNE"]),
    (
        "NW",
        &[
            "AVA", "AVRN", "BPAT", "CHPD", "DOPD", "GCPD", "GRID", "GWA", "IPCO", "NEVP", "NWMT", "PACE", "PACW",
            "PGE", "PSCO", "PSEI", "SCL", "TPWR", "WACM", "WAUW", "WWA",
        ],
    ),
    ("NY", &["NYIS"]),
    ("SE", &["AEC", "SEPA", "SOCO"]),
    ("SW", &["AZPS", "DEAA", "EPE", "GRIF", "GRMA", "HGMA", "PNM", "SRP", "TEPC", "WALC"]),
    ("TEN", &["TVA"]),
    ("TEX", &["ERCO"]),
];

/// The code by which the EIA knows a zone: the last part of a name such as `US-CAL-CISO`, or the name itself where it is a
/// code already. A plain code that is not in the table is let through: the EIA adds some now and then.
pub(crate) fn respondent(zone: &str) -> Option<&str> {
    let Some(name) = zone.strip_prefix("US-") else {
        let plain = (2..=4).contains(&zone.len()) && zone.bytes().all(|byte| byte.is_ascii_uppercase());
        return plain.then_some(zone);
    };
    let (region, code) = name.split_once('-')?;
    let (_, codes) = AUTHORITIES.iter().find(|(known, _)| *known == region)?;
    codes.contains(&code).then_some(code)
}

/// The zones it serves: all of Electricity Maps' names, and the codes.
pub(crate) fn zones() -> Vec<String> {
    let codes = AUTHORITIES.iter().flat_map(|(_, codes)| codes.iter().map(|code| (*code).to_owned()));
    std::iter::once("US-*".to_owned()).chain(codes).collect()
}
