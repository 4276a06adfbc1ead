//! The standard normal distribution.

/// A quantile of it, to 4.5e-4 (Abramowitz and Stegun, 26.2.23); for shares above 0 and below 1.
#[must_use]
pub fn normal_quantile(share: f64) -> f64 {
    let tail = share.min(1.0 - share);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = t.mul_add(0.010_328, 0.802_853).mul_add(t, 2.515_517);
    let below = t.mul_add(0.001_308, 0.189_269).mul_add(t, 1.432_788).mul_add(t, 1.0);
    let value = t - above / below;
    if share < 0.5 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, expected) in [(0.5, 0.0), (0.95, 1.6449), (0.05, -1.6449), (0.995, 2.5758), (0.6, 0.2533)] {
            assert!((normal_quantile(share) - expected).abs() < 5e-4, "{share}: {}", normal_quantile(share));
        }
    }
}
