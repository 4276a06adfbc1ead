//! How much power a processor is rated for, by the model name in `/proc/cpuinfo`.
//!
//! The table is small on purpose: processors of the servers and workstations that train models. One that is not in it
//! gets a stated default. Rated power is per package; what matters here is the power per hardware thread, since a
//! virtual machine shows the name of the whole processor but only some of its threads.

use lowtide_model::quantity::Watts;

/// Rated power of one hardware thread of a processor that is not in the table: CodeCarbon's constant for unknown
/// processors (`DEFAULT_POWER_PER_CORE`, 4 W a thread).
const DEFAULT_WATTS_PER_THREAD: f64 = 4.0;

/// Rated power of one hardware thread, and what that rests on, for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rating {
    pub(crate) per_thread: Watts,
    pub(crate) basis: String,
}

/// The rating of the processor of this model name.
pub(crate) fn rating(model_name: Option<&str>) -> Rating {
    let words: Vec<String> = model_name
        .unwrap_or_default()
        .replace("(R)", " ")
        .replace("(TM)", " ")
        .replace("(tm)", " ")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let known = RATED.iter().find(|(name, ..)| {
        let name: Vec<&str> = name.split(' ').collect();
        words.windows(name.len()).any(|window| window.iter().zip(&name).all(|(word, wanted)| word == wanted))
    });
    match known {
        Some((name, watts, threads)) => Rating {
            per_thread: Watts::saturating(watts / f64::from(*threads)),
            basis: format!("{name}, rated {watts} W for {threads} threads by its maker"),
        },
        None => Rating {
            per_thread: Watts::saturating(DEFAULT_WATTS_PER_THREAD),
            basis: format!(
                "{}, which is not in lowtide's table: {DEFAULT_WATTS_PER_THREAD} W a thread",
                model_name.unwrap_or("a processor without a name")
            ),
        },
    }
}

/// The name of an ARM core by its `CPU implementer` and `CPU part`: there is no `model name` in its `/proc/cpuinfo`.
/// Numbers: the kernel's `arch/arm64/include/asm/cputype.h`.
pub(crate) fn arm_name(implementer: &str, part: &str) -> Option<&'static str> {
    match (implementer, part) {
        ("0x41", "0xd0c") => Some("Neoverse-N1"),
        ("0x41", "0xd4f") => Some("Neoverse-V2"),
        _ => None,
    }
}

