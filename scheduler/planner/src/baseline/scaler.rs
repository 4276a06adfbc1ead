//! CarbonScaler (Hanafy et al., SIGMETRICS '24): an elastic job takes more nodes in clean hours, one node at a time, where the
//! next node does most work for its carbon.
//!
//! As the authors' Python reference does it: the last node taken mostly does too much, and what is too much is cut from the slot
//! whose work is dirtiest on average. Optimal for one job whose marginal work for its energy falls with each node.

/// How a job scales: work and energy of an hour with 0, 1, 2, … nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Work done in an hour, of any unit.
    throughput: Vec<f64>,
    /// Power, of any unit.
    power: Vec<f64>,
}

impl Profile {
    /// From rows for 0, 1, 2, … nodes; `None` where they do not begin with 0 and 0, hold no node, or do not both grow.
    #[must_use]
    pub fn new(throughput: Vec<f64>, power: Vec<f64>) -> Option<Self> {
        let grows = |values: &[f64]| values.first() == Some(&0.0) && values.windows(2).all(|pair| pair[0] < pair[1]);
        let usable = 2 <= throughput.len() && throughput.len() == power.len() && grows(&throughput) && grows(&power);
        usable.then_some(Self { throughput, power })
    }

    /// One node and no more.
    #[must_use]
    pub fn rigid() -> Self {
        Self { throughput: vec![0.0, 1.0], power: vec![0.0, 1.0] }
    }

    /// Power with so many nodes in units of that with one.
    #[must_use]
    pub fn relative_power(&self, nodes: usize) -> f64 {
        self.power[nodes] / self.power[1]
    }
}

/// What an elastic job does in one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaled {
    /// Which slot.
    pub slot: usize,
    /// With how many nodes.
    pub nodes: usize,
    /// Which share of the slot.
    pub share: f64,
}

/// The slots a job of `work` node-slots (slots at one node) runs in, in order. All slots at all nodes where even those do not
/// suffice.
#[must_use]
pub fn scaled(intensities: &[f64], profile: &Profile, work: f64) -> Vec<Scaled> {
    let most = profile.throughput.len() - 1;
    let unit = profile.throughput[1];
    // The carbon of a unit of work that the next node in a slot would do.
    let marginal = |slot: usize, nodes: usize| {
        let power = profile.power[nodes + 1] - profile.power[nodes];
        intensities[slot] * power / (profile.throughput[nodes + 1] - profile.throughput[nodes])
    };
    let mut nodes = vec![0_usize; intensities.len()];
    // The cheapest next node first, of equal ones the earliest; costs are not negative, so their bits sort as they do.
    let mut next: std::collections::BinaryHeap<std::cmp::Reverse<(u64, usize)>> =
        (0..intensities.len()).map(|slot| std::cmp::Reverse((marginal(slot, 0).max(0.0).to_bits(), slot))).collect();
    let mut left = work * unit;
    while 0.0 < left {
        let Some(std::cmp::Reverse((_, slot))) = next.pop() else { break };
        left -= profile.throughput[nodes[slot] + 1] - profile.throughput[nodes[slot]];
        nodes[slot] += 1;
        if nodes[slot] < most {
            next.push(std::cmp::Reverse((marginal(slot, nodes[slot]).max(0.0).to_bits(), slot)));
        }
    }
    let mut chosen: Vec<Scaled> = nodes
        .into_iter()
        .enumerate()
        .filter(|(_, nodes)| 0 < *nodes)
        .map(|(slot, nodes)| Scaled { slot, nodes, share: 1.0 })
        .collect();
    let average =
        |scaled: &Scaled| intensities[scaled.slot] * profile.power[scaled.nodes] / profile.throughput[scaled.nodes];
    let mut dirtiest: Option<(f64, usize)> = None;
    for (index, scaled) in chosen.iter().enumerate() {
        let dirt = average(scaled);
        if dirtiest.is_none_or(|(most, _)| most < dirt) {
            dirtiest = Some((dirt, index));
        }
    }
    if let Some((_, index)) = dirtiest.filter(|_| left < 0.0) {
        chosen[index].share += left / profile.throughput[chosen[index].nodes];
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rigid_job_takes_the_cleanest_slots() {
        let chosen = scaled(&[5.0, 1.0, 3.0], &Profile::rigid(), 2.0);
        assert_eq!(chosen.iter().map(|scaled| (scaled.slot, scaled.nodes)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    }

    #[test]
    fn a_second_node_is_taken_where_it_is_cleaner_than_another_hour() {
        let profile = Profile::new(vec![0.0, 1.0, 1.8], vec![0.0, 1.0, 2.0]).expect("a profile");
        // Two nodes at 1: the second does 0.8 of the work for its carbon, still cleaner than an hour at 3.
        let chosen = scaled(&[3.0, 1.0, 5.0], &profile, 1.5);
        assert_eq!(chosen.len(), 1);
        assert_eq!((chosen[0].slot, chosen[0].nodes), (1, 2));
        assert!((chosen[0].share - 1.5 / 1.8).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_grow_is_no_profile() {
        assert_eq!(Profile::new(vec![0.0, 2.0, 1.0], vec![0.0, 1.0, 2.0]), None);
        assert_eq!(Profile::new(vec![0.0], vec![0.0]), None);
    }
}
