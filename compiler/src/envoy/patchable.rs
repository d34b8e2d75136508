//! A resource, and what a user's patch made of it.

use crate::yaml::Node;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A resource as the compiler made it, and as it is written where a patch changed it: the patch may
/// have fields that the model does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct Patchable<T> {
    /// As the compiler made it.
    pub plain: T,
    /// As it is written.
    pub patched: Option<Node>,
}

impl<T> From<T> for Patchable<T> {
    fn from(plain: T) -> Self {
        Self { plain, patched: None }
    }
}

impl<T: Serialize> Serialize for Patchable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.patched {
            Some(node) => node.serialize(serializer),
            None => self.plain.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patchable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}
