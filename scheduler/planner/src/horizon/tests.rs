//! What the decision of a slot holds to.

use super::*;

fn horizon<'a>(intensity: &'a [f64], remaining: &'a Remaining) -> Horizon<'a> {
    Horizon { intensity, drift: Drift::NONE, remaining, change: 1.0, running: false, miss: 1e6 }
}

/// Costs of the cheapest way to run `left` of the slots, by trying all.
fn by_hand(intensity: &[f64], left: usize, change: f64, running: bool) -> [f64; 2] {
    let mut best = [f64::INFINITY; 2];
    for choice in 0..1_u32 << intensity.len() {
        if choice.count_ones() as usize != left {
            continue;
        }
        let (mut cost, mut before) = (0.0, running);
        for (slot, value) in intensity.iter().enumerate() {
            let runs = choice >> slot & 1 == 1;
            cost += if runs { *value } else { 0.0 } + if runs == before { 0.0 } else { change };
            before = runs;
        }
        cost += if before { change } else { 0.0 };
        let first = usize::from(choice & 1 == 0);
        best[first] = best[first].min(cost);
    }
    best
}

#[test]
fn with_all_known_it_is_the_optimum_with_switching_costs() {
    let mut seed = 1_u64;
    for round in 0..60 {
        let intensity: Vec<f64> = (0..9)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as f64 / 1e8
            })
            .collect();
        let (left, running) = (1 + round % 7, round % 2 == 0);
        let remaining = Remaining::known(left);
        let decision = Horizon { change: 3.0, running, ..horizon(&intensity, &remaining) }.decide();
        let [run, wait] = by_hand(&intensity, left, 3.0, running);
        assert!((decision.cost_of_running - run).abs() < 1e-9, "{intensity:?} {left}: {decision:?} for {run}");
        assert!((decision.cost_of_waiting - wait).abs() < 1e-9, "{intensity:?} {left}: {decision:?} for {wait}");
        assert!(decision.chance_to_miss <= 0.0);
    }
}

#[test]
fn it_waits_for_a_clean_hour_and_runs_when_there_is_no_more_room() {
    let remaining = Remaining::known(2);
    assert!(!horizon(&[300.0, 100.0, 100.0, 300.0], &remaining).decide().run);
    assert!(horizon(&[300.0, 100.0], &remaining).decide().run);
    assert!(horizon(&[], &remaining).decide().run, "after the deadline there is nothing to wait for");
}

#[test]
fn a_job_that_may_take_longer_does_not_wait_until_the_last_moment() {
    let curve = [300.0, 300.0, 300.0, 300.0, 100.0, 100.0];
    let surely = Remaining::known(2);
    let perhaps = Remaining::from_chances([0.0, 0.9, 0.0, 0.0, 0.0, 0.1]);
    assert!(!horizon(&curve, &surely).decide().run);
    assert!(horizon(&curve, &perhaps).decide().run, "one in ten of them takes all six slots");
    assert!(!Horizon { miss: 10.0, ..horizon(&curve, &perhaps) }.decide().run, "a miss that costs little is risked");
}

#[test]
fn within_a_chance_it_misses_no_more_than_that() {
    let curve = [300.0, 300.0, 300.0, 300.0, 100.0, 100.0];
    let perhaps = Remaining::from_chances([0.0, 0.9, 0.0, 0.0, 0.0, 0.1]);
    let cheap = Horizon { miss: 10.0, ..horizon(&curve, &perhaps) };
    assert!(cheap.decide().chance_to_miss > 0.09);
    assert!(cheap.decide_within(0.02).chance_to_miss <= 0.02);
    assert!(cheap.decide_within(0.02).run);
    assert!(!cheap.decide_within(0.2).run);
    // What cannot be met at all is not what the chance is about.
    let hopeless = Remaining::from_chances([0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5]);
    assert!(cheap.decide().chance_to_miss <= 0.1 + 1e-9);
    let decision = Horizon { remaining: &hopeless, ..cheap }.decide_within(0.02);
    assert!((decision.chance_to_miss - 0.5).abs() <= 0.02, "{decision:?}");
}

#[test]
fn an_unsure_curve_makes_waiting_worth_more_as_a_better_hour_may_come() {
    let (curve, remaining) = ([100.0; 12], Remaining::known(2));
    let sure = Horizon { change: 0.0, ..horizon(&curve, &remaining) }.decide();
    let unsure =
        Horizon { change: 0.0, drift: Drift { spread: 20.0, persistence: 0.9 }, ..horizon(&curve, &remaining) };
    let unsure = unsure.decide();
    assert!(sure.run && (sure.cost_of_waiting - 200.0).abs() < 1e-9);
    assert!(unsure.cost_of_waiting < 199.0, "{unsure:?}");
}
