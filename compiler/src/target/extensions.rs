//! Which Envoy extensions a target's proxy is built with, from `extensions.txt`, and which protobuf
//! packages its agent is linked with, from `packages.txt`.

use super::{FEATURES, Target};

const TABLE: &str = include_str!("extensions.txt");

/// What the Envoy 1.25 of cilium-1.14 has in its core, and later Envoys have as extensions.
const CORE_AT_14: &[&str] = &[
    "envoy.health_checkers.grpc",
    "envoy.health_checkers.http",
    "envoy.health_checkers.tcp",
    "envoy.load_balancing_policies.maglev",
    "envoy.load_balancing_policies.ring_hash",
];

const PACKAGES: &str = include_str!("packages.txt");

impl Target {
    /// Whether the target's agent is linked with a protobuf package, and so knows its types. A
    /// plain Envoy has no agent.
    pub fn links_package(self, name: &str) -> bool {
        let Target::Cilium { minor, .. } = self else { return true };
        name.starts_with("google.protobuf") || listed(PACKAGES, name, minor)
    }

    /// Whether the target's Envoy has an extension, by its name. A stock Envoy has all that the
    /// compiler emits.
    pub fn has_extension(self, name: &str) -> bool {
        let Target::Cilium { minor, .. } = self else { return true };
        if (minor == 14 && CORE_AT_14.contains(&name)) || FEATURES.iter().any(|f| f.name == name && self.has(f)) {
            return true;
        }
        listed(TABLE, name, minor)
    }
}

/// Whether a table of names and releases has a name for a release.
fn listed(table: &str, name: &str, minor: u8) -> bool {
    let line = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.is_some_and(|releases| releases.split(',').any(|range| within(range, minor)))
}

/// Whether a release is in `16` or `14-20`.
fn within(range: &str, minor: u8) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u8>().ok();
    matches!((number(first), number(last)), (Some(first), Some(last)) if (first..=last).contains(&minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_come_and_go_with_releases() {
        let at = |minor| Target::Cilium { minor, patch: 0 };
        assert!(at(14).has_extension("envoy.filters.http.local_ratelimit"));
        assert!(!at(14).has_extension("envoy.access_loggers.stdout"));
        assert!(at(15).has_extension("envoy.access_loggers.stdout"));
        assert!(at(20).has_extension("envoy.filters.http.cors") && !at(19).has_extension("envoy.filters.http.cors"));
        assert!(!at(20).has_extension("envoy.filters.http.lua"));
        assert!(!at(20).has_extension("envoy.filters.http"));
    }

    #[test]
    fn the_table_reads_as_a_whole() {
        for line in TABLE.lines().filter(|l| !l.starts_with('#')) {
            let (name, _) = line.split_once(' ').unwrap();
            assert!((14..=20).any(|minor| Target::Cilium { minor, patch: 0 }.has_extension(name)), "{line}");
        }
    }
}
