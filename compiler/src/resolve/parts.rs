//! The clauses of one body by kind: which may stand where, which stand once, and what `use` brings.

use super::Cx;
use meshc_dsl::clause::{
    Accesslog, Clause, Cors, HeaderOperation, Mirror, Patch, Ratelimit, Redirect, Respond, Retry, Rewrite, RewriteKind,
    Single, Split, Sticky, When,
};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;
use meshc_dsl::syntax::Body;
use meshc_dsl::{Diagnostic, Span};

/// Where a body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Route,
    Listen,
    When,
    Otherwise,
    Bundle,
    Service,
}

impl Place {
    fn noun(self) -> &'static str {
        match self {
            Place::Route => "a route",
            Place::Listen => "a listener",
            Place::When => "a `when`",
            Place::Otherwise => "an `otherwise`",
            Place::Bundle => "a policy",
            Place::Service => "a service",
        }
    }
}

/// What a clause is about, which decides where it may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Action,
    Rule,
    Upstream,
    Edge,
    Branch,
    Use,
    Service,
}

fn kind(clause: &Clause) -> Kind {
    match clause {
        Clause::Split(_) | Clause::Redirect(_) | Clause::Respond(_) | Clause::Rewrite(_) => Kind::Action,
        Clause::Header(_)
        | Clause::Timeout(_)
        | Clause::IdleTimeout(_)
        | Clause::Retry(_)
        | Clause::Ratelimit(_)
        | Clause::Mirror(_)
        | Clause::Sticky(_)
        | Clause::Cors(_)
        | Clause::No(_) => Kind::Rule,
        Clause::CircuitBreaker(_)
        | Clause::Outlier(_)
        | Clause::Balance(_)
        | Clause::HealthCheck(_)
        | Clause::ConnectTimeout(_)
        | Clause::Protocol(_) => Kind::Upstream,
        Clause::Accesslog(_) | Clause::ClientAddress(_) | Clause::Patch(_) => Kind::Edge,
        Clause::When(_) | Clause::Otherwise(..) => Kind::Branch,
        Clause::Use(_) => Kind::Use,
        Clause::Selector(_)
        | Clause::TargetPort(_)
        | Clause::Version(_)
        | Clause::Endpoints(_)
        | Clause::At(_)
        | Clause::OnFailure(_) => Kind::Service,
    }
}

impl Kind {
    fn fits(self, place: Place) -> bool {
        match place {
            Place::Route | Place::Listen => self != Kind::Service,
            Place::When | Place::Otherwise => matches!(self, Kind::Action | Kind::Rule | Kind::Use),
            Place::Bundle => matches!(self, Kind::Action | Kind::Rule | Kind::Upstream | Kind::Edge),
            Place::Service => matches!(self, Kind::Upstream | Kind::Service | Kind::Use),
        }
    }

    fn home(self) -> &'static str {
        match self {
            Kind::Action | Kind::Rule => "it stands in a `route`, `listen` or `when`",
            Kind::Upstream => "it stands in a `service`, or in a `route` outside every `when`, for all destinations",
            Kind::Edge => "it stands in a `route` or `listen`, outside every `when`",
            Kind::Branch => {
                "`when` and `otherwise` stand in a `route` or `listen`, and do not nest; join conditions with `and`"
            }
            Kind::Use => "`use` stands in a `route`, `listen`, `when` or `service`",
            Kind::Service => "it stands in a `service`",
        }
    }
}

