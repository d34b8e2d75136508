//! What the counters of Envoy say about each listener: requests, answers, times, and who was chosen.

use super::demo::Destination;
use super::limits;
use super::shares::Site;
use super::stats::Stats;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What went on in a while.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    /// How long the while was.
    pub period: Duration,
    /// Each listener, in the order of the bootstrap.
    pub flows: Vec<Flow>,
    /// How many requests were refused by rate limits since the policy came, on all listeners together.
    pub limited: u64,
}

/// What went over one listener.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// The listener's name.
    pub name: String,
    /// Whether it takes HTTP; else connections are counted where requests are spoken of.
    pub http: bool,
    /// How many requests came in this while.
    pub requests: u64,
    /// How many answers of each class, from 1xx to 5xx, since the policy came.
    pub classes: [u64; 5],
    /// The median and the 99th percentile of the time to an answer in this while, in milliseconds, where there was one.
    pub times: Option<(f64, f64)>,
    /// How many requests or connections circuit breakers refused since the policy came.
    pub broken: u64,
    /// How many requests rate limits refused since the policy came.
    pub limited: u64,
    /// The destinations, with how often each was chosen since the policy came.
    pub destinations: Vec<Destination>,
}

impl Traffic {
    /// Whether nothing came in this while.
    pub fn is_quiet(&self) -> bool {
        self.flows.iter().all(|flow| flow.requests == 0)
    }
}

/// Compares counters with those of before.
#[derive(Debug, Default)]
pub struct Meter {
    /// Those of the last look.
    last: Option<(Instant, Stats)>,
    /// Those of when the policy came.
    base: Option<Stats>,
}

impl Meter {
    /// The meter of an Envoy that starts now: all that it counts is new.
    pub fn of_new_envoy(now: Instant) -> Self {
        Self { last: Some((now, Stats::default())), base: None }
    }

    /// A policy has come: what is counted over a longer time begins anew.
    pub fn begin(&mut self) {
        self.base = None;
    }

    /// What went on since the last look; nothing at the first one.
    pub fn look(&mut self, now: Instant, stats: Stats, sites: &[Site]) -> Option<Traffic> {
        let last = self.last.replace((now, stats.clone()));
        let base = self.base.get_or_insert_with(|| last.as_ref().map_or_else(|| stats.clone(), |(_, s)| s.clone()));
        let (then, last) = last?;
        let since = Since { now: &stats, last: &last, base };
        Some(Traffic {
            period: now.saturating_duration_since(then),
            flows: sites.iter().map(|site| since.flow(site)).collect(),
            limited: since.policy(|name| name.ends_with(".rate_limited")),
        })
    }
}

struct Since<'a> {
    now: &'a Stats,
    last: &'a Stats,
    base: &'a Stats,
}

impl Since<'_> {
    fn flow(&self, site: &Site) -> Flow {
        let kind = if site.http { "http" } else { "tcp" };
        let of = |what: &str| format!("{kind}.{}.{what}", site.name);
        let counted = of(if site.http { "downstream_rq_total" } else { "downstream_cx_total" });
        let class = |digit: usize| self.of_policy(&of(&format!("downstream_rq_{digit}xx")));
        // In names of clusters, Envoy puts another character for the colon.
        let clusters = format!("cluster.{}/", site.name.replace(':', "_"));
        let broken = |name: &str| name.starts_with(&clusters) && name.ends_with("overflow");
        Flow {
            name: site.name.clone(),
            http: site.http,
            requests: difference(self.now, self.last, &counted),
            classes: [class(1), class(2), class(3), class(4), class(5)],
            times: self.now.times.get(&of("downstream_rq_time")).copied(),
            broken: self.policy(broken),
            limited: self.of_policy(&limits::counter(&site.name)),
            destinations: self.destinations(site, &clusters),
        }
    }

    fn destinations(&self, site: &Site, clusters: &str) -> Vec<Destination> {
        let chosen = if site.http { ".upstream_rq_total" } else { ".upstream_cx_total" };
        let mut answered: BTreeMap<String, u64> = BTreeMap::new();
        for name in self.now.counters.keys() {
            if let Some(cluster) = name.strip_prefix(clusters).and_then(|rest| rest.strip_suffix(chosen)) {
                let last = cluster.rsplit('/').next().unwrap_or(cluster);
                let destination = last.rsplit_once('_').map_or(last, |(name, _port)| name);
                *answered.entry(destination.to_owned()).or_default() += self.of_policy(name);
            }
        }
        let wanted = site.wanted.as_ref();
        for name in wanted.into_iter().flat_map(BTreeMap::keys) {
            answered.entry(name.clone()).or_default();
        }
        let share = |name: &str| wanted.map(|shares| shares.get(name).copied().unwrap_or(0.0));
        answered.into_iter().map(|(name, answered)| Destination { wanted: share(&name), name, answered }).collect()
    }

    fn of_policy(&self, name: &str) -> u64 {
        difference(self.now, self.base, name)
    }

    /// The counters of such names since the policy came.
    fn policy(&self, is: impl Fn(&str) -> bool) -> u64 {
        self.now.counters.keys().filter(|name| is(name)).map(|name| self.of_policy(name)).sum()
    }
}

