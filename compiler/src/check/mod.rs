//! Checks of what the compiler itself wrote.

mod closure;
mod extensions;
mod size;

pub use closure::closure;
pub use extensions::extensions;
pub use size::size;
