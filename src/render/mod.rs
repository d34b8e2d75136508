//! Diagnostics as people and programs read them.

mod human;

pub(crate) use human::{failure, human, note};
