//! The releases that a program can be compiled for, and what each can do.

mod extensions;

use std::fmt;

/// What a program is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Cilium 1.`minor`.`patch`.
    Cilium {
        /// The minor release, from 14 to 20.
        minor: u8,
        /// The patch release.
        patch: u8,
    },
    /// A plain Envoy 1.38, without a cluster.
    Envoy,
}

/// The oldest minor release of Cilium that is known.
pub const OLDEST: u8 = 14;
/// The newest minor release of Cilium that is known.
pub const NEWEST: u8 = 20;

impl Target {
    /// The newest Cilium release known.
    pub const DEFAULT: Target = Target::Cilium { minor: NEWEST, patch: 0 };

    /// Every target, oldest first, each Cilium release at its first patch.
    pub fn all() -> impl Iterator<Item = Target> {
        (OLDEST..=NEWEST).map(|minor| Target::Cilium { minor, patch: 0 }).chain([Target::Envoy])
    }

    /// Reads `cilium-1.18`, `cilium-1.18.4`, `envoy`.
    pub fn parse(text: &str) -> Option<Target> {
        if text == "envoy" {
            return Some(Target::Envoy);
        }
        let release = text.strip_prefix("cilium-1.")?;
        let (minor, patch) = release.split_once('.').unwrap_or((release, "0"));
        let number = |s: &str| if s.bytes().all(|b| b.is_ascii_digit()) { s.parse::<u8>().ok() } else { None };
        let minor = number(minor).filter(|m| (OLDEST..=NEWEST).contains(m))?;
        Some(Target::Cilium { minor, patch: number(patch)? })
    }

    /// Whether the target can do this.
    pub fn has(self, feature: &Feature) -> bool {
        match self {
            Target::Envoy => feature.envoy,
            Target::Cilium { minor, patch } => {
                minor >= feature.since || feature.backports.iter().any(|(m, p)| minor == *m && patch >= *p)
            }
        }
    }

    /// Whether it is a Cilium release.
    pub fn is_cilium(self) -> bool {
        matches!(self, Target::Cilium { .. })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Envoy => f.write_str("envoy"),
            Target::Cilium { minor, patch: 0 } => write!(f, "cilium-1.{minor}"),
            Target::Cilium { minor, patch } => write!(f, "cilium-1.{minor}.{patch}"),
        }
    }
}

/// Something that not every release can do.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// The field or behaviour, under the name of its own API.
    pub name: &'static str,
    /// The first minor release of Cilium whose `.0` can.
    pub since: u8,
    /// Patch releases of older minors that can: `(minor, patch)`.
    pub backports: &'static [(u8, u8)],
    /// Whether a plain Envoy can.
    pub envoy: bool,
    /// What was missing before, for help lines.
    pub reason: &'static str,
}

impl Feature {
    /// The first target that can, and the patch releases of older ones.
    pub fn releases(&self) -> String {
        let patches: Vec<String> = self.backports.iter().map(|(m, p)| format!("cilium-1.{m}.{p}")).collect();
        if patches.is_empty() { self.first() } else { format!("{} (and {})", self.first(), patches.join(", ")) }
    }

    /// The first target that can.
    pub fn first(&self) -> String {
        format!("cilium-1.{}", self.since)
    }
}

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $api:literal since $since:literal $(backports $ports:expr)?, envoy $envoy:literal: $reason:literal;)*) => {
        $($(#[$doc])* pub const $name: Feature = Feature {
            name: $api, since: $since, backports: features!(@ports $($ports)?), envoy: $envoy, reason: $reason,
        };)*
        /// Every feature that some target lacks.
        pub const FEATURES: &[&Feature] = &[$(&$name),*];
    };
    (@ports) => { &[] };
    (@ports $ports:expr) => { $ports };
}

features! {
    /// Access loggers: in the agent and in cilium-envoy.
    ACCESS_LOG = "envoy.access_loggers.stdout" since 15, envoy true:
        "the Envoy of Cilium before had no access loggers";
    /// The label that hides the client's address.
    ORIGINAL_SOURCE_LABEL = "cilium.io/use-original-source-address" since 15, envoy false:
        "Cilium before always kept the client's address";
    /// The annotation that took the label's place.
    ORIGINAL_SOURCE_ANNOTATION = "cec.cilium.io/use-original-source-address" since 19, envoy false:
        "the label did it before";
    /// Ports of a steered service in the CRD.
    SERVICE_PORTS = "CiliumEnvoyConfigSpec.services[].ports" since 16, envoy true:
        "Cilium before steered every port of a service";
    /// An HTTP filter that only some routes turn on.
    DISABLED_FILTER = "HttpFilter.disabled" since 16, envoy true:
        "Envoy before 1.28 could not turn a filter on for single routes";
    /// Ejecting one endpoint whatever the percentage.
    ALWAYS_EJECT = "OutlierDetection.always_eject_one_host" since 17, envoy true:
        "Envoy before kept to the percentage";
    /// Copies of requests with their own Host.
    MIRROR_HOST = "RequestMirrorPolicy.disable_shadow_host_suffix_append" since 17, envoy true:
        "Envoy before appended `-shadow` to the Host of copies";
    /// Drawing a side of a split by a hash.
    STICKY_BY_HASH = "WeightedCluster.use_hash_policy" since 20 backports &[(19, 3)], envoy true:
        "Envoy before drew the side of a split anew for each request";
    /// What a cluster hashes, in the cluster itself.
    CLUSTER_HASH_POLICY = "ConsistentHashingLbConfig.hash_policy" since 19, envoy true:
        "Envoy before took it from the route alone";
    /// The CORS filter in cilium-envoy.
    CORS = "envoy.filters.http.cors" since 20 backports &[(18, 9), (19, 3)], envoy true:
        "the Envoy of Cilium before had no CORS filter";
    /// A bounded table of buckets, one for each value of a key.
    LIMIT_BY_KEY = "LocalRateLimit.max_dynamic_descriptors" since 18, envoy true:
        "Envoy before had no buckets for values that it learns from requests";
    /// Matching cookies by name.
    COOKIE_MATCH = "RouteMatch.cookies" since 20, envoy true:
        "the Envoy of Cilium before saw the `cookie` header as a whole";
    /// Path templates: in the agent and in cilium-envoy.
    PATH_TEMPLATE = "envoy.path.match.uri_template.uri_template_matcher" since 15, envoy true:
        "the agent of Cilium before did not know them";
    /// A redirect for each port of a service.
    REDIRECT_PER_PORT = "proxy redirect per service port" since 20, envoy true:
        "Cilium before had one redirect for a service";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_and_print() {
        for text in ["cilium-1.14", "cilium-1.20", "cilium-1.18.4", "envoy"] {
            assert_eq!(Target::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        for bad in ["cilium-1.13", "cilium-1.21", "cilium-1", "cilium-1.18.", "cilium-1.18.x", "Envoy", ""] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn features_begin_with_their_release() {
        let target = |t: &str| Target::parse(t).unwrap();
        assert!(!target("cilium-1.14").has(&ACCESS_LOG));
        assert!(target("cilium-1.15").has(&ACCESS_LOG));
        assert!(target("envoy").has(&ACCESS_LOG));
    }
}