/// Words of the model name, rated power (TDP; Intel's "processor base power") in W, hardware threads of one package.
/// Sources: the makers' specification pages (ark.intel.com; amd.com, "Processor Specifications").
#[rustfmt::skip]
const RATED: &[(&str, f64, u32)] = &[
    // AMD EPYC 7001, 7002, 7003
    ("EPYC 7551", 180.0, 64), ("EPYC 7601", 180.0, 64),
    ("EPYC 7262", 155.0, 16), ("EPYC 7282", 120.0, 32), ("EPYC 7302", 155.0, 32), ("EPYC 7302P", 155.0, 32),
    ("EPYC 7352", 155.0, 48), ("EPYC 7402", 180.0, 48), ("EPYC 7402P", 180.0, 48), ("EPYC 7452", 155.0, 64),
    ("EPYC 7502", 180.0, 64), ("EPYC 7502P", 180.0, 64), ("EPYC 7542", 225.0, 64), ("EPYC 7552", 200.0, 96),
    ("EPYC 7642", 225.0, 96), ("EPYC 7662", 225.0, 128), ("EPYC 7702", 200.0, 128), ("EPYC 7702P", 200.0, 128),
    ("EPYC 7742", 225.0, 128), ("EPYC 7H12", 280.0, 128),
    ("EPYC 7313", 155.0, 32), ("EPYC 7343", 190.0, 32), ("EPYC 7413", 180.0, 48), ("EPYC 7443", 200.0, 48),
    ("EPYC 7453", 225.0, 56), ("EPYC 7513", 200.0, 64), ("EPYC 7543", 225.0, 64), ("EPYC 7543P", 225.0, 64),
    ("EPYC 7643", 225.0, 96), ("EPYC 7663", 240.0, 112), ("EPYC 7713", 225.0, 128), ("EPYC 7713P", 225.0, 128),
    ("EPYC 7763", 280.0, 128), ("EPYC 7773X", 280.0, 128), ("EPYC 73F3", 240.0, 32), ("EPYC 74F3", 240.0, 48),
    ("EPYC 75F3", 280.0, 64),
    // AMD EPYC 9004, 9005
    ("EPYC 9124", 200.0, 32), ("EPYC 9224", 200.0, 48), ("EPYC 9254", 200.0, 48), ("EPYC 9274F", 320.0, 48),
    ("EPYC 9334", 210.0, 64), ("EPYC 9354", 280.0, 64), ("EPYC 9374F", 320.0, 64), ("EPYC 9454", 290.0, 96),
    ("EPYC 9474F", 360.0, 96), ("EPYC 9534", 280.0, 128), ("EPYC 9554", 360.0, 128), ("EPYC 9634", 290.0, 168),
    ("EPYC 9654", 360.0, 192), ("EPYC 9684X", 400.0, 192), ("EPYC 9754", 360.0, 256),
    ("EPYC 9555", 360.0, 128), ("EPYC 9575F", 400.0, 128), ("EPYC 9655", 400.0, 192), ("EPYC 9755", 500.0, 256),
    ("EPYC 9965", 500.0, 384),
    // AMD Ryzen and Threadripper
    ("Ryzen 5 3600", 65.0, 12), ("Ryzen 7 3700X", 65.0, 16), ("Ryzen 9 3900X", 105.0, 24),
    ("Ryzen 9 3950X", 105.0, 32), ("Ryzen 5 5600X", 65.0, 12), ("Ryzen 7 5800X", 105.0, 16),
    ("Ryzen 9 5900X", 105.0, 24), ("Ryzen 9 5950X", 105.0, 32), ("Ryzen 5 7600X", 105.0, 12),
    ("Ryzen 7 7700X", 105.0, 16), ("Ryzen 9 7900X", 170.0, 24), ("Ryzen 9 7950X", 170.0, 32),
    ("Ryzen 9 9950X", 170.0, 32),
    ("Threadripper 1950X", 180.0, 32), ("Threadripper 2950X", 180.0, 32), ("Threadripper 2990WX", 250.0, 64),
    ("Threadripper 3960X", 280.0, 48), ("Threadripper 3970X", 280.0, 64), ("Threadripper 3990X", 280.0, 128),
    ("PRO 3975WX", 280.0, 64), ("PRO 3995WX", 280.0, 128), ("PRO 5965WX", 280.0, 48), ("PRO 5975WX", 280.0, 64),
    ("PRO 5995WX", 280.0, 128), ("PRO 7975WX", 350.0, 64), ("PRO 7985WX", 350.0, 128), ("PRO 7995WX", 350.0, 192),
    // Intel Xeon E5 v3, v4
    ("E5-2620 v3", 85.0, 12), ("E5-2650 v3", 105.0, 20), ("E5-2670 v3", 120.0, 24), ("E5-2680 v3", 120.0, 24),
    ("E5-2690 v3", 135.0, 24), ("E5-2699 v3", 145.0, 36), ("E5-2620 v4", 85.0, 16), ("E5-2630 v4", 85.0, 20),
    ("E5-2640 v4", 90.0, 20), ("E5-2650 v4", 105.0, 24), ("E5-2680 v4", 120.0, 28), ("E5-2683 v4", 120.0, 32),
    ("E5-2686 v4", 145.0, 36), ("E5-2690 v4", 135.0, 28), ("E5-2695 v4", 120.0, 36), ("E5-2697 v4", 145.0, 36),
    ("E5-2698 v4", 135.0, 40), ("E5-2699 v4", 145.0, 44),
    // Intel Xeon Scalable, first and second generation
    ("Silver 4110", 85.0, 16), ("Silver 4114", 85.0, 20), ("Silver 4116", 85.0, 24), ("Gold 5118", 105.0, 24),
    ("Gold 5120", 105.0, 28), ("Gold 6126", 125.0, 24), ("Gold 6130", 125.0, 32), ("Gold 6132", 140.0, 28),
    ("Gold 6138", 125.0, 40), ("Gold 6140", 140.0, 36), ("Gold 6142", 150.0, 32), ("Gold 6148", 150.0, 40),
    ("Gold 6150", 165.0, 36), ("Gold 6152", 140.0, 44), ("Gold 6154", 200.0, 36), ("Platinum 8160", 150.0, 48),
    ("Platinum 8168", 205.0, 48), ("Platinum 8170", 165.0, 52), ("Platinum 8176", 165.0, 56),
    ("Platinum 8180", 205.0, 56),
    ("Silver 4208", 85.0, 16), ("Silver 4210", 85.0, 20), ("Silver 4214", 85.0, 24), ("Silver 4216", 100.0, 32),
    ("Gold 5218", 125.0, 32), ("Gold 5220", 125.0, 36), ("Gold 6226R", 150.0, 32), ("Gold 6230", 125.0, 40),
    ("Gold 6240", 150.0, 36), ("Gold 6240R", 165.0, 48), ("Gold 6242", 150.0, 32), ("Gold 6248", 150.0, 40),
    ("Gold 6248R", 205.0, 48), ("Gold 6252", 150.0, 48), ("Gold 6254", 200.0, 36), ("Gold 6258R", 205.0, 56),
    ("Platinum 8260", 165.0, 48), ("Platinum 8268", 205.0, 48), ("Platinum 8270", 205.0, 52),
    ("Platinum 8276", 165.0, 56), ("Platinum 8280", 205.0, 56),
    // Intel Xeon Scalable, third to fifth generation
    ("Silver 4310", 120.0, 24), ("Silver 4314", 135.0, 32), ("Gold 5318Y", 165.0, 48), ("Gold 6326", 185.0, 32),
    ("Gold 6330", 205.0, 56), ("Gold 6338", 205.0, 64), ("Gold 6342", 230.0, 48), ("Gold 6346", 205.0, 32),
    ("Gold 6348", 235.0, 56), ("Gold 6354", 205.0, 36), ("Platinum 8352Y", 205.0, 64), ("Platinum 8358", 250.0, 64),
    ("Platinum 8360Y", 250.0, 72), ("Platinum 8368", 270.0, 76), ("Platinum 8380", 270.0, 80),
    ("Silver 4410Y", 150.0, 24), ("Gold 6430", 270.0, 64), ("Gold 6442Y", 225.0, 48), ("Gold 6448Y", 225.0, 64),
    ("Platinum 8462Y+", 300.0, 64), ("Platinum 8468", 350.0, 96), ("Platinum 8470", 350.0, 104),
    ("Platinum 8480+", 350.0, 112), ("Platinum 8490H", 350.0, 120), ("Platinum 8558", 330.0, 96),
    ("Platinum 8568Y+", 350.0, 96), ("Platinum 8592+", 350.0, 128),
    // ARM, by the product that has such cores and a published rating: NVIDIA Grace (500 W for the two processors of a
    // Grace CPU Superchip, its memory included: NVIDIA's data sheet) and Ampere Altra Q80-33 (Ampere's data sheet).
    ("Neoverse-V2", 250.0, 72), ("Neoverse-N1", 250.0, 80),
    // Intel Xeon W and Core
    ("W-2245", 155.0, 16), ("W-2255", 165.0, 20), ("W-2295", 165.0, 36), ("w9-3495X", 350.0, 112),
    ("i7-6700K", 91.0, 8), ("i7-7700K", 91.0, 8), ("i7-8700", 65.0, 12), ("i7-8700K", 95.0, 12),
    ("i7-9700K", 95.0, 8), ("i9-9900K", 95.0, 16), ("i9-10980XE", 165.0, 36), ("i7-10700K", 125.0, 16),
    ("i9-10900K", 125.0, 20), ("i7-11700K", 125.0, 16), ("i9-11900K", 125.0, 16), ("i5-12400", 65.0, 12),
    ("i7-12700K", 125.0, 20), ("i9-12900K", 125.0, 24), ("i5-13600K", 125.0, 20), ("i7-13700K", 125.0, 24),
    ("i9-13900K", 125.0, 32), ("i7-14700K", 125.0, 28), ("i9-14900K", 125.0, 32),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn watts_of(model_name: &str, threads: f64) -> f64 {
        rating(Some(model_name)).per_thread.get() * threads
    }

    #[test]
    fn model_names_as_linux_shows_them_are_recognised() {
        for (model_name, threads, watts) in [
            ("AMD EPYC 7742 64-Core Processor", 128.0, 225.0),
            ("AMD EPYC 7702P 64-Core Processor", 128.0, 200.0),
            ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", 28.0, 120.0),
            ("Intel(R) Xeon(R) Platinum 8480+", 112.0, 350.0),
            ("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", 48.0, 205.0),
            ("12th Gen Intel(R) Core(TM) i9-12900K", 24.0, 125.0),
            ("AMD Ryzen 9 5950X 16-Core Processor", 32.0, 105.0),
            ("AMD Ryzen Threadripper PRO 5975WX 32-Cores", 64.0, 280.0),
        ] {
            assert!((watts_of(model_name, threads) - watts).abs() < 1e-9, "{model_name}");
        }
    }

    #[test]
    fn an_unknown_processor_gets_the_stated_default_and_says_so() {
        for model_name in [Some("AMD EPYC"), Some("EPYC 77420"), None] {
            let rating = rating(model_name);
            assert!((rating.per_thread.get() - DEFAULT_WATTS_PER_THREAD).abs() < f64::EPSILON);
            assert!(rating.basis.contains("not in lowtide's table"), "{}", rating.basis);
        }
    }

    #[test]
    fn every_rating_is_plausible_and_named_once() {
        for (position, (name, watts, threads)) in RATED.iter().enumerate() {
            let per_thread = watts / f64::from(*threads);
            assert!((1.0..=15.0).contains(&per_thread), "{name}: {per_thread} W a thread");
            assert!(RATED.iter().skip(position + 1).all(|(other, ..)| other != name), "{name} is there twice");
        }
    }
}
