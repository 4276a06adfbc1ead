//! When a provider may be asked again: its own limits, kept before it has to refuse, and the pauses it asked for. Pure: the
//! time is an argument.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use url::Url;

use crate::manifest::{FetchRules, RateLimit, origin_of};

/// A pause longer than this is not believed: a mistaken header must not silence a zone for a day.
const LONGEST_PAUSE_HOURS: f64 = 1.0;

/// What was asked lately, and who asked for quiet until when.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    asked: HashMap<String, VecDeque<Timestamp>>,
    quiet: HashMap<String, Timestamp>,
}

impl Throttle {
    /// Whether `url` may be asked now; else how long to wait. An admitted request is counted.
    pub(crate) fn admit(&mut self, url: &Url, rules: &FetchRules, now: Timestamp) -> Result<(), Seconds> {
        let origin = url.origin().ascii_serialization();
        if let Some(until) = self.quiet.get(&origin).filter(|until| now < **until) {
            return Err(Seconds::between(now, *until));
        }
        let limits: Vec<(String, &RateLimit)> = rules
            .limits
            .iter()
            .filter(|limit| origin_of(&limit.host).as_ref() == Some(&origin))
            .map(|limit| (key_of(limit, &origin, url), limit))
            .collect();
        for (key, limit) in &limits {
            let times = self.asked.entry(key.clone()).or_default();
            let window = Seconds::saturating(f64::from(limit.seconds));
            while times.front().is_some_and(|first| window.after(*first) <= now) {
                times.pop_front();
            }
            if let Some(first) = times.front().filter(|_| limit.requests as usize <= times.len()) {
                return Err(Seconds::between(now, window.after(*first)));
            }
        }
        for (key, _) in limits {
            self.asked.entry(key).or_default().push_back(now);
        }
        Ok(())
    }

    /// A provider asked for quiet.
    pub(crate) fn quiet(&mut self, url: &Url, pause: Seconds, now: Timestamp) {
        let pause = pause.min(Seconds::from_hours(LONGEST_PAUSE_HOURS));
        self.quiet.insert(url.origin().ascii_serialization(), pause.after(now));
    }
}

fn key_of(limit: &RateLimit, origin: &str, url: &Url) -> String {
    let path = if limit.per_path { url.path() } else { "" };
    format!("{origin}{path} {}/{}", limit.requests, limit.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    fn rules(requests: u32, seconds: u32, per_path: bool) -> FetchRules {
        let host = "https://api.example.org".to_owned();
        FetchRules { fresh_seconds: 0, limits: vec![RateLimit { host, per_path, requests, seconds }] }
    }

    fn url(path: &str) -> Url {
        Url::parse(&format!("https://api.example.org{path}")).expect("an address")
    }

    #[test]
    fn a_limit_holds_for_each_window_and_path() {
        let (mut throttle, rules) = (Throttle::default(), rules(1, 60, true));
        assert_eq!(throttle.admit(&url("/a?x=1"), &rules, at(0)), Ok(()));
        assert_eq!(throttle.admit(&url("/a?x=2"), &rules, at(20)), Err(Seconds::saturating(40.0)));
        assert_eq!(throttle.admit(&url("/b"), &rules, at(20)), Ok(()));
        assert_eq!(throttle.admit(&url("/a"), &rules, at(60)), Ok(()));
    }

    #[test]
    fn a_refused_request_does_not_count() {
        let (mut throttle, rules) = (Throttle::default(), rules(2, 60, false));
        assert!(
            throttle.admit(&url("/a"), &rules, at(0)).is_ok() && throttle.admit(&url("/b"), &rules, at(30)).is_ok()
        );
        for second in 31..60 {
            assert!(throttle.admit(&url("/c"), &rules, at(second)).is_err());
        }
        assert!(throttle.admit(&url("/c"), &rules, at(60)).is_ok());
        assert!(throttle.admit(&url("/c"), &rules, at(61)).is_err(), "the one of second 30 counts still");
    }

    #[test]
    fn a_pause_is_kept_for_its_host_and_not_for_ever() {
        let (mut throttle, none) = (Throttle::default(), FetchRules::default());
        throttle.quiet(&url("/a"), Seconds::saturating(120.0), at(0));
        assert_eq!(throttle.admit(&url("/b"), &none, at(30)), Err(Seconds::saturating(90.0)));
        assert!(throttle.admit(&Url::parse("https://other.org/").expect("an address"), &none, at(30)).is_ok());
        assert!(throttle.admit(&url("/b"), &none, at(120)).is_ok());
        throttle.quiet(&url("/a"), Seconds::from_hours(1000.0), at(200));
        assert!(throttle.admit(&url("/b"), &none, at(200 + 3600)).is_ok());
    }
}
