//! The receding horizon on forecasts as they were issued: what `docs/receding-horizon.md` claims of it.

use std::path::Path;

#[path = "receding_horizon/setting.rs"]
mod setting;

use setting::{Arrival, BIAS, CHANCE, LEARNED, Policy, RAW, Region, Rule, Tally, errors, load, tally};

/// The recorded forecasts with every `step`-th job, where they are at hand.
fn recorded(step: usize) -> Option<Vec<(Region, Vec<Arrival>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.join("forecast/carboncast").is_dir() {
        skipped();
        return None;
    }
    Some(load(&folder, step).expect("what is there can be read"))
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped() {
    eprintln!("SKIPPED: the recorded forecasts are not here");
}

/// Cost over optimum and the share missed, for 12 and 24 hours.
type Means = [(f64, f64); 2];

/// The means over the regions.
fn means(tallies: &[[Tally; 2]]) -> Means {
    let mean = |of: &dyn Fn(&[Tally; 2]) -> f64| tallies.iter().map(of).sum::<f64>() / tallies.len() as f64;
    [0, 1].map(|at| (mean(&|pair| pair[at].mean()), mean(&|pair| pair[at].misses())))
}

/// No month of a zone may be half a percent worse than running at once.
fn no_month_is_worse_than_at_once(regions: &[(Region, Vec<Arrival>)], tallies: &[[Tally; 2]]) {
    for ((region, _), pair) in regions.iter().zip(tallies) {
        for (at, tally) in pair.iter().enumerate() {
            for (month, (cost, at_once)) in (7..).zip(tally.months) {
                assert!(cost <= 1.005 * at_once, "{} month {month}, length {at}: {cost} {at_once}", region.name);
            }
        }
    }
}

#[test]
fn with_the_length_known_it_comes_within_18_and_10_thousandths_of_the_optimum_and_never_misses() {
    let Some(regions) = recorded(1) else { return };
    let of = |policy: Policy| tally(&regions, &[0.0], policy);
    // The rows of the reference, so that the setting is shown to be the same.
    let rows = [
        (means(&of(&|_, _, length, _, _| vec![true; length])), [1.164, 1.088]),
        (means(&of(&|region, arrival, length, _, _| region.length_known(arrival, length, RAW))), [1.032, 1.018]),
        (means(&of(&|region, arrival, length, _, _| region.length_known(arrival, length, BIAS))), [1.020, 1.012]),
    ];
    for (row, expected) in rows {
        for ((ratio, misses), expected) in row.into_iter().zip(expected) {
            assert!((ratio - expected).abs() < 0.001 && misses <= 0.0, "{row:?}");
        }
    }
    let tallies = of(&|region, arrival, length, _, _| region.length_known(arrival, length, LEARNED));
    let [short, long] = means(&tallies);
    assert!(short.0 <= 1.018 && long.0 <= 1.0101 && short.1 + long.1 <= 0.0, "{short:?} {long:?}");
    no_month_is_worse_than_at_once(&regions, &tallies);
}

/// The means of the reference's best rule and of this one, on every `step`-th job.
fn with_the_length_predicted(step: usize) -> Option<(Means, Means)> {
    let regions = recorded(step)?;
    let reference =
        tally(&regions, &errors(), &|region, arrival, length, z, _| region.with_reserve(arrival, length, z, 0.95));
    let tallies = tally(&regions, &errors(), &|region, arrival, length, _, beliefs| {
        region.length_predicted(arrival, length, beliefs, LEARNED, Rule::Chance(CHANCE))
    });
    // A month of a few jobs says nothing.
    if step == 1 {
        no_month_is_worse_than_at_once(&regions, &tallies);
    }
    Some((means(&reference), means(&tallies)))
}

#[test]
fn with_the_length_predicted_it_is_cleaner_than_the_reserve_and_misses_less() {
    let Some((reference, rule)) = with_the_length_predicted(25) else { return };
    for (reference, rule) in reference.into_iter().zip(rule) {
        assert!(rule.0 < reference.0 - 0.004 && rule.1 < 0.5 * reference.1, "{rule:?} {reference:?}");
    }
}

#[test]
#[ignore = "all 30,240 runs take a minute in a release build: cargo test --release -p lowtide-planner -- --ignored"]
fn with_the_length_predicted_it_comes_within_45_thousandths_and_misses_one_in_two_hundred() {
    let Some((reference, rule)) = with_the_length_predicted(1) else { return };
    for ((ratio, misses), expected) in reference.into_iter().zip([(1.050, 0.011), (1.053, 0.031)]) {
        assert!((ratio - expected.0).abs() < 0.001 && (misses - expected.1).abs() < 0.001, "{reference:?}");
    }
    assert!(rule.iter().all(|(ratio, misses)| *ratio <= 1.045 && *misses <= 0.005), "{rule:?}");
}
