//! What a run meant to be there, against what the kernel says; and the kill switch.

use super::error::SteerError;
use super::layout::{COUNTERS, Counts, Key, LEASE, MAPS, OFF, OUTCOMES, Rule, read_key};
use super::pins::{Pins, sets};
use super::record::{Record, Service};
use super::{cgroup, lease, link, open_map, rules, settings};
use aya::maps::{MapData, MapError, MapInfo, PerCpuArray};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What is there of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The set's name.
    pub set: String,
    /// Whether a `meshc up` holds it.
    pub running: bool,
    /// Whether it is switched off.
    pub switched_off: bool,
    /// How many milliseconds ago Envoy answered; `None` when the lease is over.
    pub lease_age_ms: Option<u64>,
    /// The path of the cgroup whose processes are steered.
    pub cgroup: String,
    /// The programs.
    pub programs: Vec<Program>,
    /// The numbers of the pinned maps, by their name.
    pub maps: BTreeMap<&'static str, u32>,
    /// The steered services with their counters.
    pub services: Vec<Tally>,
    /// Where what is there is not what was meant.
    pub drift: Vec<Drift>,
}

/// A program on the cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its number; `None` when it is not attached.
    pub id: Option<u32>,
    /// Its tag.
    pub tag: String,
    /// What the kernel calls its cgroup; 0 when that is gone.
    pub cgroup_id: u64,
}

/// A service and what became of its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The service.
    #[serde(flatten)]
    pub service: Service,
    /// The connections by what became of them, over all processors.
    pub connections: BTreeMap<&'static str, u64>,
}

/// A difference between what was meant and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What is different.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// What the kill switch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// Connections go where they are dialled.
    Off,
    /// Connections are steered again.
    On,
    /// What a dead run left is gone.
    Removed,
}

/// What is there of one set, or of all.
///
/// # Errors
/// When the set is not there, or may not be looked at.
pub fn status(set: Option<&str>) -> Result<Vec<Status>, SteerError> {
    chosen(set)?.iter().map(|name| of(name)).collect()
}

/// Turns the steering of one set, or of all, off or on again. What a dead run left is removed instead.
///
/// # Errors
/// When nothing is there, or it may not be changed.
pub fn switch(set: Option<&str>, off: bool) -> Result<Vec<(String, Switch)>, SteerError> {
    let names = chosen(set)?;
    if names.is_empty() {
        return Err(SteerError::Nothing { set: None });
    }
    names.into_iter().map(|name| switch_one(&name, off).map(|done| (name, done))).collect()
}

fn switch_one(name: &str, off: bool) -> Result<Switch, SteerError> {
    let pins = Pins::open(name)?;
    if off && let Some(_lock) = pins.lock()? {
        let envoy = Record::read(&pins)?.map(|record| record.envoy);
        pins.remove();
        if let Some(envoy) = envoy.filter(|path| !path.is_empty()) {
            cgroup::leave(Path::new(&envoy));
        }
        return Ok(Switch::Removed);
    }
    let written = settings(&pins)?.set(OFF, u64::from(off), 0);
    written.map_err(|e| SteerError::system("write the settings", &e))?;
    Ok(if off { Switch::Off } else { Switch::On })
}

fn chosen(set: Option<&str>) -> Result<Vec<String>, SteerError> {
    let all = sets()?;
    match set {
        None => Ok(all),
        Some(name) if all.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(SteerError::Nothing { set: Some(name.to_owned()) }),
    }
}

fn of(name: &str) -> Result<Status, SteerError> {
    let pins = Pins::open(name)?;
    let running = pins.lock()?.is_none();
    let record = Record::read(&pins)?.unwrap_or_default();
    let settings = settings(&pins)?;
    let setting = |which| settings.get(&which, 0).map_err(|e| SteerError::system("read the settings", &e));
    let (until, now) = (setting(LEASE)?, lease::now());
    let renewed = until.saturating_sub(lease::LENGTH.as_nanos() as u64);
    let lease_age_ms = (until > now).then(|| now.saturating_sub(renewed) / 1_000_000);
    let programs: Vec<_> = record.programs.keys().map(|program| look(&pins, program)).collect();
    let mut drift = Vec::new();
    drift.extend(programs.iter().filter_map(|program| program_drift(program, &record)));
    drift.extend(maps_drift(&pins));
    drift.extend(rules_drift(&rules::current(&pins)?, &rules::rules(&record.services)));
    if !running {
        let problem = "no `meshc up` holds it: connections fare as `on-failure` says".to_owned();
        drift.push(Drift { problem, remedy: format!("start it again, or remove it: `meshc steer off {name}`") });
    } else if lease_age_ms.is_none() {
        let problem = "Envoy does not answer: connections fare as `on-failure` says".to_owned();
        drift.push(Drift { problem, remedy: "see what `meshc up` says of Envoy".to_owned() });
    }
    Ok(Status {
        set: name.to_owned(),
        running,
        switched_off: setting(OFF)? != 0,
        lease_age_ms,
        cgroup: record.cgroup.clone(),
        programs,
        maps: maps(&pins),
        services: tallies(&pins, &record.services)?,
        drift,
    })
}

