//! Takes over the pins of a set and ends as a killed `meshc up` does: its programs stay in the place of those before.
//! `upgrade SET CGROUP MESHC` is how the tests upgrade programs hundreds of times a minute.

#[cfg(target_os = "linux")]
use meshc_runtime::node::steering::{Size, Steering};
#[cfg(target_os = "linux")]
use std::{ffi::OsString, path::Path, process::ExitCode};

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a program of the tests, with no output of its own")]
fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [set, cgroup, meshc] = arguments.as_slice() else {
        eprintln!("usage: upgrade SET CGROUP MESHC");
        return ExitCode::from(2);
    };
    let mover = [meshc.clone(), "in-cgroup".into()];
    let size = Size { services: 1, addresses: 1 };
    match Steering::start(&set.to_string_lossy(), Some(Path::new(cgroup)), &mover, size) {
        Ok(steering) => {
            // Nobody removes the pins.
            std::mem::forget(steering);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\n{}", error.help());
            ExitCode::FAILURE
        }
    }
}
