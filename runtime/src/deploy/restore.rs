//! What somebody else made of an object is put back before the object goes: Cilium passes over the deletion
//! of an object that it cannot parse, and what it took last would stay live.

use super::client::Client;
use super::compare::specs_differ;
use super::error::Error;
use super::history;
use super::object::{Id, Kind, Live};
use super::plan::{Step, Verb};
use super::set::Set;
use super::write::rehearse_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The writes that come before deletions, by object.
pub(super) type Restores = BTreeMap<Id, Arc<Step>>;

/// Of some members, those whose spec is not as we applied it, with the spec of the newest revision that has
/// them. The API server has tried all of it without effect. What no revision has is left as it is.
pub(super) async fn plan(client: &Client, set: &Set, members: &[Live]) -> Result<Restores, Error> {
    let edited = members.iter().filter(|m| m.edited && m.id.kind != Kind::Service);
    let mut open: BTreeMap<&Id, &Live> = edited.map(|m| (&m.id, m)).collect();
    let mut found = Restores::new();
    if open.is_empty() {
        return Ok(found);
    }
    let (_, revisions) = history::list(client, set).await?;
    for meta in revisions.iter().rev() {
        if open.is_empty() {
            break;
        }
        let record = match history::read(client, set, meta.revision).await {
            Ok((_, record)) => record,
            // One that is not whole is passed over; an older one may have it.
            Err(Error::Record(_)) => continue,
            Err(error) => return Err(error),
        };
        for desired in record.objects {
            let Some(live) = open.remove(&desired.id) else { continue };
            if specs_differ(&desired.value, &live.value) {
                let step = Step { live: Some(live.clone()), verb: Verb::Adopt, desired };
                found.insert(live.id.clone(), Arc::new(step));
            }
        }
    }
    rehearse_all(client, found.values().cloned().collect(), true).await?;
    Ok(found)
}
