//! What holds of every prediction, whatever was observed.

use proptest::prelude::*;

use super::*;

fn lengths() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.001..50.0_f64, 0..30)
}

proptest! {
    #[test]
    fn intervals_hold_their_order_whatever_the_family_did(
        own in lengths(), family in prop::collection::vec((lengths(), prop::option::of(0_u32..100)), 0..25),
        total in prop::option::of(0_u32..200), may_stop_early: bool,
        progress in prop::option::of((0.0..1.0_f64, 0.0..1e4_f64)), silent: bool,
    ) {
        let spec = spec();
        let mut history: Vec<PastRun> = family.iter().map(|(lengths, planned)| run(*planned, lengths)).collect();
        if silent {
            for run in &mut history {
                run.course.energy.fill(Joules::ZERO);
            }
        }
        let measured = epochs(&own);
        let progress = progress.map(|(share, ran)| {
            Progress { share, ran: Seconds::saturating(ran), energy: Joules::saturating(ran) }
        });
        let seen = Observed { may_stop_early, progress, ..observed(&spec, &measured, total, &history) };
        let prediction = predict(&seen);
        prop_assert!(ordered(&prediction), "{prediction:?}");
        prop_assert!(seen.ran <= prediction.duration.low && prediction.duration.high.get().is_finite());
    }

    /// Hours or seconds, kilowatts or watts: a job ten times as long is predicted ten times as long.
    #[test]
    fn predictions_scale_with_what_was_measured(
        own in prop::collection::vec(0.5..2.0_f64, 1..30), family in prop::collection::vec(lengths(), 0..6),
        total in 30_u32..200, tens in -2_i32..3,
    ) {
        let spec = spec();
        // Courses are kept to five digits, which powers of ten leave as they are.
        let factor = 10_f64.powi(tens);
        let of = |factor: f64| {
            let scaled = |lengths: &[f64]| lengths.iter().map(|length| length * factor).collect::<Vec<f64>>();
            let history: Vec<PastRun> = family.iter().map(|lengths| run(None, &scaled(lengths))).collect();
            let measured = epochs(&scaled(&own));
            let Prediction { remaining: time, remaining_energy: energy, .. } =
                predict(&observed(&spec, &measured, Some(total), &history));
            [time.low, time.median, time.high].map(Seconds::hours).into_iter()
                .chain([energy.low, energy.median, energy.high].map(Joules::kwh)).collect::<Vec<f64>>()
        };
        for (one, many) in of(1.0).iter().zip(of(factor)) {
            prop_assert!((one * factor - many).abs() <= 1e-6 * many, "{one} {many}");
        }
    }

    /// More work to come is never predicted to take less.
    #[test]
    fn more_epochs_never_take_less(own in prop::collection::vec(0.5..2.0_f64, 1..30), total in 30_u32..200) {
        let spec = spec();
        let measured = epochs(&own);
        let remaining = |total| predict(&observed(&spec, &measured, Some(total), &[])).remaining;
        let (fewer, more) = (remaining(total), remaining(total + 1));
        prop_assert!(fewer.median < more.median && fewer.high < more.high);
    }

    #[test]
    fn intervals_hold_their_order_whatever_was_observed(
        lengths in prop::collection::vec(0.001..50.0_f64, 0..20), total in prop::option::of(0_u32..200),
        runs in prop::collection::vec((0.0..100.0_f64, 0.0..100.0_f64, prop::option::of(0_u32..50)), 0..6),
        declared in prop::option::of(0.0..1e6_f64),
    ) {
        let mut spec = spec();
        spec.declared_duration = declared.map(Seconds::saturating);
        let history: Vec<PastRun> = runs.into_iter().map(|(hours, kwh, epochs)| past(hours, kwh, epochs)).collect();
        let measured = epochs(&lengths);
        prop_assert!(ordered(&predict(&observed(&spec, &measured, total, &history))));
    }

    /// Alike epochs make every further prediction of the total at least as narrow, relative to what remains.
    #[test]
    fn the_interval_shrinks_with_every_epoch(length in 0.01..10.0_f64, noise in prop::collection::vec(-0.01..0.01_f64, 12)) {
        let spec = spec();
        let lengths: Vec<f64> = noise.iter().map(|noise| length * (1.0 + noise)).collect();
        let widths: Vec<f64> = (1..=lengths.len()).map(|count| {
            let measured = epochs(&lengths[..count]);
            let total = predict(&observed(&spec, &measured, Some(40), &[])).duration;
            total.high.get() - total.low.get()
        }).collect();
        prop_assert!(widths.windows(2).all(|pair| pair[1] < pair[0]), "{widths:?}");
    }
}
