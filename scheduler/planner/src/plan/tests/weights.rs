//! What else is looked at beside the footprint: money, and the marginal signal.

use super::*;

#[test]
fn what_money_is_worth_decides_between_a_cheap_dirty_hour_and_a_clean_dear_one() {
    // Hour 4 is clean and dear, hour 8 dirty and cheap; one hour of 1 kW.
    let grams: Vec<f64> = (0..48)
        .map(|hour| match hour {
            4 => 100.0,
            8 => 450.0,
            _ => 400.0,
        })
        .collect();
    let euros: Vec<f64> = (0..48)
        .map(|hour| match hour {
            4 => 0.50,
            8 => 0.05,
            _ => 0.30,
        })
        .collect();
    let text = |weights: &str| format!("{ONE_PIECE}\nminimum_saving = 0\n[weights]\n{weights}");
    let world = |weights: &str| World::new(1.0, &text(weights), &[&grams]).prices(&[&euros]);
    let start = |plan: &Plan| plan.start().expect("it runs");
    assert_eq!(start(&world("carbon = 1").plan()), hour(4.0));
    // 350 g less for 0.45 more: the two weigh the same at 778 g a unit.
    assert_eq!(start(&world("grams_per_money = 700").plan()), hour(4.0));
    let cheap = world("grams_per_money = 850").plan();
    assert_eq!(start(&cheap), hour(8.0));
    assert_eq!(start(&world("carbon = 0\ngrams_per_money = 1").plan()), hour(8.0));
    // Told in grams and money as they are, not as they were weighed.
    assert!((cheap.footprint.median.get() - 450.0).abs() < 1e-6, "{:?}", cheap.footprint);
    let cost = cheap.cost.as_ref().expect("prices are known");
    assert_eq!(cost.currency, "EUR");
    assert!((cost.amount - 0.05).abs() < 1e-9 && (cost.run_now - 0.30).abs() < 1e-9, "{cost:?}");
    let dearer = cheap.alternatives.iter().find(|other| other.segments[0].window.start() == hour(4.0));
    assert!(dearer.is_some_and(|other| other.rejected.contains("money or delay weigh more")), "{cheap:#?}");
    // What was given up for that is told.
    let cleanest = cheap.cleanest.as_ref().expect("hour 4 is cleaner");
    assert!((cleanest.footprint.get() - 100.0).abs() < 1e-6, "{cleanest:?}");
    assert!(cleanest.cost.is_some_and(|cost| (cost - 0.5).abs() < 1e-9), "{cleanest:?}");
    assert_eq!(cleanest.segments[0].window.start(), hour(4.0));
    assert_eq!(world("carbon = 1").plan().cleanest, None);
    assert_eq!(world("grams_per_money = 700").plan().cleanest, None, "nothing was given up");
    // A price below zero is a price.
    let paid: Vec<f64> = euros.iter().map(|price| price - 1.0).collect();
    assert_eq!(start(&World::new(1.0, &text("grams_per_money = 850"), &[&grams]).prices(&[&paid]).plan()), hour(8.0));
}

#[test]
fn a_cost_by_prices_that_nobody_told_is_called_an_estimate() {
    let mut grams = [400.0; 48];
    grams[10] = 100.0;
    let cost_of = |told: usize| {
        let plan = World::new(1.0, ONE_PIECE, &[&grams]).prices(&[&vec![0.2; told]]).plan();
        assert_eq!(plan.start(), Some(hour(10.0)), "the price has no weight");
        let cost = plan.cost.as_ref().expect("prices are known").amount;
        assert!((cost - 0.2).abs() < 1e-9, "{cost}");
        plan.warnings.iter().any(|warning| warning.contains("cost is estimated"))
    };
    assert!(cost_of(6), "the prices end before the plan");
    assert!(!cost_of(24), "the prices reach beyond it");
}

#[test]
fn a_weight_of_money_without_prices_has_no_effect_and_that_is_said() {
    let grams: Vec<f64> = (0..48).map(|hour| if hour == 4 { 100.0 } else { 400.0 }).collect();
    let text = format!("{ONE_PIECE}\nroute = true\n[weights]\ngrams_per_money = 900");
    let plan = World::new(1.0, &text, &[&grams, &grams]).prices(&[&[0.1; 48]]).plan();
    assert_eq!((plan.start(), &plan.cost), (Some(hour(4.0)), &None));
    assert!(plan.warnings.iter().any(|warning| warning.contains("no prices of GB are known")), "{:?}", plan.warnings);
}

proptest! {
    /// The least of the weighed sum over all hours, by trying them all.
    #[test]
    fn the_weighed_choice_is_that_of_brute_force(
        hours in prop::collection::vec((0.0..900.0_f64, -0.5..2.0_f64), 30), length in 1_usize..6,
        carbon in 0.0..2.0_f64, money in 1.0..2000.0_f64,
    ) {
        let (grams, euros): (Vec<f64>, Vec<f64>) = hours.iter().copied().unzip();
        let text = format!("pausable = false\nminimum_saving = 0\n[weights]\ncarbon = {carbon}\ngrams_per_money = {money}");
        let mut world = World::new(length as f64, &text, &[&grams]).prices(&[&euros]);
        world.job.spec.deadline = Some(hour(30.0));
        let sum = |start: usize| -> f64 {
            hours[start..start + length].iter().map(|(grams, price)| carbon * grams + money * price).sum()
        };
        let least = (0..=30 - length).map(sum).fold(f64::INFINITY, f64::min);
        let plan = world.plan();
        let cost = plan.cost.expect("prices are known").amount;
        let found = carbon * plan.footprint.median.get() + money * cost;
        prop_assert!((found - least).abs() < 1e-6 * (1.0 + least.abs()), "{found} against {least}");
    }
}

#[test]
fn the_marginal_signal_is_looked_at_beside_and_decides_nothing() {
    // The average is low from hour 6 on, the marginal plant is clean now and dirty then.
    let average: Vec<f64> = (0..48).map(|hour| if hour < 6 { 400.0 } else { 100.0 }).collect();
    let marginal: Vec<f64> = (0..48).map(|hour| if hour < 6 { 300.0 } else { 800.0 }).collect();
    let alone = World::new(3.0, ONE_PIECE, &[&average]).plan();
    let both = World::new(3.0, ONE_PIECE, &[&average]).marginal(&[&marginal]).plan();
    assert_eq!(both.segments, alone.segments);
    let beside = both.marginal.as_ref().expect("it is told");
    assert!(beside.flips);
    assert!((beside.footprint.get() / beside.run_now.get() - 800.0 / 300.0).abs() < 1e-9, "{beside:?}");
    assert_eq!((beside.best, beside.segments[0].window.start()), (beside.run_now, hour(0.0)));
    let warning = both.warnings.iter().find(|warning| warning.contains("marginal")).expect("it is said");
    assert!(warning.contains("another one"), "{warning}");
    // Where both agree nothing is said.
    let agree = World::new(3.0, ONE_PIECE, &[&average]).marginal(&[&average]).plan();
    assert!(agree.marginal.as_ref().is_some_and(|beside| !beside.flips) && agree.warnings.is_empty());
    // Where a site has none there is nothing to compare.
    let half = World::new(3.0, "max_delay = \"24h\"\nroute = true", &[&average, &average]).marginal(&[&marginal]);
    assert_eq!(half.plan().marginal, None);
}
