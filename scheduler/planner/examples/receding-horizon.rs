//! Prints what policies cost on recorded forecasts, against the optimum with everything known: `receding-horizon FOLDER`,
//! where the folder holds `carbon/carboncast` and `forecast/carboncast`. With `search` behind it also the trade-off of carbon
//! and misses.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::path::PathBuf;

#[path = "../tests/receding_horizon/setting.rs"]
mod setting;

use setting::{BIAS, CHANCE, LEARNED, Policy, RAW, Region, Rule, Tally, errors, load, tally};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: receding-horizon FOLDER [search]");
        std::process::exit(2);
    };
    let search = arguments.next().is_some_and(|word| word == "search");
    let regions: Vec<(Region, Vec<setting::Arrival>)> = match load(&folder, 1) {
        Ok(regions) => regions,
        Err(error) => {
            eprintln!("the recorded forecasts cannot be read below {}: {error}", folder.display());
            std::process::exit(1);
        }
    };
    println!("{:44} cost/OPT (halves), misses, and cost/OPT by region", "policy");
    let print = |name: &str, zs: &[f64], policy: Policy| -> Vec<[Tally; 2]> {
        let tallies = tally(&regions, zs, policy);
        for (at, length) in [12, 24].into_iter().enumerate() {
            let mean = |of: &dyn Fn(&Tally) -> f64| {
                tallies.iter().map(|tally| of(&tally[at])).sum::<f64>() / tallies.len() as f64
            };
            print!("{name:40} {length} h  {:.5}", mean(&Tally::mean));
            print!(" ({:.4} {:.4})", mean(&|tally| tally.half(0)), mean(&|tally| tally.half(1)));
            print!(" {:5.2} % |", 100.0 * mean(&Tally::misses));
            for tally in &tallies {
                print!(" {:.3}", tally[at].mean());
            }
            println!();
        }
        tallies
    };
    let (known, all) = ([0.0], errors());
    print("run at once", &known, &|_, _, length, _, _| vec![true; length]);
    print("raw, known", &known, &|region, arrival, length, _, _| region.length_known(arrival, length, RAW));
    print("bias-corrected, known", &known, &|region, arrival, length, _, _| region.length_known(arrival, length, BIAS));
    let by_known = print("this rule, known", &known, &|region, arrival, length, _, _| {
        region.length_known(arrival, length, LEARNED)
    });
    print("reserve 95 % of total, predicted", &all, &|region, arrival, length, z, _| {
        region.with_reserve(arrival, length, z, 0.95)
    });
    print("reserve 99 % of total, predicted", &all, &|region, arrival, length, z, _| {
        region.with_reserve(arrival, length, z, 0.99)
    });
    print("end moved by a reserve, predicted", &all, &|region, arrival, length, z, _| {
        region.with_the_end_moved(arrival, length, z, 0.95)
    });
    print("this rule, plain mean error, predicted", &all, &|region, arrival, length, _, beliefs| {
        region.length_predicted(arrival, length, beliefs, BIAS, Rule::Chance(CHANCE))
    });
    let by_predicted = print("this rule, predicted", &all, &|region, arrival, length, _, beliefs| {
        region.length_predicted(arrival, length, beliefs, LEARNED, Rule::Chance(CHANCE))
    });
    if search {
        let rules = [3.0, 8.0, 14.0, 20.0].map(Rule::Price);
        for rule in rules.into_iter().chain([0.01, 0.015, 0.02, 0.03].map(Rule::Chance)) {
            print(&format!("{rule:?}"), &all, &|region, arrival, length, _, beliefs| {
                region.length_predicted(arrival, length, beliefs, LEARNED, rule)
            });
        }
    }
    for (name, tallies) in [("known", by_known), ("predicted", by_predicted)] {
        println!("\ncost against running at once, length {name}, by month of arrival (12 h | 24 h)");
        for (month, word) in ["July", "August", "September", "October", "November", "December"].iter().enumerate() {
            print!("{word:10}");
            for tally in &tallies {
                let change = |at: usize| {
                    let (cost, at_once) = tally[at].months[month];
                    100.0 * (cost / at_once - 1.0)
                };
                print!("  {:6.2} | {:6.2}", change(0), change(1));
            }
            println!();
        }
    }
}
