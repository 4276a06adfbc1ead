//! One part of a machine (processors, memory, GPUs) in one reading, and how good the parts are together.

use lowtide_model::job::EnergySource;
use lowtide_model::quantity::Joules;

/// What a part's energy rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// There is no such part, or it is knowingly left out.
    Absent,
    /// Counters alone.
    Counted,
    /// Counters for some of its devices, the model for others.
    Partly,
    /// The model alone.
    Modelled,
}

impl Coverage {
    /// What `counted` of `all` devices make.
    pub(crate) const fn of(counted: usize, all: usize) -> Self {
        match (counted, all) {
            (_, 0) => Self::Absent,
            (0, _) => Self::Modelled,
            _ if counted == all => Self::Counted,
            _ => Self::Partly,
        }
    }

    /// Whether any counter is in it.
    pub(crate) const fn has_counter(self) -> bool {
        matches!(self, Self::Counted | Self::Partly)
    }
}

/// What one part used since the last reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    pub(crate) energy: Joules,
    pub(crate) coverage: Coverage,
}

/// What the parts rest on together, one of which may be the job's share of a counter: a sum is as good as its weakest
/// part.
pub(crate) fn source_of(parts: &[Coverage], shared: bool) -> EnergySource {
    let counted = parts.iter().any(|part| part.has_counter());
    let modelled = parts.iter().any(|part| matches!(part, Coverage::Partly | Coverage::Modelled));
    match (counted, modelled) {
        (true, false) if shared => EnergySource::Shared,
        (true, false) => EnergySource::Measured,
        (true, true) => EnergySource::Mixed,
        (false, _) => EnergySource::Modelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_as_good_as_its_weakest_part() {
        use Coverage::{Absent, Counted, Modelled, Partly};
        for (parts, source) in [
            (&[Counted, Counted, Absent][..], EnergySource::Measured),
            (&[Counted, Modelled, Absent], EnergySource::Mixed),
            (&[Partly, Absent, Absent], EnergySource::Mixed),
            (&[Modelled, Modelled, Absent], EnergySource::Modelled),
            (&[Absent], EnergySource::Modelled),
        ] {
            assert_eq!(source_of(parts, false), source, "{parts:?}");
            let shared = if source == EnergySource::Measured { EnergySource::Shared } else { source };
            assert_eq!(source_of(parts, true), shared, "{parts:?}");
        }
    }

    #[test]
    fn coverage_follows_from_how_many_are_counted() {
        assert_eq!(Coverage::of(0, 0), Coverage::Absent);
        assert_eq!(Coverage::of(0, 2), Coverage::Modelled);
        assert_eq!(Coverage::of(1, 2), Coverage::Partly);
        assert_eq!(Coverage::of(2, 2), Coverage::Counted);
    }
}
