//! What a user did wrong, as plain data, and the list of all codes. Rendering is the command's
//! business.

mod data;

pub use data::{Code, Diagnostic, Fix, Label, Severity, any_error, sort};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// Every diagnostic code, by name.
        pub mod codes {
            use super::Code;
            $($(#[$doc])* pub const $name: Code = Code($code);)*
            /// All of them, in the order of the list.
            pub const ALL: &[Code] = &[$($name),*];
        }
    };
}

codes! {
    // E01xx: the text itself
    /// A file is not UTF-8.
    NOT_UTF8 = "E0101";
    /// A control character, or one that changes the direction of text.
    FORBIDDEN_CHARACTER = "E0102";
    /// A file is larger than 1 MiB.
    FILE_TOO_LARGE = "E0103";
    /// Brackets nest deeper than 64.
    NESTED_TOO_DEEP = "E0104";
    /// A bracket or quote is never closed.
    UNCLOSED = "E0105";
    /// A closing bracket that nothing opened.
    UNOPENED = "E0106";
    /// A first word that starts no declaration.
    UNKNOWN_DECLARATION = "E0107";
    /// A first word that starts no clause.
    UNKNOWN_CLAUSE = "E0108";
    /// A declaration or clause that does not have its form.
    MALFORMED = "E0109";
    /// An unknown escape in text.
    BAD_ESCAPE = "E0110";
    /// A declaration that took more parsing steps than its size allows.
    TOO_COMPLEX = "E0111";
    /// A condition that does not have its form.
    BAD_CONDITION = "E0112";
    /// A clause or condition that breaks off.
    INCOMPLETE = "E0130";
    /// Signs of another language.
    FOREIGN_SYNTAX = "E0131";
    /// A clause outside every declaration.
    CLAUSE_OUTSIDE = "E0132";
    /// YAML of another tool where policy should stand.
    FOREIGN_YAML = "E0120";
    /// Text in quotes of another kind than the language's.
    FOREIGN_QUOTES = "E0121";
    // E02xx: names
    /// Not a Kubernetes name.
    BAD_NAME = "E0201";
    /// A service that neither the program nor the catalog knows.
    UNKNOWN_SERVICE = "E0202";
    /// A version that the service does not declare.
    UNKNOWN_VERSION = "E0203";
    /// A policy that no file declares.
    UNKNOWN_POLICY = "E0204";
    /// A parameter that no file declares.
    UNKNOWN_PARAM = "E0205";
    /// One name declared twice.
    DUPLICATE = "E0206";
    /// Two routes that steer one service and port.
    SERVICE_STEERED_TWICE = "E0207";
    /// A port that the catalog's Service does not have, or not for TCP.
    UNKNOWN_PORT = "E0208";
    /// Several ports and no word which.
    AMBIGUOUS_PORT = "E0209";
    /// A port is needed and nothing knows it.
    PORT_NEEDED = "E0210";
    /// A Service that cannot be steered or reached.
    UNFIT_SERVICE = "E0211";
    /// One Service used with and without a port.
    PORTED_AND_UNPORTED = "E0212";
    /// A generated Service that exists with another selector.
    SERVICE_CONFLICT = "E0213";
    /// A subject in another namespace than the file's.
    FOREIGN_NAMESPACE = "E0215";
    /// A port's name whose number nothing knows.
    UNKNOWN_PORT_NAME = "E0220";
    // E03xx: values
    /// A value that is not of the kind its place needs.
    BAD_VALUE = "E0301";
    /// A number without the unit it needs.
    MISSING_UNIT = "E0302";
    /// A value outside the range that Envoy or Cilium takes.
    OUT_OF_RANGE = "E0303";
    /// Shares that do not sum to 100 %.
    SHARES = "E0304";
    /// A word that is not one of those its place knows.
    UNKNOWN_WORD = "E0305";
    /// A regular expression that RE2 refuses.
    BAD_REGEX = "E0306";
    /// A header name or value that Envoy refuses.
    BAD_HEADER = "E0307";
    /// A parameter whose value is of another kind than its default.
    PARAM_KIND = "E0308";
    /// A path that no request has, or that no rewrite can make.
    BAD_PATH = "E0320";
    /// A host that no request has.
    BAD_HOST = "E0321";
    /// A path template that does not have its form, or stands where no path is tested.
    BAD_TEMPLATE = "E0322";
    /// A redirect's URL that is none.
    BAD_URL = "E0323";
    /// A log format that Envoy refuses.
    BAD_FORMAT = "E0324";
    /// An address or DNS name, with its port where one is needed, that is none.
    BAD_ADDRESS = "E0325";
    /// A query parameter that no request has.
    BAD_QUERY = "E0326";
    /// A cookie that no request has.
    BAD_COOKIE = "E0327";
    /// A method that no request has.
    BAD_METHOD = "E0328";
    /// A CORS origin that no browser sends.
    BAD_ORIGIN = "E0329";
    /// Not the name of a gRPC service or method.
    BAD_GRPC = "E0330";
    /// Text without quotes, or a word with them.
    QUOTES = "E0331";
    /// A status that its place or Envoy does not know.
    BAD_STATUS = "E0332";
    /// A parameter whose value is another parameter.
    PARAM_OF_PARAM = "E0333";
    /// A regular expression whose program is larger than Envoy takes.
    REGEX_TOO_LARGE = "E0310";
    // E04xx: what does not go together
    /// A clause in a place where it cannot stand.
    MISPLACED = "E0401";
    /// One setting written twice in one place.
    WRITTEN_TWICE = "E0402";
    /// Two clauses of one rule that exclude each other.
    CONFLICTING = "E0403";
    /// Both an `otherwise` and clauses outside every `when`.
    TWO_FALLBACKS = "E0404";
    /// `no X` where no fallback has an X.
    NOTHING_TO_TAKE_AWAY = "E0405";
    /// A rule that no request can reach.
    UNREACHABLE = "E0406";
    /// A clause that lacks another one that it needs.
    NEEDS = "E0407";
    /// Two listeners on one address.
    ADDRESS_TAKEN = "E0408";
    /// A condition that expands to too many alternatives.
    TOO_MANY_ALTERNATIVES = "E0409";
    /// A header that frames the message, which nothing but the proxy may write.
    FRAMING_HEADER = "E0440";
    /// What looks at requests, where `protocol tcp` has none.
    NOT_FOR_TCP = "E0420";
    /// Two actions in one rule.
    TWO_ACTIONS = "E0421";
    /// Two rewrites of one kind in one rule.
    TWO_REWRITES = "E0422";
    /// Places of one route, or a route and a destination, that speak different protocols.
    PROTOCOLS_DIFFER = "E0423";
    /// Routes of one service in different scopes.
    SCOPES_DIFFER = "E0424";
    /// The administration interface where it cannot be the destination.
    ADMIN_MISUSED = "E0425";
    /// One header changed twice in one rule.
    HEADER_CHANGED_TWICE = "E0426";
    /// A rewrite in a rule that the proxy answers by itself.
    REWRITES_NOTHING = "E0427";
    /// One cookie's name for the sides of two splits.
    COOKIE_OF_TWO_SPLITS = "E0428";
    /// A clause that is written and taken away in one place.
    WRITTEN_AND_TAKEN_AWAY = "E0429";
    /// A rule behind `otherwise`.
    BEHIND_OTHERWISE = "E0430";
    /// One destination twice in one split.
    DESTINATION_TWICE = "E0431";
    /// A destination that speaks TLS only.
    NEEDS_TLS = "E0432";
    /// A policy used where one of its clauses cannot stand.
    POLICY_MISFIT = "E0433";
    /// A fallback for which the rules before it leave no request.
    FALLBACK_UNREACHABLE = "E0410";
    // E05xx: targets and output
    /// What the target cannot do.
    TARGET_CANNOT = "E0501";
    /// An unknown target.
    UNKNOWN_TARGET = "E0502";
    /// An object too large for etcd.
    OBJECT_TOO_LARGE = "E0503";
    /// The compiler emitted something inconsistent: a bug of the compiler.
    INTERNAL = "E0599";
    // E08xx: Envoy resources that a user writes
    /// Text that is not YAML, or not a map.
    BAD_YAML = "E0801";
    /// A field that its message does not have.
    UNKNOWN_FIELD = "E0802";
    /// A value of another type than its field's.
    WRONG_TYPE = "E0803";
    /// Two arms of a oneof.
    TWO_ARMS = "E0804";
    /// A value that Envoy's field rules refuse.
    FIELD_RULE = "E0805";
    /// An `@type` that nothing knows.
    UNKNOWN_TYPE = "E0806";
    /// A patch of something that is not there.
    PATCHES_NOTHING = "E0807";
    /// A patch that renames what others refer to, or refers to what is not there.
    PATCH_BREAKS_REFERENCE = "E0808";
    /// One field under both of its names.
    FIELD_TWICE = "E0809";
    // E081x to E084x: CiliumEnvoyConfigs that a user writes
    /// A field that the CRD does not have, and Kubernetes drops.
    PRUNED_FIELD = "E0810";
    /// A port that no Service has; it breaks every agent.
    BAD_SERVICE_PORT = "E0811";
    /// An object or resource without something that it needs, such as its name.
    MISSING_PART = "E0812";
    /// A type of resource that Cilium does not take.
    UNSUPPORTED_RESOURCE = "E0813";
    /// Two resources of one type and name.
    RESOURCE_TWICE = "E0814";
    /// A service steered to a listener that is not there.
    UNKNOWN_LISTENER = "E0815";
    /// Routes that are not there.
    UNKNOWN_ROUTES = "E0816";
    /// A cluster that is not there.
    UNKNOWN_CLUSTER = "E0817";
    /// Endpoints that no object makes Cilium publish.
    UNPUBLISHED_ENDPOINTS = "E0818";
    /// A service without a namespace, where none is assumed.
    SERVICE_WITHOUT_NAMESPACE = "E0819";
    /// A service of another namespace, where its own is put in its place.
    SERVICE_ELSEWHERE = "E0820";
    /// HTTP filters without a router at their end.
    ROUTER_NOT_LAST = "E0821";
    /// Two filter chains for the same connections.
    FILTER_CHAIN_TWICE = "E0822";
    /// An API version that the kind does not have.
    BAD_API_VERSION = "E0823";
    /// A domain of two virtual hosts.
    DOMAIN_TWICE = "E0824";
    // E06xx: configuration and catalog
    /// `meshc.toml` does not have its form.
    BAD_CONFIG = "E0601";
    /// A catalog file that cannot be read as Kubernetes objects.
    BAD_CATALOG = "E0602";
    /// A `--set` that names nothing or has a bad value.
    BAD_SET = "E0603";
    // E07xx: tests of policies
    /// A test that does not say who takes its requests.
    TEST_NEEDS_ENTRY = "E0701";
    /// A test for something that takes no requests.
    UNKNOWN_ENTRY = "E0702";
    /// A request of a test that came out otherwise.
    TEST_FAILED = "E0703";
    /// Policy in a file of tests.
    NOT_A_TEST = "E0704";
    // W: warnings
    /// Nothing knows the port, so all ports are swept up.
    UNKNOWN_PORT_SWEPT = "W0201";
    /// A service that nothing declares, with no catalog to check it.
    UNCHECKED_SERVICE = "W0202";
    /// A fixed address as destination.
    FIXED_ADDRESS = "W0203";
    /// A selector that makes no Service.
    SELECTS_NOTHING = "W0220";
    /// A class of ASCII in a pattern with more than that.
    ASCII_CLASS = "W0310";
    /// An operator or a class within a class, which RE2 reads as plain characters.
    CLASS_OPERATOR = "W0311";
    /// A character that requests never have unescaped.
    NEVER_UNESCAPED = "W0312";
    /// A piece of a pattern that is read as plain characters.
    READ_AS_TEXT = "W0313";
    /// A clause that has no effect where it stands.
    NO_EFFECT = "W0401";
    /// Retries of requests that may not be repeatable.
    RETRIES_WRITES = "W0402";
    /// An administration interface that any caller can write to.
    WRITABLE_ADMIN = "W0403";
    /// Tries that do not fit into the timeout.
    TRIES_OVER_TIMEOUT = "W0440";
    /// A sticky clause where nothing is split.
    STICKY_OF_ONE = "W0441";
    /// A mirror to where the requests go anyway.
    MIRROR_TO_ITSELF = "W0442";
    /// A limit that nothing can reach.
    LIMIT_OUT_OF_REACH = "W0443";
    /// Retries that the circuit breaker never lets through.
    RETRIES_OFF = "W0444";
    /// Outlier detection that takes every endpoint out at its first error.
    EJECTS_ALL_AT_ONCE = "W0445";
    /// An ejection that ends before anybody looks.
    EJECTION_UNDER_INTERVAL = "W0446";
    /// A Service of which Envoy sees the endpoints of its own node alone.
    NODE_LOCAL_ENDPOINTS = "W0447";
    /// A kept client address on a Service that clients outside the cluster call.
    KEEPS_OUTSIDE_CLIENTS = "W0448";
    /// A probe that gives up before a connection has had its time.
    PROBE_UNDER_CONNECT = "W0449";
    /// A change of a header that concerns one connection alone.
    HOP_BY_HOP_HEADER = "W0450";
    /// A path with what other tools read as a wildcard.
    PLAIN_WILDCARD = "W0451";
    /// A share that hardly any request falls into.
    SHARE_UNSEEN = "W0452";
    /// A header's value with a blank at an end, which HTTP takes away.
    BLANK_AT_END = "W0453";
    /// A rule that changes nothing, since the next one does the same with its requests.
    SAME_AS_NEXT = "W0410";
    /// An alternative of a condition that no request satisfies or reaches.
    DEAD_ALTERNATIVE = "W0411";
    /// Endpoints that outlier detection never ejects on this target.
    NEVER_EJECTED = "W0501";
    /// The target always keeps the client's address.
    KEEPS_CLIENT_ADDRESS = "W0502";
    /// The target steers every port of the service.
    STEERS_ALL_PORTS = "W0503";
    /// A test that sends no request.
    EMPTY_TEST = "W0701";
    /// A service without a namespace, where one is assumed for now.
    NAMESPACE_ASSUMED = "W0810";
    /// A service of another namespace, which other releases do not take.
    FOREIGN_SERVICE = "W0811";
    /// A steered service that names no listener.
    LISTENER_LEFT_OPEN = "W0812";
    /// A service without ports.
    PORTS_LEFT_OPEN = "W0813";
    /// A cluster's name that the whole node shares.
    NODE_WIDE_NAME = "W0814";
    /// A field that Envoy's API has given up.
    DEPRECATED_FIELD = "W0815";
    /// Circuit-breaker thresholds left to Envoy's defaults.
    THRESHOLDS_LEFT_OPEN = "W0816";
    /// A cluster without a connect timeout.
    CONNECT_TIMEOUT_LEFT_OPEN = "W0817";
    /// Sides of a split with different connect timeouts.
    UNEVEN_CONNECT_TIMEOUTS = "W0818";
    /// A route without a timeout.
    ROUTE_TIMEOUT_LEFT_OPEN = "W0819";
    /// Locality weights that have no effect.
    LOCALITY_WEIGHTS = "W0820";
    /// Outlier detection with Envoy's ejection percentage.
    EJECTION_LEFT_OPEN = "W0821";
    /// A rate limit that limits nothing.
    RATELIMIT_OFF = "W0822";
    /// Settings of a route for a filter that is not there.
    FILTER_NOT_THERE = "W0823";
    /// Retries on nothing.
    RETRY_WITHOUT_CAUSE = "W0824";
    /// A name like those that Cilium itself gives.
    CILIUM_NAME = "W0825";
    /// A cluster that only another object can define.
    CLUSTER_ELSEWHERE = "W0826";
    /// A router under a name that Cilium does not look for.
    ROUTER_RENAMED = "W0827";
    /// A substitution that names a group which its pattern does not have.
    NO_SUCH_GROUP = "W0828";
    // N: notes
    /// What hiding or keeping the client's address means.
    CLIENT_ADDRESS_NOTE = "N0701";
    /// Rate limits are per node.
    RATELIMIT_NOTE = "N0702";
    /// Circuit breakers and outlier detection are per node and steered service.
    PER_NODE_NOTE = "N0703";
    /// The target port was taken to be the port.
    TARGET_PORT_NOTE = "N0704";
    /// Which of several cookies of a name is seen.
    COOKIE_NOTE = "N0705";
    /// The Host of mirrored requests.
    SHADOW_HOST_NOTE = "N0706";
    /// The client's address is kept, for want of a word on it.
    ORIGINAL_SOURCE_NOTE = "N0810";
    /// An object that is no CiliumEnvoyConfig.
    PASSED_OVER = "N0811";
}