/// A setting that a body writes, takes away, or leaves alone.
#[derive(Debug, Default)]
pub(crate) enum Slot<'a, T> {
    #[default]
    Unset,
    No(Span),
    Set(&'a T),
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    Redirect(&'a Redirect),
    Respond(&'a Respond),
}

/// The clauses of a body by kind.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) split: Option<&'a Split>,
    pub(crate) answer: Option<Answer<'a>>,
    pub(crate) path: Option<&'a Rewrite>,
    pub(crate) host: Option<&'a Rewrite>,
    pub(crate) headers: Vec<&'a HeaderOperation>,
    pub(crate) timeout: Slot<'a, Single>,
    pub(crate) idle_timeout: Slot<'a, Single>,
    pub(crate) retry: Slot<'a, Retry>,
    pub(crate) limit: Slot<'a, Ratelimit>,
    pub(crate) sticky: Slot<'a, Sticky>,
    pub(crate) cors: Slot<'a, Cors>,
    pub(crate) mirrors: Vec<&'a Mirror>,
    pub(crate) no_mirror: Option<Span>,
    /// Where clauses are taken away.
    pub(crate) away: Vec<Span>,
    pub(crate) patches: Vec<&'a Patch>,
    pub(crate) upstream: Vec<&'a Clause>,
    pub(crate) accesslog: Option<&'a Accesslog>,
    pub(crate) client_address: Option<&'a Single>,
    pub(crate) whens: Vec<&'a When>,
    pub(crate) otherwise: Option<(Span, &'a Body)>,
    /// The first rule or action clause, and so the place of the fallback.
    pub(crate) first: Option<Span>,
}

impl<'a> Parts<'a> {
    /// Sorts the clauses of a body; misplaced and repeated ones are reported and left out.
    pub(crate) fn collect(body: &'a Body, place: Place, cx: &mut Cx<'a>) -> Self {
        let mut parts = Self::default();
        for clause in &body.clauses {
            if parts.may_stand(clause, place, clause.span(), cx) {
                parts.take(clause, cx);
            }
        }
        for clause in &body.clauses {
            if let Clause::Use(single) = clause {
                parts.take_bundle(single, place, cx);
            }
        }
        parts
    }

    fn may_stand(&self, clause: &Clause, place: Place, span: Span, cx: &mut Cx<'_>) -> bool {
        let kind = kind(clause);
        if kind == Kind::Branch && kind.fits(place) && self.otherwise.is_some() {
            let message = "this stands behind the `otherwise`";
            cx.error(codes::BEHIND_OTHERWISE, span, message, "`otherwise` is last, and there is one");
            return false;
        }
        if kind.fits(place) {
            return true;
        }
        cx.error(codes::MISPLACED, span, format!("this cannot stand in {}", place.noun()), kind.home());
        false
    }

    fn take(&mut self, clause: &'a Clause, cx: &mut Cx<'a>) {
        if matches!(kind(clause), Kind::Action | Kind::Rule) {
            self.first.get_or_insert(clause.span());
        }
        match clause {
            Clause::When(when) => self.whens.push(when),
            Clause::Otherwise(span, body) => self.otherwise = Some((*span, body)),
            Clause::No(single) => {
                self.away.push(single.span);
                self.take_away(single, cx);
            }
            _ => {
                if let Some(before) = self.put(clause) {
                    let away = self.away.contains(&before);
                    refuse(clause, before, away, cx);
                }
            }
        }
    }

    /// Puts a clause into its slot unless that is taken; gives the place of what takes it.
    fn put(&mut self, clause: &'a Clause) -> Option<Span> {
        match clause {
            Clause::Split(c) => match self.action() {
                None => once(&mut self.split, c, |c| c.span),
                taken => {
                    // Which of two splits was meant is unknown, so neither is held to its sum.
                    self.split = None;
                    taken
                }
            },
            Clause::Redirect(c) => self.put_answer(Answer::Redirect(c)),
            Clause::Respond(c) => self.put_answer(Answer::Respond(c)),
            Clause::Rewrite(c) if matches!(c.kind, RewriteKind::Host(_)) => once(&mut self.host, c, |c| c.span),
            Clause::Rewrite(c) => once(&mut self.path, c, |c| c.span),
            Clause::Header(c) => {
                self.headers.push(c);
                None
            }
            Clause::Timeout(c) => slot(&mut self.timeout, c, |c| c.span),
            Clause::IdleTimeout(c) => slot(&mut self.idle_timeout, c, |c| c.span),
            Clause::Retry(c) => slot(&mut self.retry, c, |c| c.span),
            Clause::Ratelimit(c) => slot(&mut self.limit, c, |c| c.span),
            Clause::Sticky(c) => slot(&mut self.sticky, c, |c| c.span),
            Clause::Cors(c) => slot(&mut self.cors, c, |c| c.span),
            Clause::Mirror(c) => {
                self.mirrors.push(c);
                self.no_mirror
            }
            Clause::Patch(c) => {
                self.patches.push(c);
                None
            }
            Clause::Accesslog(c) => once(&mut self.accesslog, c, |c| c.span),
            Clause::ClientAddress(c) => once(&mut self.client_address, c, |c| c.span),
            _ if kind(clause) == Kind::Upstream => {
                let same = |other: &&&Clause| std::mem::discriminant(**other) == std::mem::discriminant(clause);
                let before = self.upstream.iter().find(same).map(|c| c.span());
                if before.is_none() {
                    self.upstream.push(clause);
                }
                before
            }
            _ => None,
        }
    }

    fn put_answer(&mut self, answer: Answer<'a>) -> Option<Span> {
        let taken = self.action();
        if taken.is_none() {
            self.answer = Some(answer);
        }
        taken
    }

    /// Where the body says where traffic goes, if it does.
    pub(crate) fn action(&self) -> Option<Span> {
        let answer = self.answer.map(|answer| match answer {
            Answer::Redirect(c) => c.span,
            Answer::Respond(c) => c.span,
        });
        answer.or(self.split.map(|c| c.span))
    }

    fn take_away(&mut self, single: &'a Single, cx: &mut Cx<'a>) {
        let names = ["retry", "timeout", "idle-timeout", "ratelimit", "mirror", "sticky", "cors"];
        let Some(word) = cx.word(&single.value, |w| Ok(w.to_owned())) else { return };
        let before = match word.as_str() {
            "retry" => away(&mut self.retry, single.span, |c| c.span),
            "timeout" => away(&mut self.timeout, single.span, |c| c.span),
            "idle-timeout" => away(&mut self.idle_timeout, single.span, |c| c.span),
            "ratelimit" => away(&mut self.limit, single.span, |c| c.span),
            "sticky" => away(&mut self.sticky, single.span, |c| c.span),
            "cors" => away(&mut self.cors, single.span, |c| c.span),
            "mirror" => {
                self.no_mirror = Some(single.span);
                self.mirrors.first().map(|c| c.span)
            }
            other => {
                return cx.unknown_word(
                    single.value.span,
                    other,
                    "something that can be taken away",
                    names.into_iter(),
                );
            }
        };
        if let Some(before) = before {
            let message = format!("`{word}` is both written and taken away");
            cx.report(
                Diagnostic::new(codes::WRITTEN_AND_TAKEN_AWAY, single.span, message)
                    .also(before, "written here")
                    .help("keep one of the two"),
            );
        }
    }

    /// Brings in what a policy has and the body leaves open: what stands in the body itself wins.
    fn take_bundle(&mut self, single: &'a Single, place: Place, cx: &mut Cx<'a>) {
        let Some(name) = cx.word(&single.value, |w| Ok(w.to_owned())) else { return };
        let env = cx.env;
        let Some(bundle) = env.bundles.get(name.as_str()).copied() else {
            let diagnostic =
                Diagnostic::new(codes::UNKNOWN_POLICY, single.value.span, format!("no policy is called `{name}`"));
            return cx.report(match nearest(&name, env.bundles.keys().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(single.value.span, near),
                None => diagnostic.help(format!("declare it: `policy {name} {{ … }}`")),
            });
        };
        let mut brought = Self::default();
        for clause in &bundle.body.clauses {
            let kind = kind(clause);
            if !kind.fits(Place::Bundle) {
                continue;
            }
            if !kind.fits(place) {
                let message = format!("`{name}` has a clause that cannot stand in {}", place.noun());
                cx.report(
                    Diagnostic::new(codes::POLICY_MISFIT, single.span, message)
                        .also(clause.span(), "this one")
                        .help(kind.home()),
                );
                continue;
            }
            brought.take(clause, &mut Cx::new(env));
        }
        self.fill(brought, single.span);
    }

    fn fill(&mut self, brought: Parts<'a>, place: Span) {
        if self.action().is_none() {
            self.split = brought.split;
            self.answer = brought.answer;
        }
        self.path = self.path.or(brought.path);
        self.host = self.host.or(brought.host);
        self.accesslog = self.accesslog.or(brought.accesslog);
        self.client_address = self.client_address.or(brought.client_address);
        fill(&mut self.timeout, brought.timeout);
        fill(&mut self.idle_timeout, brought.idle_timeout);
        fill(&mut self.retry, brought.retry);
        fill(&mut self.limit, brought.limit);
        fill(&mut self.sticky, brought.sticky);
        fill(&mut self.cors, brought.cors);
        if self.mirrors.is_empty() && self.no_mirror.is_none() {
            self.mirrors = brought.mirrors;
            self.no_mirror = brought.no_mirror;
        }
        self.patches.extend(brought.patches);
        for header in brought.headers {
            self.headers.push(header);
        }
        for clause in brought.upstream {
            self.put(clause);
        }
        if brought.first.is_some() {
            self.first.get_or_insert(place);
        }
    }
}

fn once<'a, T>(slot: &mut Option<&'a T>, clause: &'a T, span: fn(&T) -> Span) -> Option<Span> {
    match slot {
        Some(before) => Some(span(before)),
        None => {
            *slot = Some(clause);
            None
        }
    }
}

fn slot<'a, T>(slot: &mut Slot<'a, T>, clause: &'a T, span: fn(&T) -> Span) -> Option<Span> {
    match slot {
        Slot::Set(before) => Some(span(before)),
        Slot::No(before) => Some(*before),
        Slot::Unset => {
            *slot = Slot::Set(clause);
            None
        }
    }
}

