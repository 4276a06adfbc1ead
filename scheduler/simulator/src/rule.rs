//! The baselines by name.

use lowtide_planner::baseline::awhile::Semantics;

/// A rule of the field, or the optimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Starts at the arrival.
    RunNow,
    /// Let's Wait Awhile: the cleanest contiguous window.
    LwaContiguous,
    /// Let's Wait Awhile: the cleanest slots.
    LwaInterruptible,
    /// GAIA: the cleanest hour within the wait; length unknown.
    GaiaLowestSlot,
    /// GAIA: the cleanest window of the queue's mean length.
    GaiaLowestWindow,
    /// GAIA: the most saved for each hour until the end, of the queue's mean length.
    GaiaCarbonTime,
    /// Ecovisor's threshold, as GAIA has it; length unknown.
    GaiaEcovisor,
    /// GAIA's name for the cleanest slots.
    GaiaWaitAwhile,
    /// CarbonScaler: more nodes in clean hours, by marginal gain.
    CarbonScaler,
    /// Double-threshold pause and resume; knows no forecast.
    Dtpr,
    /// k-min search; knows no forecast.
    KMin,
    /// Everything known.
    Oracle,
}

/// The baselines' names, in the order they are listed.
pub const NAMES: [(&str, Rule); 12] = [
    ("run-now", Rule::RunNow),
    ("lwa-contiguous", Rule::LwaContiguous),
    ("lwa-interruptible", Rule::LwaInterruptible),
    ("gaia-lowest-slot", Rule::GaiaLowestSlot),
    ("gaia-lowest-window", Rule::GaiaLowestWindow),
    ("gaia-carbon-time", Rule::GaiaCarbonTime),
    ("gaia-ecovisor", Rule::GaiaEcovisor),
    ("gaia-wait-awhile", Rule::GaiaWaitAwhile),
    ("carbonscaler", Rule::CarbonScaler),
    ("dtpr", Rule::Dtpr),
    ("k-min", Rule::KMin),
    ("oracle", Rule::Oracle),
];

/// After a name of Let's Wait Awhile: windows as the published tables have them.
const PUBLISHED: &str = ":published";

impl Rule {
    /// The rule of a name, and how many slots its windows offer. `lwa-contiguous` is honest, `lwa-contiguous:published` is what
    /// the authors' tables rest on; `run-now:published` is the baseline of those.
    #[must_use]
    pub fn named(name: &str) -> Option<(Self, Semantics)> {
        let (plain, semantics) =
            name.strip_suffix(PUBLISHED).map_or((name, Semantics::Honest), |plain| (plain, Semantics::Published));
        let rule = NAMES.into_iter().find(|(known, _)| *known == plain)?.1;
        let may = semantics == Semantics::Honest
            || matches!(rule, Self::RunNow | Self::LwaContiguous | Self::LwaInterruptible);
        may.then_some((rule, semantics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_two_semantics_takes_the_published_one() {
        assert_eq!(Rule::named("lwa-contiguous:published"), Some((Rule::LwaContiguous, Semantics::Published)));
        assert_eq!(Rule::named("oracle"), Some((Rule::Oracle, Semantics::Honest)));
        assert_eq!(Rule::named("oracle:published"), None);
        assert_eq!(Rule::named("patient"), None);
    }
}
