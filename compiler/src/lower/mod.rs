//! [`Program`] → [`Manifest`]: what the target's Cilium or Envoy is given.

mod bootstrap;
mod cilium;
mod cluster;
mod cors;
mod http;
mod inlet;
mod limits;
pub(crate) mod matches;
mod order;
mod patch;
mod routes;
mod tcp;

use crate::ir::Program;
use crate::kubernetes::Manifest;
use crate::target::Target;
use meshc_dsl::Diagnostic;

/// Lowers a whole program.
pub fn lower(program: &Program, target: Target) -> (Manifest, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let objects = match target {
        Target::Cilium { .. } => cilium::objects(program, target, &mut diagnostics),
        Target::Envoy => bootstrap::object(program, &mut diagnostics),
    };
    if target.is_cilium() {
        return (Manifest { objects, ..Manifest::default() }, diagnostics);
    }
    let (steering, in_cluster) = (bootstrap::steering(program), bootstrap::in_cluster(program));
    (Manifest { objects, steering, in_cluster }, diagnostics)
}
