//! Steering: connections to the addresses of services go to the Envoy of this machine, by eBPF programs on
//! a cgroup.
//!
//! A [`Steering`] owns the pins of a set. Whatever goes wrong, connections go where they were dialled: the
//! programs look for Envoy's listener, and for a lease that is renewed while Envoy answers.

mod cgroup;
mod error;
mod layout;
mod lease;
mod link;
mod load;
mod pins;
mod privilege;
mod record;
mod rules;
mod status;
mod sys;

pub use cgroup::{enter, leave};
pub use error::SteerError;
pub use lease::{LENGTH, listener};
pub use record::Service;
pub use status::{Drift, Program, Status, Switch, Tally, status, switch};

use aya::maps::{Map, MapData, MapError};
use cgroup::Cgroup;
use layout::{COUNTERS, ENVOY, LEASE, MOST_RULES, MOST_SERVICES, NAMESPACE, OFF, PROGRAMS, SETTINGS};
use lease::{Renewal, Settings};
use pins::{Lock, Pins};
use privilege::Process;
use record::Record;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The fewest services that the counters have room for, so that a reload finds some.
const ROOM: usize = 256;

/// How much will be steered.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many services.
    pub services: usize,
    /// How many addresses they have together.
    pub addresses: usize,
}

impl Size {
    fn check(self) -> Result<(), SteerError> {
        let of = [("services", self.services, MOST_SERVICES), ("addresses with a port", self.addresses, MOST_RULES)];
        match of.into_iter().find(|(_, count, most)| count > most) {
            Some((what, count, most)) => Err(SteerError::TooMany { what, count, most }),
            None => Ok(()),
        }
    }
}

/// Steering that is on, until this is dropped.
pub struct Steering {
    renewal: Option<Renewal>,
    settings: Settings,
    record: Record,
    /// How many services the counters have room for.
    room: usize,
    envoy: Cgroup,
    pins: Pins,
    _lock: Lock,
}

impl Steering {
    /// Attaches the programs to a cgroup, by default to the machine's root, or takes over what a dead run
    /// left. Nothing is steered before [`Steering::steer`] and [`Steering::watch`].
    ///
    /// `mover` is a command that moves itself into the cgroup that is its last word.
    ///
    /// # Errors
    /// When it is impossible. Then nothing is attached that was not before.
    pub fn start(set: &str, asked: Option<&Path>, mover: &[OsString], size: Size) -> Result<Self, SteerError> {
        Process::read().map_err(|e| SteerError::system("read /proc/self/status", &e))?.may_steer()?;
        privilege::kernel()?;
        size.check()?;
        let cgroup = Cgroup::open(asked)?;
        let (pins, lock) = Pins::claim(set)?;
        let fresh = pins.is_empty();
        let envoy = cgroup.for_envoy(set, mover);
        let begun =
            envoy.and_then(|envoy| Self::begin(&pins, &cgroup, &envoy, size.services).map(|begun| (begun, envoy)));
        match begun {
            Ok(((settings, record, room), envoy)) => {
                pins.remove_others();
                Ok(Self { renewal: None, settings, record, room, envoy, pins, _lock: lock })
            }
            Err(error) => {
                if fresh {
                    pins.remove();
                }
                // An Envoy of before that is still in it keeps it.
                leave(&cgroup.of_envoy(set));
                Err(error)
            }
        }
    }

    fn begin(
        pins: &Pins,
        cgroup: &Cgroup,
        envoy: &Cgroup,
        services: usize,
    ) -> Result<(Settings, Record, usize), SteerError> {
        pins.check_maps()?;
        let before = Record::read(pins)?.unwrap_or_default();
        let room = rules::room(pins, (services + before.services.len()).max(ROOM))?;
        let mut loaded = load::load(pins, u32::try_from(room).unwrap_or(u32::MAX))?;
        let mut settings = settings(pins)?;
        let place = sys::namespace().map_err(|e| SteerError::system("ask for the network namespace", &e))?;
        for (which, value) in [(NAMESPACE, place), (ENVOY, envoy.id)] {
            settings.set(which, value, 0).map_err(|e| SteerError::system("write the settings", &e))?;
        }
        let programs = load::attach(&mut loaded, pins, cgroup)?;
        let record = Record {
            cgroup: cgroup.path.display().to_string(),
            cgroup_id: cgroup.id,
            envoy: envoy.path.display().to_string(),
            programs,
            services: before.services,
        };
        record.write(pins)?;
        Ok((settings, record, room))
    }

