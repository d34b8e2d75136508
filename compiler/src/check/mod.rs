//! Checks of what the compiler itself wrote, and of CiliumEnvoyConfigs that people write.

mod closure;
mod extensions;
mod patterns;
mod raw;
mod size;

pub use closure::closure;
pub use extensions::extensions;
pub(crate) use patterns::Patterns;
pub use raw::check_raw;
pub use size::size;
