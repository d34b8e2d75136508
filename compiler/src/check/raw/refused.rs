//! What Envoy's own code refuses beyond the rules of its API, each tried with 1.38. It refuses the whole
//! resource, and says so in a log alone.

use super::cx::{Cx, entry, field, head, items, place, text};
use super::object::{Config, Of};
use super::upstream::type_number;
use crate::clause::log_commands;
use crate::schema::nanoseconds;
use crate::yaml::{Kind, Node};
use meshc_dsl::diagnostic::codes;
use prost_reflect::MessageDescriptor;
use std::net::IpAddr;

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// The longest body of a direct response where the route configuration raises nothing.
const LONGEST_BODY: u64 = 4096;
/// What Envoy ejects for at least where nothing is written.
const EJECTION: i128 = 30_000_000_000;

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    for (node, message) in config.resources.iter().flat_map(|r| &r.messages) {
        of_message(node, message, cx);
    }
    for routes in config.of(Of::Routes) {
        let longest = number(routes.node, "max_direct_response_body_size_bytes").unwrap_or(LONGEST_BODY);
        for (answer, _) in routes.messages.iter().filter(|(_, m)| m.name() == "DirectResponseAction") {
            body(answer, longest, cx);
        }
    }
    for cluster in config.of(Of::Cluster) {
        addresses(cluster.node, cx);
        policy(cluster.node, cx);
        options(cluster.node, cx);
    }
}

fn of_message(node: &Node, message: &MessageDescriptor, cx: &mut Cx<'_>) {
    match message.full_name() {
        "envoy.config.route.v3.RouteConfiguration"
        | "envoy.config.route.v3.VirtualHost"
        | "envoy.config.route.v3.Route"
        | "envoy.config.route.v3.WeightedCluster.ClusterWeight" => headers(node, cx),
        "envoy.config.route.v3.RouteAction" => rewrites(node, cx),
        "envoy.config.core.v3.SubstitutionFormatString" => format(node, cx),
        "envoy.config.route.v3.RetryPolicy.RetryBackOff" => {
            let help = "write a `max_interval` of at least the `base_interval`, or none: it is ten times that then";
            order(node, ("base_interval", None), "max_interval", help, cx);
        }
        "envoy.config.cluster.v3.OutlierDetection" => {
            let help = "write a `max_ejection_time` of at least the `base_ejection_time`, which is `30s` where it is not written";
            order(node, ("base_ejection_time", Some(EJECTION)), "max_ejection_time", help, cx);
        }
        _ => {}
    }
}

fn refuse(range: &std::ops::Range<usize>, message: impl Into<String>, help: impl Into<String>, cx: &mut Cx<'_>) {
    cx.report(codes::FIELD_RULE, range, message, help);
}

/// Pseudo headers and `host` are no headers to add or remove; a `%` begins a command in a value.
fn headers(node: &Node, cx: &mut Cx<'_>) {
    for direction in ["request", "response"] {
        let added = items(node, &format!("{direction}_headers_to_add")).iter().filter_map(|item| field(item, "header"));
        for header in added {
            if let Some(found) = entry(header, "key") {
                own(found.1, "changed", cx);
            }
            if let Some(found) = entry(header, "value").filter(|(_, v)| v.as_text().is_some_and(bare_percent)) {
                let help = "double a `%` that is meant as such: `%%`; a command is written `%REQ(x-user)%`";
                let message = "a `%` begins a command here, and this is none: Envoy refuses all of these routes";
                cx.report(codes::BAD_FORMAT, &place(found), message, help);
            }
        }
        for name in items(node, &format!("{direction}_headers_to_remove")) {
            own(name, "removed", cx);
        }
    }
}

fn own(name: &Node, verb: &str, cx: &mut Cx<'_>) {
    let Some(written) = name.as_text() else { return };
    if written.starts_with(':') || written.eq_ignore_ascii_case("host") {
        let message = format!("`{written}` cannot be {verb} like this, and Envoy refuses all of these routes");
        let help = "the host is rewritten by `host_rewrite_literal`, the path by `prefix_rewrite` or `regex_rewrite`";
        cx.report(codes::BAD_HEADER, &name.range, message, help);
    }
}