/// How much a counter grew. One that shrank began anew, with Envoy.
fn difference(now: &Stats, then: &Stats, name: &str) -> u64 {
    let (now, then) = (now.counters.get(name).copied(), then.counters.get(name).copied());
    let (now, then) = (now.unwrap_or(0), then.unwrap_or(0));
    now.checked_sub(then).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(counters: &[(&str, u64)]) -> Stats {
        let counters = counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let times = BTreeMap::from([("http.d/a:80.downstream_rq_time".to_owned(), (0.5, 3.0))]);
        Stats { counters, times }
    }

    fn site() -> Site {
        let wanted = Some(BTreeMap::from([("v1".to_owned(), 90.0), ("v2".to_owned(), 10.0)]));
        Site { name: "d/a:80".into(), port: Some(15000), http: true, wanted }
    }

    const REQUESTS: &str = "http.d/a:80.downstream_rq_total";
    const FIFTH: &str = "http.d/a:80.downstream_rq_5xx";
    const V1: &str = "cluster.d/a_80/d/v1_80.upstream_rq_total";
    const BROKEN: &str = "cluster.d/a_80/d/v1_80.upstream_rq_pending_overflow";
    const OTHER: &str = "cluster.d/ab_80/d/v1_80.upstream_rq_total";
    const LIMITED: &str = "d/a:80.http_local_rate_limit.rate_limited";
    const LIMITED_ELSEWHERE: &str = "d/b:80.http_local_rate_limit.rate_limited";

    #[test]
    fn a_while_is_compared_with_the_one_before() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.look(start, stats(&[(REQUESTS, 100), (V1, 90)]), &[site()]), None);
        let now =
            [(REQUESTS, 110), (V1, 99), (FIFTH, 2), (BROKEN, 3), (OTHER, 50), (LIMITED, 4), (LIMITED_ELSEWHERE, 1)];
        let seen = meter.look(start + Duration::from_secs(1), stats(&now), &[site()]).unwrap();
        assert_eq!((seen.period, seen.limited, seen.is_quiet()), (Duration::from_secs(1), 5, false));
        let [flow] = seen.flows.as_slice() else { panic!("{seen:?}") };
        assert_eq!((flow.requests, flow.classes, flow.broken, flow.limited), (10, [0, 0, 0, 0, 2], 3, 4));
        assert_eq!(flow.times, Some((0.5, 3.0)));
        let destinations: Vec<_> = flow.destinations.iter().map(|d| (d.name.as_str(), d.wanted, d.answered)).collect();
        assert_eq!(destinations, [("v1", Some(90.0), 9), ("v2", Some(10.0), 0)]);

        // The next policy counts from the look before it on; Envoy that starts anew from zero.
        meter.begin();
        let seen = meter.look(start + Duration::from_secs(2), stats(&[(REQUESTS, 7), (FIFTH, 1)]), &[site()]).unwrap();
        assert_eq!((seen.flows[0].requests, seen.flows[0].classes[4]), (7, 1));
        let seen = meter.look(start + Duration::from_secs(3), stats(&[(REQUESTS, 7), (FIFTH, 1)]), &[site()]).unwrap();
        assert!(seen.is_quiet());
    }

    #[test]
    fn a_new_envoy_has_counted_nothing_before() {
        let start = Instant::now();
        let seen = Meter::of_new_envoy(start).look(start, stats(&[(REQUESTS, 5), (V1, 4)]), &[site()]).unwrap();
        assert_eq!((seen.flows[0].requests, seen.flows[0].destinations[0].answered), (5, 4));
    }
}
