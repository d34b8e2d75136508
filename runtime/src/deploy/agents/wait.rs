//! Asks the agents until all accepted, or one refused.

use super::super::client::Client;
use super::super::error::Error;
use super::super::object::{Desired, Id};
use super::{Verdict, View, look};
use std::time::{Duration, Instant};

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until every node accepted every object; `progress` sees each round.
///
/// # Errors
/// When a node refused one, nothing can be seen, the deadline comes first, or a signal.
pub async fn wait(
    client: &Client,
    namespace: &str,
    objects: &[Desired],
    mut progress: impl FnMut(&View),
) -> Result<View, Error> {
    loop {
        let view = client.unless_stopped(look(client, namespace, objects)).await?;
        if let Some(why) = &view.unseen {
            return Err(Error::Agents(format!("what the nodes' agents made of it is not seen: {why}")));
        }
        progress(&view);
        let refused = lines(&view, |verdict| matches!(verdict, Verdict::Refused(_)));
        if !refused.is_empty() {
            let hint = "`meshc rollback` brings the revision before it back";
            return Err(Error::Agents(format!("not every node accepted the set; {hint}\n{}", refused.join("\n"))));
        }
        let open = lines(&view, |verdict| *verdict != Verdict::Accepted);
        if open.is_empty() {
            return Ok(view);
        }
        if Instant::now() + PAUSE >= client.deadline() {
            return Err(Error::Agents(format!("not every node accepted the set in time:\n{}", open.join("\n"))));
        }
        client.pause(PAUSE).await?;
    }
}

/// The verdicts of a kind, a line each.
fn lines(view: &View, of: impl Fn(&Verdict) -> bool) -> Vec<String> {
    view.all().filter(|(.., verdict)| of(verdict)).map(|(id, node, verdict)| line(id, node, verdict)).collect()
}

fn line(id: &Id, node: &str, verdict: &Verdict) -> String {
    let (word, text) = match verdict {
        Verdict::Accepted => ("accepted by", ""),
        Verdict::Elsewhere => ("not for", ""),
        Verdict::Refused(text) => ("refused by", text.as_str()),
        Verdict::Waiting(text) => ("not there yet on", text.as_str()),
        Verdict::NotSeen(text) => ("not seen on", text.as_str()),
    };
    format!("  {id} {word} `{node}`: {text}")
}