/// Whether a text has a `%` that neither is doubled nor begins a command.
fn bare_percent(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('%') {
        if let Some(next) = behind.strip_prefix('%') {
            rest = next;
            continue;
        }
        let name = behind.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = behind.split_at(name.unwrap_or(behind.len()));
        // An argument may have anything in it.
        let after = if after.starts_with('(') { after.rsplit_once(')').map_or("", |(_, after)| after) } else { after };
        let Some((_, next)) = after.split_once('%').filter(|(length, _)| !name.is_empty() && is_length(length)) else {
            return true;
        };
        rest = next;
    }
    false
}

/// What may stand between a command and its end: nothing, or `:` and how much of the text is wanted.
fn is_length(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The commands of an access log or of an answer, but where extensions bring some of their own.
fn format(node: &Node, cx: &mut Cx<'_>) {
    if !items(node, "formatters").is_empty() {
        return;
    }
    let source = field(node, "text_format_source").and_then(|source| entry(source, "inline_string"));
    for found in source.into_iter().chain(entry(node, "text_format")) {
        for problem in log_commands::check(found.1.as_text().unwrap_or(""), cx.target) {
            cx.report(codes::BAD_FORMAT, &place(found), problem.message, problem.help);
        }
    }
}

fn rewrites(action: &Node, cx: &mut Cx<'_>) {
    let all = ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy"].map(|name| entry(action, name));
    let mut written = all.into_iter().flatten().filter(|(_, value)| value.as_text() != Some(""));
    if let (Some((first, _)), Some((second, _))) = (written.next(), written.next()) {
        let message = format!("`{}` and `{}` exclude each other", first.name, second.name);
        cx.report(codes::TWO_ARMS, &second.range, message, "take one of the two away");
    }
}

/// Of two times the second is not below the first.
fn order(node: &Node, (low, default): (&str, Option<i128>), high: &str, help: &str, cx: &mut Cx<'_>) {
    let time = |name: &str| field(node, name).and_then(Node::as_text).and_then(nanoseconds);
    if let (Some(least), Some(most)) = (time(low).or(default), time(high))
        && most < least
        && let Some(found) = entry(node, high)
    {
        refuse(&place(found), format!("`{high}` is below `{low}`, and Envoy refuses it"), help, cx);
    }
}

fn body(answer: &Node, longest: u64, cx: &mut Cx<'_>) {
    let Some(found) = field(answer, "body").and_then(|body| entry(body, "inline_string")) else { return };
    let length = found.1.as_text().map_or(0, str::len);
    if u64::try_from(length).is_ok_and(|length| length > longest) {
        let message = format!("this body has {length} bytes, and Envoy takes {longest}");
        let help = "shorten it, or write `max_direct_response_body_size_bytes` into the route configuration";
        refuse(&place(found), message, help, cx);
    }
}

/// What a cluster's type says of its addresses.
fn addresses(cluster: &Node, cx: &mut Cx<'_>) {
    let localities = field(cluster, "load_assignment").map_or(&[][..], |assignment| items(assignment, "endpoints"));
    let endpoints: Vec<&Node> = localities.iter().flat_map(|locality| items(locality, "lb_endpoints")).collect();
    if is_type(cluster, "LOGICAL_DNS", 2)
        && let Some(second) = endpoints.get(1)
    {
        let help = "write `type: STRICT_DNS` for several names, or take all but one away";
        refuse(&head(second), "a cluster of `type: LOGICAL_DNS` has one endpoint, and Envoy refuses it", help, cx);
    }
    if !is_type(cluster, "STATIC", 0) || field(cluster, "cluster_type").is_some() {
        return;
    }
    for endpoint in endpoints {
        let address = field(endpoint, "endpoint").and_then(|e| field(e, "address"));
        let Some(socket) = address.and_then(|a| field(a, "socket_address")) else { continue };
        let Some(found) = entry(socket, "address").filter(|_| field(socket, "resolver_name").is_none()) else {
            continue;
        };
        // A link-local one has its zone behind it.
        let is_ip = |text: &str| text.split('%').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok());
        if let Some(written) = found.1.as_text().filter(|text| !text.is_empty() && !is_ip(text)) {
            let message = format!("`{written}` is no IP address, and Envoy refuses the cluster");
            refuse(
                &place(found),
                message,
                "write `type: STRICT_DNS` for a name; a cluster without a type is `STATIC`",
                cx,
            );
        }
    }
}

