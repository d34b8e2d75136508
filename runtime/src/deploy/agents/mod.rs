//! What the nodes' agents made of a set's objects, as their own commands say it.
//!
//! A CiliumEnvoyConfig has no status, so each agent is asked in its pod. `script` has the commands and cuts
//! their output, `tables` reads what agents from 1.18 on print, `dump` Envoy's own configuration, `balancer`
//! the steering of older agents, and `expect` is what an object asks for: all of these are pure. `pods` and
//! `exec` reach the agents; `wait` asks until there is an end.

mod balancer;
mod dump;
mod exec;
mod expect;
mod pods;
mod script;
mod tables;
mod wait;

use super::client::Client;
use super::object::{Desired, Id};
use expect::Expected;
use pods::Agent;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub(super) use expect::content;
pub use expect::told;
pub(super) use pods::{SELECTOR, agents as pods};
pub use wait::wait;

/// How many agents are asked at once.
const AT_ONCE: usize = 16;
/// How long an agent may take, with all that it prints.
const ONE: Duration = Duration::from_secs(10);

/// What one node's agent made of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Envoy has it, and the services are steered to it.
    Accepted,
    /// Envoy or the agent refused it, with its text.
    Refused(String),
    /// It is on its way; what is missing.
    Waiting(String),
    /// The object is not for this node.
    Elsewhere,
    /// Nothing is known; why.
    NotSeen(String),
}

/// What all agents made of a set's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Why no agent could be asked at all.
    pub unseen: Option<String>,
    /// How many nodes have an agent.
    pub nodes: usize,
    /// Each object that an agent has to do with: node and verdict, in the order of the nodes' names.
    pub objects: BTreeMap<Id, Vec<(String, Verdict)>>,
}

impl View {
    /// The verdicts on an object, without the nodes that it is not for.
    pub fn of(&self, id: &Id) -> impl Iterator<Item = &(String, Verdict)> {
        self.objects.get(id).into_iter().flatten().filter(|(_, verdict)| *verdict != Verdict::Elsewhere)
    }

    /// How many nodes accepted an object, and how many it is for.
    pub fn count(&self, id: &Id) -> (usize, usize) {
        let accepted = self.of(id).filter(|(_, verdict)| *verdict == Verdict::Accepted).count();
        (accepted, self.of(id).count())
    }

    /// All verdicts with their objects, without the nodes that an object is not for.
    pub fn all(&self) -> impl Iterator<Item = (&Id, &str, &Verdict)> {
        self.objects.keys().flat_map(|id| self.of(id).map(move |(node, verdict)| (id, node.as_str(), verdict)))
    }
}

/// Asks every agent. What cannot be seen is part of the answer.
pub async fn look(client: &Client, namespace: &str, objects: &[Desired]) -> View {
    let expected = Arc::new(Expected::all(objects));
    if expected.is_empty() {
        return View::default();
    }
    match pods::agents(client, namespace).await {
        Ok(agents) if agents.is_empty() => unseen(format!("there is no pod `{SELECTOR}` in `{namespace}`")),
        Ok(agents) => ask(client, namespace, &agents, &expected).await,
        Err(error) if error.is(403) => unseen(format!("there is no permission to list pods in `{namespace}`")),
        Err(error) => unseen(error.to_string()),
    }
}

fn unseen(why: String) -> View {
    View { unseen: Some(why), ..View::default() }
}

/// Asks some agents at once, but not too many.
async fn ask(client: &Client, namespace: &str, agents: &[Agent], expected: &Arc<Vec<Expected>>) -> View {
    let bound = Arc::new(Semaphore::new(AT_ONCE));
    let addresses = Arc::new(balancer::Addresses::new(client));
    let mut tasks = JoinSet::new();
    for agent in agents {
        let (client, expected, bound, addresses) = (client.clone(), expected.clone(), bound.clone(), addresses.clone());
        let (agent, namespace) = (agent.clone(), namespace.to_owned());
        tasks.spawn(async move {
            let _permit = bound.acquire().await;
            let verdicts = one(&client, &namespace, &agent, &expected, &addresses).await;
            (agent.node, verdicts)
        });
    }
    let mut view = View { nodes: agents.len(), ..View::default() };
    for expected in expected.iter() {
        view.objects.insert(expected.id.clone(), Vec::new());
    }
    let mut silent: BTreeSet<String> = agents.iter().map(|a| a.node.clone()).collect();
    while let Some(joined) = tasks.join_next().await {
        let Ok((node, verdicts)) = joined else { continue };
        silent.remove(&node);
        for (expected, verdict) in expected.iter().zip(verdicts) {
            view.objects.entry(expected.id.clone()).or_default().push((node.clone(), verdict));
        }
    }
    for verdicts in view.objects.values_mut() {
        let lost = silent.iter().map(|node| (node.clone(), Verdict::NotSeen("the question got lost".into())));
        verdicts.extend(lost);
        verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    }
    view
}

/// The verdicts of one agent, in the order of what is expected.
async fn one(
    client: &Client,
    namespace: &str,
    agent: &Agent,
    expected: &[Expected],
    addresses: &balancer::Addresses,
) -> Vec<Verdict> {
    let limit = ONE.min(client.deadline().saturating_duration_since(Instant::now()));
    let not_seen = |why: String| vec![Verdict::NotSeen(why); expected.len()];
    let output = match exec::run(client, namespace, &agent.pod, &script::text(), limit).await {
        Ok(output) => output,
        Err(why) => return not_seen(why),
    };
    match script::cut(&output) {
        None => not_seen("the answer was cut off".to_owned()),
        Some(parts) if parts.has_tables() => tables::judge(&parts, expected),
        Some(parts) => balancer::judge(&parts, expected, &addresses.of(expected).await),
    }
}
