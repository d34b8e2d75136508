//! `protocol http1 | http2 | grpc | tcp` → the upstream's `HttpProtocolOptions`.
//!
//! Unset, a plain Envoy speaks HTTP/1 and Cilium from 1.16 on what the client speaks; so it is
//! always written, and means the client's protocol where the policy is silent.

use crate::envoy::{DownstreamProtocol, Empty, ExplicitProtocol, ProtocolOptions, UpstreamProtocol};
use crate::resolve::Cx;
use meshc_dsl::clause::Single;

/// What the upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What the client speaks.
    #[default]
    Client,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC, which is HTTP/2.
    Grpc,
    /// No HTTP: connections are routed, not requests.
    Tcp,
}

const WORDS: &[(&str, Protocol)] =
    &[("http1", Protocol::Http1), ("http2", Protocol::Http2), ("grpc", Protocol::Grpc), ("tcp", Protocol::Tcp)];

pub(crate) fn resolve<'a>(clause: &'a Single, cx: &mut Cx<'a>) -> Option<Protocol> {
    cx.one_of(&clause.value, "a protocol", WORDS)
}

impl Protocol {
    /// The protocol options of a cluster, for HTTP.
    pub(crate) fn lower(self) -> Option<ProtocolOptions> {
        let empty = Empty {};
        Some(ProtocolOptions::Http(match self {
            Protocol::Tcp => return None,
            Protocol::Client => UpstreamProtocol::UseDownstreamProtocolConfig(DownstreamProtocol {
                http_protocol_options: empty,
                http2_protocol_options: empty,
            }),
            Protocol::Http1 => UpstreamProtocol::ExplicitHttpConfig(ExplicitProtocol::HttpProtocolOptions(empty)),
            Protocol::Http2 | Protocol::Grpc => {
                UpstreamProtocol::ExplicitHttpConfig(ExplicitProtocol::Http2ProtocolOptions(empty))
            }
        }))
    }
}
