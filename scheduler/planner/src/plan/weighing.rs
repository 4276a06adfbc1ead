//! The decision where money counts: courses are ranked by a curve of carbon and price, each times its weight, and told in grams and
//! money.
//!
//! A price counts only where it is known for every site the job may use: a site without one would seem to be free.

use lowtide_model::identity::ZoneId;
use lowtide_model::price::Cost;

use super::course::Course;
use super::situation::{Place, Situation};
use crate::curve::IntensityCurve;
use crate::price::PriceCurve;

/// The curves by which courses are ranked, one for each site of the input, where it is not by grams alone; and what to say of
/// weights that have no effect.
pub(super) fn curves(situation: &Situation) -> (Option<Vec<IntensityCurve>>, Option<String>) {
    let weights = situation.input.policy.weights;
    if weights.ranks_by_footprint() {
        return (None, None);
    }
    let prices = if 0.0 < weights.grams_per_money { prices(situation) } else { Ok(vec![]) };
    let warning = prices.as_ref().err().map(|zone| {
        format!(
            "the policy weighs money, but no prices of {zone} are known, so it has no effect: give a tariff, or name a file of \
             them, as `prices` of the zone in the configuration"
        )
    });
    let priced = prices.is_ok_and(|prices| !prices.is_empty());
    let ranked = situation.input.sites.iter().map(|view| match view.price {
        Some(price) if priced => price.weighed_with(view.curve, weights.carbon, weights.grams_per_money),
        _ => view.curve.times(weights.carbon),
    });
    (Some(ranked.collect()), warning)
}

/// The money of a course and of running at once; nothing where a price is not known.
pub(super) fn cost(situation: &Situation, course: &Course, run_now: &Course) -> Option<Cost> {
    let prices = prices(situation).ok()?;
    let currency = prices.first()?.currency().to_owned();
    let of = |course: &Course| -> f64 {
        let money = |at: usize, place: &Place| {
            let stretches = course.stretches.iter().filter(move |stretch| stretch.place == at);
            stretches.map(|stretch| place.kilowatts * prices[at].integral(stretch.window)).sum::<f64>()
        };
        situation.places.iter().enumerate().map(|(at, place)| money(at, place)).sum()
    };
    Some(Cost { currency, amount: of(course), run_now: of(run_now) })
}

/// What to say of a cost that rests on prices nobody told.
pub(super) fn guessed(situation: &Situation, course: &Course) -> Option<String> {
    let prices = prices(situation).ok()?;
    let untold = course.stretches.iter().find(|stretch| !prices[stretch.place].tells(stretch.window))?;
    Some(format!(
        "the prices of {} are not known for all of the plan: its cost is estimated by those of the same hour of other days",
        situation.places[untold.place].view.site.zone
    ))
}

/// The prices of all places, or the zone that has none, or none in the currency of the others.
fn prices<'a>(situation: &Situation<'a>) -> Result<Vec<&'a PriceCurve>, &'a ZoneId> {
    let of = |place: &Place<'a>| place.view.price.ok_or(&place.view.site.zone);
    let prices = situation.places.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let odd = prices.iter().position(|price| price.currency() != prices[0].currency());
    odd.map_or(Ok(prices), |at| Err(&situation.places[at].view.site.zone))
}
