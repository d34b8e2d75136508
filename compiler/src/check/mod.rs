//! Checks of what the compiler itself wrote.

mod closure;
mod size;

pub use closure::closure;
pub use size::size;