/// Whether a cluster is of a type; `STATIC` is what one without a type is.
fn is_type(cluster: &Node, name: &str, number: u64) -> bool {
    match text(cluster, "type") {
        Some(written) => written == name,
        None => type_number(cluster).unwrap_or(0) == number,
    }
}

/// Load balancing that goes with the cluster's type, and within its own bounds.
fn policy(cluster: &Node, cx: &mut Cx<'_>) {
    if field(cluster, "cluster_type").is_some() || field(cluster, "load_balancing_policy").is_some() {
        return;
    }
    let written = text(cluster, "lb_policy");
    let provided = written == Some("CLUSTER_PROVIDED");
    let range = entry(cluster, "lb_policy").or(entry(cluster, "type")).map_or_else(|| head(cluster), place);
    // One that is written as a number is left to Envoy.
    let known = written.is_some() || field(cluster, "lb_policy").is_none();
    if known && provided != is_type(cluster, "ORIGINAL_DST", 4) {
        let message = "`lb_policy: CLUSTER_PROVIDED` goes with `type: ORIGINAL_DST` alone, and that with nothing else";
        return refuse(&range, message, "write both, or neither", cx);
    }
    if let Some(ring) = field(cluster, "ring_hash_lb_config").filter(|_| written == Some("RING_HASH"))
        && let (Some(least), Some(most)) = (number(ring, "minimum_ring_size"), number(ring, "maximum_ring_size"))
        && least > most
    {
        refuse(
            &head(ring),
            "the smallest ring is larger than the largest",
            "let `minimum_ring_size` be the smaller",
            cx,
        );
    }
    if let Some(maglev) = field(cluster, "maglev_lb_config").filter(|_| written == Some("MAGLEV"))
        && let Some(found) = entry(maglev, "table_size")
        && let Some(size) = number(maglev, "table_size").filter(|size| !is_prime(*size))
    {
        let message = format!("the table of Maglev has a prime number of places, and {size} is none");
        refuse(&place(found), message, "write a prime, such as 65537", cx);
    }
}

fn is_prime(number: u64) -> bool {
    // The largest that the API takes is 5,000,011.
    number > 1
        && (2..).take_while(|part| part * part <= number.min(25_000_000)).all(|part| !number.is_multiple_of(part))
}

/// Options for HTTP stand under the name of their type.
fn options(cluster: &Node, cx: &mut Cx<'_>) {
    let all = field(cluster, "typed_extension_protocol_options").map_or(&[][..], Node::fields);
    for (key, value) in all {
        let of_http = value.text("@type").and_then(|url| url.rsplit('/').next()) == Some(HTTP_OPTIONS);
        if of_http && key.name != HTTP_OPTIONS {
            let message =
                format!("Envoy finds these options under `{HTTP_OPTIONS}`, and refuses the cluster otherwise");
            refuse(&key.range, message, format!("write `{HTTP_OPTIONS}:`"), cx);
        }
    }
}

/// A number under a name.
fn number(node: &Node, name: &str) -> Option<u64> {
    match &field(node, name)?.kind {
        Kind::Number(number) => number.as_u64(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{bare_percent, is_prime};

    #[test]
    fn commands_are_told_from_percents() {
        for bare in ["100%", "%", "a % b", "%REQ(x)", "%req(x)%", "%%%", "%NAME", "%%20%"] {
            assert!(bare_percent(bare), "{bare}");
        }
        for good in ["", "100%%", "%REQ(x)%", "%REQ(x?:y):20%a", "%START_TIME(%Y/%m)% %PROTOCOL%", "%%%PROTOCOL%%%"] {
            assert!(!bare_percent(good), "{good}");
        }
    }

    #[test]
    fn primes() {
        assert!([2, 3, 65537, 5_000_011].into_iter().all(is_prime));
        assert!(![0, 1, 4, 9, 65536].into_iter().any(is_prime));
    }
}
