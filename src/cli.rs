//! The arguments.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Compiles routing policy to Cilium and Envoy resources.
#[derive(Debug, Parser)]
#[command(name = "meshc", version, about, long_about = None)]
pub(crate) struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile policies to resources on stdout.
    Compile(Compile),
    /// Format policies in place; stdin goes to stdout.
    Fmt(Fmt),
    /// Bring policies to a cluster, whole or not at all.
    Apply(Apply),
    /// Show what apply would change; exit 1 when it would change something.
    Diff(Diff),
    /// Take an applied set out of the cluster.
    Delete(Delete),
    /// Bring an earlier revision back.
    Rollback(Rollback),
    /// List the revisions of an applied set.
    History(OfSet),
    /// Say whether the cluster still holds what was applied.
    Status(OfSet),
    /// Say whether a cluster can take policies, and what to do where it cannot.
    Doctor(OfSet),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What is compiled, and for what.
#[derive(Debug, Args)]
pub(crate) struct Program {
    /// Files and folders of policies, `-` for stdin; without any, the folder of the nearest meshc.toml.
    pub(crate) paths: Vec<PathBuf>,
    /// What to compile for: cilium-1.14 to cilium-1.20, or envoy.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Kubernetes Services that the policies may name: YAML or JSON files, or folders of them.
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) catalog: Vec<PathBuf>,
    /// The value of a parameter.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// The largest program of a regular expression, where the clusters raise Envoy's limit of 100
    /// (`re2.max_program_size.error_level`).
    #[arg(long, value_name = "N")]
    pub(crate) max_regex_program: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    #[command(flatten)]
    pub(crate) program: Program,
    /// The output's format.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    pub(crate) output: Format,
    /// Write to a file, or one file an object into a folder (a path that ends in `/`, or exists as one).
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// The format of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// YAML documents.
    Yaml,
    /// One JSON object.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Files and folders of policies, `-` for stdin; without any, the folder of the nearest meshc.toml.
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; exit 1 if a file is not formatted.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Which cluster, which set, and how long.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    /// The context of the kubeconfig.
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// The kubeconfig; without it the one that kubectl takes.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The namespace of the set's record, and of files that name none.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// How long all of it may take.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub(crate) timeout: String,
    /// The form of the report.
    #[arg(short, long, value_enum, default_value_t = Shape::Text)]
    pub(crate) output: Shape,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// What a run that writes may do.
#[derive(Debug, Args)]
pub(crate) struct Writing {
    /// Have the API server try every write without effect, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete the set's objects that the policies no longer have.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) prune: bool,
    /// Delete without a question.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Take fields that other owners set.
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    /// Let the set's last object go.
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) program: Program,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) program: Program,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    /// Compare with this revision instead of with the cluster.
    #[arg(long)]
    pub(crate) revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The revision; without it the one before the applied one.
    pub(crate) revision: Option<u64>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) set: OfSet,
    /// Delete without a question.
    #[arg(long)]
    pub(crate) yes: bool,
    /// List what would go, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A set that was applied.
#[derive(Debug, Args)]
pub(crate) struct OfSet {
    /// The program's folder; without it the folder of the nearest meshc.toml.
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
