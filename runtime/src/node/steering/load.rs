//! The programs: loaded with the pinned maps, attached to a cgroup, or put in the place of older ones.

use super::cgroup::Cgroup;
use super::error::{SteerError, errno};
use super::layout::{COUNTERS, LOADED, PROGRAMS};
use super::link;
use super::pins::Pins;
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError};
use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

/// The object that `runtime/bpf/build` makes of `steer.bpf.c`.
static OBJECT: &[u8] = include_bytes_aligned!("../../../bpf/steer.bpf.o");

/// Loads the programs; maps that are not pinned yet are made and pinned. `services` is how many the
/// counters have room for.
pub(super) fn load(pins: &Pins, services: u32) -> Result<Ebpf, SteerError> {
    let mut loader = EbpfLoader::new();
    // The programs read nothing of the kernel's own types.
    loader.btf(None).map_max_entries(COUNTERS.name, services);
    for shape in LOADED {
        loader.map_pin_path(shape.name, pins.path(shape.name));
    }
    let mut loaded = loader.load(OBJECT).map_err(|e| refused("make the maps", e))?;
    for name in PROGRAMS {
        program(&mut loaded, name)?.load().map_err(|e| refused(name, e.into()))?;
    }
    Ok(loaded)
}

fn program<'a>(loaded: &'a mut Ebpf, name: &str) -> Result<&'a mut CgroupSockAddr, SteerError> {
    let missing = || SteerError::System { what: format!("load `{name}`"), problem: "it is not in the object".into() };
    let program = loaded.program_mut(name).ok_or_else(missing)?;
    program.try_into().map_err(|e: ProgramError| SteerError::system(format!("load `{name}`"), &e))
}

fn refused(what: &str, error: EbpfError) -> SteerError {
    match &error {
        EbpfError::ProgramError(ProgramError::LoadError { io_error, verifier_log })
            if !matches!(io_error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
                || !verifier_log.to_string().trim().is_empty() =>
        {
            let log = verifier_log.to_string();
            let problem = reason(&log).map_or_else(|| io_error.to_string(), |line| format!("{io_error}: {line}"));
            SteerError::Verifier { program: what.to_owned(), problem }
        }
        _ => SteerError::system(format!("load the steering programs ({what})"), &error),
    }
}

/// What the verifier objects to: the last thing that it says before its figures.
fn reason(log: &str) -> Option<&str> {
    let figure = |line: &str| ["processed ", "verification time ", "stack depth "].iter().any(|f| line.starts_with(f));
    log.lines().rev().map(str::trim).find(|line| !line.is_empty() && !figure(line))
}

/// Attaches every program to the cgroup, and gives their tags.
pub(super) fn attach(loaded: &mut Ebpf, pins: &Pins, cgroup: &Cgroup) -> Result<BTreeMap<String, String>, SteerError> {
    let mut tags = BTreeMap::new();
    for name in PROGRAMS {
        let program = program(loaded, name)?;
        let pin = pins.link(name);
        attach_one(program, &pin, cgroup)?;
        let facts = link::facts(&pin).map_err(|e| SteerError::system(format!("look at {}", pin.display()), &e))?;
        tags.insert(name.to_owned(), facts.tag);
    }
    Ok(tags)
}

fn attach_one(program: &mut CgroupSockAddr, pin: &Path, cgroup: &Cgroup) -> Result<(), SteerError> {
    let failed = |what: &'static str| move |e: ProgramError| SteerError::system(what, &e);
    if pin.exists() && taken_over(program, pin, cgroup)? {
        return Ok(());
    }
    let id = program.attach(&cgroup.folder, CgroupAttachMode::Single).map_err(failed("attach to the cgroup"))?;
    let link = program.take_link(id).map_err(failed("attach to the cgroup"))?;
    let link = FdLink::try_from(link).map_err(|e| SteerError::system("attach to the cgroup", &e))?;
    // In the place of an older pin only when it is attached: no connection passes between the two.
    let beside = pin.with_file_name(format!("{}_new", pin.file_name().unwrap_or_default().to_string_lossy()));
    let _ = fs::remove_file(&beside);
    link.pin(&beside).map_err(|e| SteerError::system(format!("pin {}", beside.display()), &e))?;
    fs::rename(&beside, pin).map_err(|source| SteerError::PinAccess { path: pin.to_owned(), source })
}

/// Whether the pinned link runs our program now: it must be one to this cgroup, which is still there.
fn taken_over(program: &CgroupSockAddr, pin: &Path, cgroup: &Cgroup) -> Result<bool, SteerError> {
    let foreign = |found: String| SteerError::Foreign { path: pin.to_owned(), found, expected: "link".into() };
    let facts = match link::facts(pin) {
        Ok(facts) => facts,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            return Err(SteerError::system(format!("open {}", pin.display()), &error));
        }
        Err(_) => return Err(foreign("no link to a cgroup".into())),
    };
    if facts.cgroup != cgroup.id {
        return Ok(false);
    }
    let program = program.fd().map_err(|e| SteerError::system("update a link", &e))?;
    match link::update(pin, program.as_fd()) {
        Ok(()) => Ok(true),
        Err(error) if errno(&error) == Some(libc::ENOLINK) => Ok(false),
        Err(error) => Err(SteerError::system(format!("update {}", pin.display()), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_reason_stands_before_its_figures() {
        // As Linux 6.18 says it; `tests/steer/refusals.py` has a kernel say it.
        let log = "func#0 @0\n0: R1=ctx() R10=fp0\n0: (79) r0 = *(u64 *)(r10 +8)\n\
                   invalid read from stack R10 off=8 size=8\nverification time 34 usec\nstack depth 0\n\
                   processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n\n";
        assert_eq!(reason(log), Some("invalid read from stack R10 off=8 size=8"));
        assert_eq!(reason("processed 1 insns\n"), None);
    }
}
