//! `client-address hide | keep`: whose address destinations see.

use crate::resolve::Cx;
use meshc_dsl::clause::Single;

/// Whose address the destinations of a route see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum ClientAddress {
    /// The node's ingress address: any client may call.
    #[default]
    Hide,
    /// The client's own: only pods of the node may be clients.
    Keep,
}

pub(crate) fn resolve<'a>(clause: &'a Single, cx: &mut Cx<'a>) -> Option<ClientAddress> {
    cx.one_of(
        &clause.value,
        "a way to treat the client's address",
        &[("hide", ClientAddress::Hide), ("keep", ClientAddress::Keep)],
    )
}

impl ClientAddress {
    /// The value of Cilium's `use-original-source-address` label and annotation.
    pub(crate) fn use_original_source(self) -> &'static str {
        match self {
            ClientAddress::Hide => "false",
            ClientAddress::Keep => "true",
        }
    }
}
