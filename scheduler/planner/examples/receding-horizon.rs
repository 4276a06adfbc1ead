//! Prints what re-planning each hour costs on recorded forecasts, against the optimum: `receding-horizon FOLDER`, where
//! the folder holds `carbon/carboncast` and `forecast/carboncast`.

use std::path::Path;

use lowtide_planner::horizon::{Horizon, Outlook, Recipe, Remaining};

const REGIONS: [&str; 7] = ["CISO", "DE", "ERCO", "NL", "PJM", "PL", "SE"];
const WINDOW: usize = 48;

struct Region {
    measured: Vec<f64>,
    issues: Vec<(usize, Vec<f64>)>,
    change: f64,
}

fn read(folder: &Path, region: &str) -> Region {
    let text = std::fs::read_to_string(folder.join(format!("carbon/carboncast/{region}_2020-2021.csv"))).unwrap();
    let measured: Vec<f64> = text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let text = std::fs::read_to_string(folder.join(format!("forecast/carboncast/{region}_lifecycle_96h.csv"))).unwrap();
    // Two rows of some regions bear the same time of issue: it counts as written.
    let issues = text.lines().skip(1).map(|line| {
        let month: usize = line[5..7].parse().unwrap();
        let day: usize = line[8..10].parse().unwrap();
        let days = [0, 31, 62, 92, 123, 153][month - 7] + day - 1;
        (13_128 + 24 * days, line.split(',').skip(1).map(|value| value.parse().unwrap()).collect())
    });
    let issues = issues.collect();
    let change = 0.1 * measured.iter().sum::<f64>() / measured.len() as f64;
    Region { measured, issues, change }
}

fn cost(region: &Region, arrival: usize, ran: &[bool]) -> f64 {
    let (mut sum, mut before) = (0.0, false);
    for (hour, run) in ran.iter().chain([&false]).enumerate() {
        if *run {
            sum += region.measured[arrival + hour];
        }
        if *run != before {
            sum += region.change;
        }
        before = *run;
    }
    sum
}

/// Runs a job; `remaining` tells what is left by the hours done.
fn replan(
    region: &Region,
    curves: &[Vec<f64>],
    arrival: usize,
    length: usize,
    miss: f64,
    remaining: &[Remaining],
) -> Vec<bool> {
    let (mut ran, mut done) = (Vec::new(), 0);
    while done < length {
        let at = ran.len();
        let run = WINDOW <= at || {
            let horizon = Horizon {
                intensity: &curves[at][..WINDOW - at],
                remaining: &remaining[done],
                change: region.change,
                running: ran.last().copied().unwrap_or(false),
                miss,
            };
            horizon.decide().run
        };
        done += usize::from(run);
        ran.push(run);
        assert!(arrival + ran.len() < region.measured.len());
    }
    ran
}

/// Standard normal quantile, by bisection of the integral (Simpson is not needed: the error function by series).
fn normal(quantile: f64) -> f64 {
    let below = |x: f64| {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while 1e-15 < f64::abs(term) {
            n += 1.0;
            term *= x * x / (2.0 * n + 1.0);
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) < quantile { low = middle } else { high = middle }
    }
    low
}

/// What is left by the hours done, as the setting predicts it: median and spread of the total.
fn predicted(length: usize, z: f64, spread_times: f64) -> Vec<Remaining> {
    let p = length as f64;
    (0..length)
        .map(|done| {
            let s = 0.4 * (1.0 - done as f64 / p);
            let median = p * (s * z).exp();
            let left: Vec<f64> = (0..200)
                .map(|i| median * (normal((f64::from(i) + 0.5) / 200.0) * s * spread_times).exp() - done as f64)
                .collect();
            // The part of the belief that has been outlived is dropped.
            let alive: Vec<f64> = left.iter().copied().filter(|left| 0.0 < *left).collect();
            Remaining::from_equal_quantiles(&alive)
        })
        .collect()
}

