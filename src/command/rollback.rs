//! `meshc rollback`

use super::apply;
use super::cluster::Session;
use crate::cli::Rollback;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Meta};

/// Brings an earlier revision back, as a new one.
pub(crate) fn run(args: &Rollback, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(None, &args.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let number = match args.revision {
        Some(number) => number,
        None => match before(&session, terminal) {
            Ok(number) => number,
            Err(exit) => return exit,
        },
    };
    match session.run(deploy::revision(&session.client, &session.set, number), terminal) {
        Ok((then, record)) => {
            let meta = Meta { commit: then.commit, of: Some(number), ..Meta::default() };
            apply::write(&session, &record, meta, &args.writing, args.cluster.output, terminal)
        }
        Err(exit) => exit,
    }
}

/// The revision before the applied one.
fn before(session: &Session, terminal: &Terminal) -> Result<u64, Exit> {
    let (now, revisions) = session.run(deploy::revisions(&session.client, &session.set), terminal)?;
    let earlier = revisions.iter().rev().find(|meta| meta.revision < now);
    earlier
        .map(|meta| meta.revision)
        .ok_or_else(|| terminal.fail(&format!("the set `{}` has no revision before the applied one", session.set.name)))
}
