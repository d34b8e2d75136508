//! Instructions → lists, one for each place that some byte leads to. Their length all together is
//! the size that RE2 tells.

use super::program::{FAIL, Id, Inst, Program};

/// The program while it is laid out.
struct Layout {
    code: Vec<Inst>,
    start: Id,
    search: Id,
    /// Which instructions begin a list.
    roots: Vec<bool>,
    /// The choices that lead to an instruction.
    before: Vec<Vec<Id>>,
    /// In which round an instruction was reached last.
    reached: Vec<usize>,
    round: usize,
}

/// The size of a program.
pub(super) fn size(program: &Program) -> usize {
    if program.start == FAIL && program.search == FAIL {
        return 1;
    }
    let count = program.code.len();
    let mut layout = Layout {
        code: without_nops(program),
        start: program.start,
        search: program.search,
        roots: vec![false; count],
        before: vec![Vec::new(); count],
        reached: vec![0; count],
        round: 0,
    };
    layout.successors();
    layout.dominators();
    let roots = layout.all_roots();
    roots.into_iter().map(|root| layout.list(root)).sum()
}

/// The code with every way led past instructions that do nothing.
fn without_nops(program: &Program) -> Vec<Inst> {
    let mut code = program.code.clone();
    let past = |mut id: Id| {
        while let (true, Inst::Nop(out)) = (id != FAIL, program.at(id)) {
            id = out;
        }
        id
    };
    // RE2 begins at the start of a held match, and so leaves the search in front of it as it is.
    let search = (program.search != program.start).then_some(program.search);
    for (id, inst) in code.iter_mut().enumerate() {
        if Some(id) == search {
            continue;
        }
        match inst {
            Inst::Nop(out) | Inst::Mark(out) | Inst::Bytes(.., out) => *out = past(*out),
            Inst::Alt(out, other) => (*out, *other) = (past(*out), past(*other)),
            Inst::Fail | Inst::Match => {}
        }
    }
    code
}

impl Layout {
    fn at(&self, id: Id) -> Inst {
        self.code.get(id).copied().unwrap_or(Inst::Fail)
    }

    fn is_root(&self, id: Id) -> bool {
        self.roots.get(id) == Some(&true)
    }

    fn all_roots(&self) -> Vec<Id> {
        (0..self.code.len()).filter(|id| self.is_root(*id)).collect()
    }

    fn mark(&mut self, id: Id) {
        if let Some(root) = self.roots.get_mut(id) {
            *root = true;
        }
    }

    fn begin(&mut self) {
        self.round += 1;
    }

    /// Whether an instruction is reached for the first time in this round.
    fn reach(&mut self, id: Id) -> bool {
        match self.reached.get_mut(id) {
            Some(round) if *round != self.round => {
                *round = self.round;
                true
            }
            _ => false,
        }
    }

    /// What a byte, a test or the start leads to begins a list.
    fn successors(&mut self) {
        for id in [FAIL, self.search, self.start] {
            self.mark(id);
        }
        self.begin();
        let mut todo = vec![self.search];
        while let Some(id) = todo.pop() {
            if !self.reach(id) {
                continue;
            }
            match self.at(id) {
                Inst::Alt(out, other) => {
                    for to in [out, other] {
                        if let Some(before) = self.before.get_mut(to) {
                            before.push(id);
                        }
                    }
                    todo.extend([other, out]);
                }
                Inst::Bytes(.., out) | Inst::Mark(out) => {
                    self.mark(out);
                    todo.push(out);
                }
                Inst::Nop(out) => todo.push(out),
                Inst::Match | Inst::Fail => {}
            }
        }
    }

    /// What two lists would share begins one of its own.
    fn dominators(&mut self) {
        let starts = [self.search, self.start];
        // RE2 goes from the last to the first, and leaves the first of all out.
        for root in self.all_roots().into_iter().skip(1).rev().filter(|id| !starts.contains(id)) {
            let reachable = self.tree(root);
            for id in reachable {
                let before = self.before.get(id).map_or(&[][..], Vec::as_slice);
                if before.iter().any(|b| self.reached.get(*b) != Some(&self.round)) {
                    self.mark(id);
                }
            }
        }
    }

    /// Everything that choices lead to from a root, up to other roots.
    fn tree(&mut self, root: Id) -> Vec<Id> {
        self.begin();
        let (mut found, mut todo) = (Vec::new(), vec![root]);
        while let Some(id) = todo.pop() {
            if !self.reach(id) {
                continue;
            }
            found.push(id);
            if id != root && self.is_root(id) {
                continue;
            }
            match self.at(id) {
                Inst::Alt(out, other) => todo.extend([other, out]),
                Inst::Nop(out) => todo.push(out),
                _ => {}
            }
        }
        found
    }

    /// The length of a root's list.
    fn list(&mut self, root: Id) -> usize {
        self.begin();
        let (mut length, mut todo) = (0, vec![root]);
        while let Some(id) = todo.pop() {
            if !self.reach(id) {
                continue;
            }
            if id != root && self.is_root(id) {
                length += 1;
                continue;
            }
            match self.at(id) {
                Inst::Alt(out, other) => todo.extend([other, out]),
                Inst::Nop(out) => todo.push(out),
                _ => length += 1,
            }
        }
        length
    }
}