fn spread() -> f64 {
    std::env::args().nth(3).map_or(1.0, |value| value.parse().unwrap())
}

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let which = std::env::args().nth(2).unwrap_or_default();
    let regions: Vec<Region> = REGIONS.iter().map(|region| read(Path::new(&folder), region)).collect();
    let b = Recipe::BIAS;
    let mut recipes: Vec<(String, Recipe)> = vec![("raw".into(), Recipe::RAW), ("bias".into(), b)];
    if which == "search" {
        for share in [0.7, 0.85] { recipes.push((format!("share {share}"), Recipe { share, ..b })); }
        for fading in [0.9, 0.95] { recipes.push((format!("fading {fading}"), Recipe { fading, issues: 28, ..b })); }
        for issues in [7, 21, 28] { recipes.push((format!("issues {issues}"), Recipe { issues, ..b })); }
        for neighbours in [1, 2] { recipes.push((format!("neigh {neighbours}"), Recipe { neighbours, ..b })); }
        for earlier in [0.15, 0.3] { recipes.push((format!("earlier {earlier}"), Recipe { earlier, ..b })); }
        for profile in [0.1, 0.2] { recipes.push((format!("profile {profile}"), Recipe { profile, ..b })); }
        for persistence in [0.5, 0.7, 0.85, 0.95] { recipes.push((format!("persist {persistence}"), Recipe { persistence, ..b })); }
    }
    if which == "predicted" { recipes = vec![("bias".into(), b)]; }
    for (name, recipe) in &recipes {
        table(&regions, name, recipe, &which);
    }
}

fn table(regions: &[Region], name: &str, recipe: &Recipe, which: &str) {
    let zs: Vec<f64> = (0..20).map(|i| normal(0.025 + 0.05 * f64::from(i))).collect();
    let beliefs: Vec<Vec<Vec<Remaining>>> = [12, 24].into_iter().map(|length| zs.iter().map(|z| predicted(length, *z, spread())).collect()).collect();
    let misses = if which == "predicted" { vec![1.0, 3.0, 10.0, 40.0, 150.0] } else { vec![] };
    let mut sums = vec![[[0.0; 2]; 2]; 2 + misses.len()]; // policy, length, half
    let mut late = vec![[[0.0; 2]; 2]; misses.len()];
    for region in regions {
        let mut here = [0.0; 2];
        let outlook = Outlook { measured: &region.measured, issues: &region.issues };
        for (job, issue) in (16..=175).step_by(3).enumerate() {
            for hour in [2, 15] {
                let arrival = region.issues[issue].0 + hour;
                let curves: Vec<Vec<f64>> =
                    (0..WINDOW).map(|at| outlook.curve(arrival + at, WINDOW - at, recipe).unwrap()).collect();
                for (l, length) in [12usize, 24].into_iter().enumerate() {
                    let known: Vec<Remaining> = (0..length).map(|done| Remaining::known(length - done)).collect();
                    let perfect: Vec<Vec<f64>> =
                        (0..WINDOW).map(|at| region.measured[arrival + at..arrival + WINDOW].to_vec()).collect();
                    let opt = cost(region, arrival, &replan(region, &perfect, arrival, length, 1e9, &known));
                    let mut add = |policy: usize, ran: &[bool], share: f64| {
                        if l == 0 && policy < 2 { here[policy] += cost(region, arrival, ran) / opt / 108.0; }
                        sums[policy][l][job % 2] += share * cost(region, arrival, ran) / opt / (27.0 * 2.0 * 7.0);
                    };
                    add(0, &vec![true; length], 1.0);
                    add(1, &replan(region, &curves, arrival, length, 1e9, &known), 1.0);
                    for (m, times) in misses.iter().enumerate() {
                        for belief in &beliefs[l] {
                            let ran = replan(region, &curves, arrival, length, times * 10.0 * region.change, belief);
                            add(2 + m, &ran, 0.05);
                            if WINDOW < ran.len() { late[m][l][job % 2] += 0.05 / (27.0 * 2.0 * 7.0); }
                        }
                    }
                }
            }
        }
        print!("{:.4} {:.4}  ", here[0], here[1]);
    }
    println!();
    let all = |v: [f64; 2]| format!("{:.4} ({:.4} {:.4})", (v[0] + v[1]) / 2.0, v[0], v[1]);
    for (p, v) in sums.iter().enumerate() {
        print!("{name:14} {p} 12h {} 24h {}", all(v[0]), all(v[1]));
        if 2 <= p { print!(" miss x{} {} {}", misses[p - 2], all(late[p - 2][0]), all(late[p - 2][1])); }
        println!();
    }
}