fn look(pins: &Pins, program: &str) -> Program {
    let facts = link::facts(&pins.link(program)).ok();
    Program {
        name: program.to_owned(),
        id: facts.as_ref().map(|facts| facts.program),
        tag: facts.as_ref().map(|facts| facts.tag.clone()).unwrap_or_default(),
        cgroup_id: facts.map(|facts| facts.cgroup).unwrap_or_default(),
    }
}

fn program_drift(program: &Program, record: &Record) -> Option<Drift> {
    let (name, stored) = (&program.name, record.programs.get(&program.name)?);
    let problem = if program.id.is_none() {
        format!("`{name}` is not attached")
    } else if program.cgroup_id == 0 {
        format!("the cgroup of `{name}`, {}, is gone", record.cgroup)
    } else if program.cgroup_id != record.cgroup_id {
        format!("`{name}` is attached to cgroup {}, not to {} ({})", program.cgroup_id, record.cgroup_id, record.cgroup)
    } else if program.tag != *stored {
        format!("`{name}` has the tag {}, not {stored}", program.tag)
    } else {
        return None;
    };
    Some(Drift { problem, remedy: "end `meshc up`, and start it again".to_owned() })
}

fn maps(pins: &Pins) -> BTreeMap<&'static str, u32> {
    let number = |name| MapInfo::from_pin(pins.path(name)).ok().map(|info| (name, info.id()));
    MAPS.iter().filter_map(|shape| number(shape.name)).collect()
}

fn maps_drift(pins: &Pins) -> Vec<Drift> {
    // A set without rules so far has no current ones.
    let wanted = MAPS.iter().filter(|shape| shape.name != "current" || pins.path(shape.name).exists());
    let problems = wanted.filter_map(|shape| match pins.path(shape.name).exists() {
        true => pins.check_map(*shape).err().map(|e| (e.to_string(), e.help())),
        false => Some((format!("the map `{}` is not pinned", shape.name), "start `meshc up` again".to_owned())),
    });
    problems.map(|(problem, remedy)| Drift { problem, remedy }).collect()
}

fn rules_drift(there: &BTreeMap<Key, Rule>, meant: &BTreeMap<Key, Rule>) -> Vec<Drift> {
    let words = |key: &Key| {
        let (address, port) = read_key(key);
        std::net::SocketAddr::from((address, port)).to_string()
    };
    let missing = meant.iter().filter(|(key, rule)| there.get(*key) != Some(rule)).map(|(key, _)| {
        let how = if there.contains_key(key) { "steered elsewhere" } else { "not steered" };
        format!("{} is {how}", words(key))
    });
    let more = there.keys().filter(|key| !meant.contains_key(*key)).map(|key| format!("{} is steered", words(key)));
    let remedy = || "save a policy, or start `meshc up` again".to_owned();
    missing.chain(more).map(|problem| Drift { problem, remedy: remedy() }).collect()
}

fn tallies(pins: &Pins, services: &[Service]) -> Result<Vec<Tally>, SteerError> {
    let failed = |e: MapError| SteerError::system("read the counters", &e);
    let counters = open_map(&pins.path(COUNTERS.name))?;
    let counters: PerCpuArray<MapData, Counts> = counters.try_into().map_err(failed)?;
    let mut tallies = Vec::new();
    for (at, service) in (0..).zip(services) {
        let values = counters.get(&at, 0).map_err(failed)?;
        let sum = |which: usize| values.iter().filter_map(|counts| counts.get(which)).sum::<u64>();
        let connections = OUTCOMES.iter().enumerate().map(|(which, outcome)| (*outcome, sum(which))).collect();
        tallies.push(Tally { service: service.clone(), connections });
    }
    Ok(tallies)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{key, rule};
    use super::*;

    #[test]
    fn differences_of_rules_are_told() {
        let at = |text: &str| key(text.parse().unwrap(), 80);
        let meant = [(at("10.0.0.1"), rule(1, false, 0)), (at("10.0.0.2"), rule(2, false, 1))].into();
        let there = [(at("10.0.0.1"), rule(9, false, 0)), (at("fd00::1"), rule(2, false, 1))].into();
        let said: Vec<_> = rules_drift(&there, &meant).into_iter().map(|drift| drift.problem).collect();
        assert_eq!(said, ["10.0.0.1:80 is steered elsewhere", "10.0.0.2:80 is not steered", "[fd00::1]:80 is steered"]);
        assert!(rules_drift(&meant, &meant).is_empty());
    }

    #[test]
    fn a_program_that_is_not_as_it_was_is_told() {
        let record = Record {
            cgroup_id: 7,
            cgroup: "/c".into(),
            programs: [("p".to_owned(), "t".to_owned())].into(),
            ..Record::default()
        };
        let program = |id, tag: &str, cgroup_id| Program { name: "p".into(), id, tag: tag.into(), cgroup_id };
        assert_eq!(program_drift(&program(Some(1), "t", 7), &record), None);
        for (wrong, words) in [
            (program(None, "", 0), "not attached"),
            (program(Some(1), "t", 0), "is gone"),
            (program(Some(1), "t", 8), "cgroup 8"),
            (program(Some(1), "u", 7), "tag u"),
        ] {
            assert!(program_drift(&wrong, &record).unwrap().problem.contains(words));
        }
    }
}
