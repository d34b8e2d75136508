//! The Envoy API's own descriptors and field rules, against which patches and hand-written
//! resources are held: unknown fields, wrong types, two arms of a oneof, values outside their
//! range, inside `Any` too.
//!
//! The descriptors are those of the newest Envoy, trimmed (`cargo run -p xtask -- descriptors`)
//! and decoded once, when first needed. What an older release's agent does not know comes from
//! `since.txt` and the table of packages.

mod encode;
mod merge;
mod rules;
mod ruleset;
mod scalar;
mod visit;
mod walk;

pub use encode::encode;
pub use merge::merge;
pub(crate) use scalar::nanoseconds;
pub use visit::visit;
pub use walk::check;
pub(crate) use walk::{field_of, place};

use crate::target::Target;
use meshc_dsl::Code;
use meshc_dsl::diagnostic::codes;
use prost_reflect::{DescriptorPool, ExtensionDescriptor, MessageDescriptor};
use ruleset::MessageRules;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock, RwLock};

const SINCE: &str = include_str!("since.txt");

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the text; empty where the text has no such place.
    pub range: Range<usize>,
    /// The path of the value, such as `common_lb_config.healthy_panic_threshold`.
    pub path: String,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The kinds of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A field that its message does not have.
    UnknownField,
    /// A value of another type than its field's.
    WrongType,
    /// Two fields of which a message may have one.
    TwoArms,
    /// One field under both of its names.
    Twice,
    /// A value that a field rule refuses.
    Rule,
    /// An `@type` that nothing knows.
    UnknownType,
    /// What the target's agent or Envoy does not have.
    Target,
}

impl ProblemKind {
    /// The diagnostic that it becomes.
    pub(crate) fn code(self) -> Code {
        match self {
            ProblemKind::UnknownField => codes::UNKNOWN_FIELD,
            ProblemKind::WrongType => codes::WRONG_TYPE,
            ProblemKind::TwoArms => codes::TWO_ARMS,
            ProblemKind::Twice => codes::FIELD_TWICE,
            ProblemKind::Rule => codes::FIELD_RULE,
            ProblemKind::UnknownType => codes::UNKNOWN_TYPE,
            ProblemKind::Target => codes::TARGET_CANNOT,
        }
    }
}

/// The API.
pub struct Schema {
    pool: DescriptorPool,
    rules: Option<ExtensionDescriptor>,
    required: Option<ExtensionDescriptor>,
    since: BTreeMap<&'static str, u8>,
    /// The rules of the messages met so far, by their full names.
    known: RwLock<BTreeMap<String, Arc<MessageRules>>>,
}

impl Schema {
    /// The API, decoded at the first call. `None` would be a broken build.
    pub fn get() -> Option<&'static Schema> {
        static SCHEMA: OnceLock<Option<Schema>> = OnceLock::new();
        SCHEMA.get_or_init(Schema::decode).as_ref()
    }

    fn decode() -> Option<Schema> {
        let pool = DescriptorPool::decode(include_bytes!("envoy.binpb").as_slice()).ok()?;
        let since = SINCE.lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
            let (field, minor) = line.split_once(' ')?;
            Some((field, minor.parse().ok()?))
        });
        Some(Schema {
            rules: pool.get_extension_by_name("validate.rules"),
            required: pool.get_extension_by_name("validate.required"),
            since: since.collect(),
            known: RwLock::default(),
            pool,
        })
    }

    /// A message by its full name.
    pub fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name)
    }

    /// The rules of a message's fields, read when first needed.
    fn rules_of(&self, message: &MessageDescriptor) -> Option<Arc<MessageRules>> {
        let known = self.known.read().ok()?.get(message.full_name()).cloned();
        if known.is_some() {
            return known;
        }
        let rules = Arc::new(MessageRules::of(message, self.rules.as_ref()?, self.required.as_ref()?));
        self.known.write().ok()?.insert(message.full_name().to_owned(), Arc::clone(&rules));
        Some(rules)
    }

    /// The message of an `@type` such as `type.googleapis.com/envoy.config.cluster.v3.Cluster`.
    pub(crate) fn of_type(&self, url: &str) -> Option<MessageDescriptor> {
        self.message(url.rsplit('/').next()?)
    }

    /// The first minor release whose agent knows a field, where some release's does not.
    fn first_with(&self, field: &str) -> Option<u8> {
        self.since.get(field).copied()
    }
}