    /// The cgroup that Envoy shall move into before it starts.
    pub fn envoys_cgroup(&self) -> &Path {
        &self.envoy.path
    }

    /// Renews the lease from now on, while the Envoy in a folder answers.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(&mut self, folder: &Path) -> Result<(), SteerError> {
        let settings = settings(&self.pins)?;
        let renewal = Renewal::start(settings, folder);
        self.renewal = Some(renewal.map_err(|e| SteerError::system("start a thread", &e))?);
        Ok(())
    }

    /// Ends the lease: Envoy is gone.
    pub fn lapse(&mut self) {
        // If this fails, the lease ends by itself.
        let _ = self.settings.set(LEASE, 0, 0);
    }

    /// Steers just these services from now on, in one step.
    ///
    /// # Errors
    /// When there are too many, or the kernel refuses; then the ones before stay.
    pub fn steer(&mut self, services: &[Service]) -> Result<(), SteerError> {
        let mut record = self.record.clone();
        rules::merge(&mut record.services, services);
        if record.services.len() > self.room {
            let count = record.services.len();
            return Err(SteerError::TooMany { what: "services since the start", count, most: self.room });
        }
        if record == self.record {
            return Ok(());
        }
        rules::swap(&self.pins, &record.services)?;
        record.write(&self.pins)?;
        self.record = record;
        Ok(())
    }

    /// Whether the programs are pinned still: somebody may remove them by hand, which detaches them.
    pub fn is_attached(&self) -> bool {
        PROGRAMS.iter().all(|name| self.pins.link(name).exists())
    }

    /// Whether somebody switched it off.
    pub fn is_switched_off(&self) -> bool {
        self.settings.get(&OFF, 0).is_ok_and(|off| off != 0)
    }

    /// Whether Envoy has just answered.
    pub fn is_leased(&self) -> bool {
        self.settings.get(&LEASE, 0).is_ok_and(|until| until > lease::now())
    }

    /// The services that are steered.
    pub fn steered(&self) -> Vec<Service> {
        self.record.services.iter().filter(|service| !service.addresses.is_empty()).cloned().collect()
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.lapse();
        self.renewal = None;
        self.pins.remove();
        leave(&self.envoy.path);
    }
}

/// Removes the cgroup of an Envoy whose run is gone, unless another run holds the set: that one goes by the
/// cgroup's id.
pub fn abandon(cgroup: &Path) {
    match cgroup::set_of(cgroup).map(Pins::open) {
        Some(Ok(pins)) => {
            if let Ok(Some(_lock)) = pins.lock() {
                leave(cgroup);
            }
        }
        _ => leave(cgroup),
    }
}

fn settings(pins: &Pins) -> Result<Settings, SteerError> {
    open_map(&pins.path(SETTINGS.name))?.try_into().map_err(|e: MapError| SteerError::system("open the settings", &e))
}

/// How many services pinned counters have room for.
fn counters_room(pins: &Pins) -> Result<Option<usize>, SteerError> {
    let path: PathBuf = pins.path(COUNTERS.name);
    if !path.exists() {
        return Ok(None);
    }
    let info = aya::maps::MapInfo::from_pin(&path);
    let info = info.map_err(|e| SteerError::system(format!("open {}", path.display()), &e))?;
    Ok(usize::try_from(info.max_entries()).ok())
}

fn open_map(path: &Path) -> Result<Map, SteerError> {
    let opened = MapData::from_pin(path).and_then(Map::from_map_data);
    opened.map_err(|e| SteerError::system(format!("open {}", path.display()), &e))
}
