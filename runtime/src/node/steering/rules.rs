//! The rule set: one inner map, which one write puts in the place of the one before.

use super::error::SteerError;
use super::layout::{COUNTERS, CURRENT, Key, MOST_RULES, MOST_SERVICES, RULES, Rule, key, rule};
use super::pins::Pins;
use super::record::Service;
use super::{counters_room, open_map};
use aya::maps::{ArrayOfMaps, HashMap, MapData, MapError};
use std::collections::BTreeMap;
use std::fs;

type Set = HashMap<MapData, Key, Rule>;

/// How many services the counters shall have room for. Counters that are too small are given up: the
/// programs that are loaded next get new ones.
pub(super) fn room(pins: &Pins, wanted: usize) -> Result<usize, SteerError> {
    match counters_room(pins)? {
        Some(room) if room >= wanted => Ok(room),
        there => {
            if there.is_some() {
                let path = pins.path(COUNTERS.name);
                fs::remove_file(&path).map_err(|source| SteerError::PinAccess { path, source })?;
            }
            Ok((wanted * 2).next_power_of_two().min(MOST_SERVICES).max(wanted))
        }
    }
}

/// Puts services into a list in which each keeps its place for good.
pub(super) fn merge(all: &mut Vec<Service>, services: &[Service]) {
    all.iter_mut().for_each(|service| service.addresses.clear());
    let mut places: BTreeMap<String, usize> = all.iter().enumerate().map(|(at, s)| (s.name.clone(), at)).collect();
    for service in services {
        let place = *places.entry(service.name.clone()).or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => known.clone_from(service),
            None => all.push(service.clone()),
        }
    }
}

/// The rules of services, by their index.
pub(super) fn rules(services: &[Service]) -> BTreeMap<Key, Rule> {
    let of = |(at, service): (u32, &Service)| {
        let rule = rule(service.listener, service.refuse, at);
        service.addresses.iter().map(|address| (key(*address, service.port), rule)).collect::<Vec<_>>()
    };
    (0..).zip(services).flat_map(of).collect()
}

/// Makes these the rules, in one step.
pub(super) fn swap(pins: &Pins, services: &[Service]) -> Result<(), SteerError> {
    let failed = |e: MapError| SteerError::system("write the rules", &e);
    let rules = rules(services);
    if rules.len() > MOST_RULES {
        return Err(SteerError::TooMany { what: "addresses with a port", count: rules.len(), most: MOST_RULES });
    }
    let mut set = Set::create(u32::try_from(rules.len().max(1)).unwrap_or(u32::MAX), 0).map_err(failed)?;
    for (key, rule) in &rules {
        set.insert(key, rule, 0).map_err(failed)?;
    }
    let outer = open_map(&pins.path(RULES.name))?;
    let mut outer: ArrayOfMaps<MapData, Set> = outer.try_into().map_err(failed)?;
    outer.set(0, &set, 0).map_err(failed)?;
    // Pinned beside the outer one, since to open it by its number takes CAP_SYS_ADMIN.
    let (pin, beside) = (pins.path(CURRENT.name), pins.path("current_new"));
    let _ = fs::remove_file(&beside);
    set.pin(&beside).map_err(|e| SteerError::system(format!("pin {}", beside.display()), &e))?;
    fs::rename(&beside, &pin).map_err(|source| SteerError::PinAccess { path: pin, source })
}

/// The rules that the kernel has.
pub(super) fn current(pins: &Pins) -> Result<BTreeMap<Key, Rule>, SteerError> {
    let path = pins.path(CURRENT.name);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    pins.check_map(CURRENT)?;
    let failed = |e: MapError| SteerError::system("read the rules", &e);
    let set: Set = open_map(&path)?.try_into().map_err(failed)?;
    set.iter().collect::<Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, address: &str, listener: u16) -> Service {
        let addresses = [address.parse().unwrap()].into();
        Service { name: name.into(), addresses, port: 80, listener, refuse: false }
    }

    #[test]
    fn a_service_keeps_its_index() {
        let mut all = Vec::new();
        merge(&mut all, &[service("a", "10.0.0.1", 1), service("b", "10.0.0.2", 2)]);
        merge(&mut all, &[service("c", "10.0.0.3", 3), service("b", "10.0.0.2", 4)]);
        let names: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.addresses.len())).collect();
        assert_eq!(names, [("a", 0), ("b", 1), ("c", 1)]);
        let rules = rules(&all);
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[&key("10.0.0.2".parse().unwrap(), 80)], rule(4, false, 1));
    }
}