/// Why a target cannot take a type, and since when one can: its agent is not linked with it, or
/// its Envoy is not built with the extension that reads it.
fn refused(message: &MessageDescriptor, target: Target) -> Option<(String, String)> {
    let Target::Cilium { .. } = target else { return None };
    let first = |can: &dyn Fn(Target) -> bool| {
        let found = Target::all().filter(|t| t.is_cilium()).find(|t| can(*t));
        found.map_or("no known release of Cilium has it".to_owned(), |t| format!("it is there from {t} on"))
    };
    let package = message.package_name();
    if !target.links_package(package) {
        let message = format!("the agent of {target} does not know the type `{}`", message.full_name());
        return Some((message, first(&|t| t.links_package(package))));
    }
    let extension = extension_of(message)?;
    if target.has_extension(&extension) {
        return None;
    }
    let message = format!("the Envoy of {target} is built without `{extension}`");
    Some((message, first(&|t| t.has_extension(&extension))))
}

/// The extension that reads a type, by Envoy's habit of naming both alike. `None` for types that
/// Envoy's core reads.
fn extension_of(message: &MessageDescriptor) -> Option<String> {
    let known = [
        ("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", "envoy.access_loggers.stdout"),
        ("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", "envoy.access_loggers.stderr"),
        ("envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", "envoy.access_loggers.http_grpc"),
        ("envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig", "envoy.access_loggers.tcp_grpc"),
        (
            "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "envoy.path.match.uri_template.uri_template_matcher",
        ),
        (
            "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
            "envoy.path.rewrite.uri_template.uri_template_rewriter",
        ),
    ];
    if let Some((_, extension)) = known.iter().find(|(name, _)| *name == message.full_name()) {
        return Some((*extension).to_owned());
    }
    let rest = message.package_name().strip_prefix("envoy.extensions.")?;
    // Options of the core under the name of an extension, and types that only hold others.
    if rest.starts_with("upstreams.http.v3") || rest.contains("common") {
        return None;
    }
    let name = rest.rsplit_once(".v").filter(|(_, v)| v.bytes().all(|b| b.is_ascii_digit())).map_or(rest, |(n, _)| n);
    Some(format!("envoy.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(name: &str) -> MessageDescriptor {
        Schema::get().unwrap().message(name).unwrap()
    }

    #[test]
    fn extensions_follow_from_types() {
        for (name, extension) in [
            ("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "envoy.filters.http.local_ratelimit"),
            ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "envoy.filters.network.tcp_proxy"),
            (
                "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
                "envoy.load_balancing_policies.ring_hash",
            ),
            ("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", "envoy.access_loggers.stdout"),
        ] {
            assert_eq!(extension_of(&type_of(name)).as_deref(), Some(extension));
        }
        for name in ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "envoy.config.cluster.v3.Cluster"] {
            assert_eq!(extension_of(&type_of(name)), None);
        }
    }

    #[test]
    fn targets_refuse_what_they_lack() {
        let cors = type_of("envoy.extensions.filters.http.cors.v3.CorsPolicy");
        let (message, help) = refused(&cors, Target::Cilium { minor: 18, patch: 0 }).unwrap();
        assert!(message.contains("envoy.filters.http.cors") && help.contains("cilium-1.20"), "{message} {help}");
        assert_eq!(refused(&cors, Target::DEFAULT), None);
        assert_eq!(refused(&cors, Target::Envoy), None);
    }

    #[test]
    fn fields_have_their_first_release() {
        let schema = Schema::get().unwrap();
        assert_eq!(schema.first_with("envoy.config.route.v3.WeightedCluster.use_hash_policy"), Some(19));
        assert_eq!(schema.first_with("envoy.config.route.v3.RouteMatch.cookies"), Some(20));
        assert_eq!(schema.first_with("envoy.config.route.v3.RouteMatch.headers"), None);
    }
}
