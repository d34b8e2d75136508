//! `when CONDITION { … }`: a rule for some of the requests.

use crate::condition::Condition;
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::syntax::Body;

/// A rule with a condition.
#[derive(Debug)]
pub struct When {
    /// `when` and its condition.
    pub span: Span,
    /// Which requests; `None` when it was reported as malformed.
    pub condition: Option<Condition>,
    /// What happens to them.
    pub body: Body,
}

impl When {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let keyword = cx.keyword_span(&pair, "when");
        let head = pair.clone().into_inner().next()?;
        let span = keyword.to(cx.span(&head));
        let condition = if head.as_rule() == Rule::condition {
            Condition::read(head, cx)
        } else {
            cx.malformed_condition(&head, keyword);
            None
        };
        Some(Self { span, condition, body: cx.body(pair) })
    }
}
