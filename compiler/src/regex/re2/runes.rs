//! Ranges of characters → ranges of bytes in UTF-8, sharing what ends and begins alike.

use super::class::LAST;
use super::program::{Compiler, FAIL, Fragment, Id, Inst};
use std::collections::BTreeMap;

/// The last characters that take one, two and three bytes.
const LAST_OF_LENGTH: [u32; 3] = [0x7f, 0x7ff, 0xffff];

/// A set of characters while it is compiled.
pub(super) struct RuneCache<'a> {
    compiler: &'a mut Compiler,
    begin: Id,
    open: Vec<(Id, bool)>,
    /// Ends that may be shared, by what they are.
    shared: BTreeMap<(u8, u8, bool, Id), Id>,
}

impl<'a> RuneCache<'a> {
    pub(super) fn new(compiler: &'a mut Compiler) -> Self {
        RuneCache { compiler, begin: FAIL, open: Vec::new(), shared: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> Option<Fragment> {
        Some(Compiler::fragment(self.begin, self.open))
    }

    /// Adds a range of characters.
    pub(super) fn add(mut self, low: u32, high: u32, fold: bool) -> Option<Self> {
        self.range(low, high, fold)?;
        Some(self)
    }

    fn range(&mut self, low: u32, high: u32, fold: bool) -> Option<()> {
        if (low, high) == (0x80, LAST) {
            return self.beyond_ascii();
        }
        if let Some(last) = LAST_OF_LENGTH.into_iter().find(|last| low <= *last && *last < high) {
            self.range(low, last, fold)?;
            return self.range(last + 1, high, fold);
        }
        if high <= 0x7f {
            let (low, high) = (u8::try_from(low).ok()?, u8::try_from(high).ok()?);
            let id = self.end(low, high, fold, FAIL)?;
            return self.alternative(id);
        }
        for at in 1..4 {
            let below = (1_u32 << (6 * at)) - 1;
            if low & !below == high & !below {
                continue;
            }
            if low & below != 0 {
                self.range(low, low | below, fold)?;
                return self.range((low | below) + 1, high, fold);
            }
            if high & below != below {
                self.range(low, (high & !below) - 1, fold)?;
                return self.range(high & !below, high, fold);
            }
        }
        self.bytes(low, high)
    }

    /// A range whose characters differ in what all combinations of bytes cover.
    fn bytes(&mut self, low: u32, high: u32) -> Option<()> {
        let (low, high) = (encoded(low), encoded(high));
        let mut next = FAIL;
        let last = low.len() - 1;
        for (at, (low, high)) in low.into_iter().zip(high).enumerate().rev() {
            let sharable = at == last || (low < high && at != 0);
            next = if sharable { self.shared_end(low, high, next)? } else { self.end(low, high, false, next)? };
        }
        self.alternative(next)
    }

    /// Everything beyond ASCII, which RE2 writes shorter than it is.
    fn beyond_ascii(&mut self) -> Option<()> {
        let mut rest = FAIL;
        for (low, high) in [(0xc2, 0xdf), (0xe0, 0xef), (0xf0, 0xf4)] {
            rest = self.end(0x80, 0xbf, false, rest)?;
            let id = self.end(low, high, false, rest)?;
            self.alternative(id)?;
        }
        Some(())
    }

    fn end(&mut self, low: u8, high: u8, fold: bool, next: Id) -> Option<Id> {
        let id = self.compiler.push(Inst::Bytes(low, high, fold, next))?;
        if next == FAIL {
            self.open.push((id, false));
        }
        Some(id)
    }

    fn shared_end(&mut self, low: u8, high: u8, next: Id) -> Option<Id> {
        if let Some(id) = self.shared.get(&(low, high, false, next)) {
            return Some(*id);
        }
        let id = self.end(low, high, false, next)?;
        self.shared.insert((low, high, false, next), id);
        Some(id)
    }

    fn is_shared(&self, id: Id) -> bool {
        match self.compiler.code.get(id) {
            Some(Inst::Bytes(low, high, fold, next)) => self.shared.contains_key(&(*low, *high, *fold, *next)),
            _ => false,
        }
    }

    fn alternative(&mut self, id: Id) -> Option<()> {
        self.begin = if self.begin == FAIL { id } else { self.insert(self.begin, id)? };
        Some(())
    }

    /// Puts a run of bytes into the tree of runs, where its first bytes may be there already.
    fn insert(&mut self, root: Id, id: Id) -> Option<Id> {
        let Some(parent) = self.find(root, id) else { return self.compiler.push(Inst::Alt(root, id)) };
        let mut root = root;
        let mut same = match (parent, self.compiler.code.get(root)) {
            (true, Some(Inst::Alt(_, out))) => *out,
            _ => root,
        };
        if self.is_shared(same) {
            // What others share must stay as it is.
            let copy = self.compiler.code.get(same).copied()?;
            same = self.compiler.push(copy)?;
            match self.compiler.code.get_mut(root) {
                Some(Inst::Alt(_, out)) if parent => *out = same,
                _ => root = same,
            }
        }
        let next = self.out(id);
        if !self.is_shared(id) {
            self.compiler.code.pop();
        }
        let below = self.out(same);
        let out = self.insert(below, next)?;
        if let Some(Inst::Bytes(.., next)) = self.compiler.code.get_mut(same) {
            *next = out;
        }
        Some(root)
    }

    fn out(&self, id: Id) -> Id {
        match self.compiler.code.get(id) {
            Some(Inst::Bytes(.., out)) => *out,
            _ => FAIL,
        }
    }

    /// Whether the root, or else (`true`) the latest of its branches, begins with the same bytes.
    fn find(&self, root: Id, id: Id) -> Option<bool> {
        let bytes = |id: Id| match self.compiler.code.get(id) {
            Some(Inst::Bytes(low, high, fold, _)) => Some((*low, *high, *fold)),
            _ => None,
        };
        let (parent, other) = match self.compiler.code.get(root) {
            Some(Inst::Alt(_, out)) => (true, *out),
            _ => (false, root),
        };
        (bytes(other).is_some() && bytes(other) == bytes(id)).then_some(parent)
    }
}

/// A character in UTF-8; the halves of surrogate pairs are written as RE2 does, as U+FFFD.
fn encoded(code: u32) -> Vec<u8> {
    let mut bytes = [0; 4];
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes).bytes().collect()
}