fn away<T>(slot: &mut Slot<'_, T>, place: Span, span: fn(&T) -> Span) -> Option<Span> {
    match slot {
        Slot::Set(before) => Some(span(before)),
        _ => {
            *slot = Slot::No(place);
            None
        }
    }
}

fn fill<'a, T>(own: &mut Slot<'a, T>, brought: Slot<'a, T>) {
    if matches!(own, Slot::Unset) {
        *own = brought;
    }
}

fn refuse(clause: &Clause, before: Span, away: bool, cx: &mut Cx<'_>) {
    let span = clause.span();
    let diagnostic = match clause {
        _ if away => Diagnostic::new(codes::WRITTEN_AND_TAKEN_AWAY, span, "this is both written and taken away")
            .help("keep one of the two"),
        Clause::Split(_) | Clause::Redirect(_) | Clause::Respond(_) => {
            Diagnostic::new(codes::TWO_ACTIONS, span, "one rule says twice where its traffic goes")
                .help("write one split, `to`, `redirect` or `respond`; a split over several destinations is one line: `90% v1, 10% v2`")
        }
        Clause::Rewrite(_) => Diagnostic::new(codes::TWO_REWRITES, span, "one rule rewrites twice")
            .help("a rule has at most one rewrite of the path and one of the host"),
        _ => Diagnostic::new(codes::WRITTEN_TWICE, span, "this is written twice in one place").help("take one of the two away, or put both into one"),
    };
    cx.report(diagnostic.also(before, if away { "taken away here" } else { "first written here" }));
}
