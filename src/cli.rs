//! The arguments.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
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
    /// Find every mistake in policies, and in CiliumEnvoyConfigs that are named, without writing resources.
    Check(Check),
    /// Format policies in place; stdin goes to stdout.
    Fmt(Fmt),
    /// Run the tests of policies, and compare what they compile to with its snapshots.
    Test(Test),
    /// Show what becomes of one request, and why no earlier rule took it.
    Eval(Eval),
    /// Make a policy repository that passes its own tests.
    Init(Init),
    /// Say what a diagnostic means, with a wrong and a right example.
    Explain {
        /// Its code, such as E0302; without one, all codes are listed.
        code: Option<String>,
    },
    /// Run policies on this machine, with an Envoy of its own (Linux).
    Up(Up),
    /// Keep an Envoy for the command whose socket is stdin.
    #[command(hide = true)]
    KeepEnvoy {
        /// The folder of Envoy.
        folder: PathBuf,
        /// Its path.
        envoy: PathBuf,
        /// How long it stays without a command, in milliseconds.
        linger: u64,
        /// The cgroup that Envoy has for itself.
        #[arg(long)]
        cgroup: Option<PathBuf>,
    },
    /// Become an Envoy that ends with its keeper.
    #[command(hide = true)]
    BecomeEnvoy {
        /// The keeper's process.
        keeper: u32,
        /// The path of Envoy.
        envoy: PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Move into a cgroup, and become another program.
    #[command(hide = true)]
    InCgroup {
        /// The cgroup.
        cgroup: PathBuf,
        /// The program with its words; without one, nothing more is done.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Show what of this machine's connections is steered to `meshc up`, or switch that off and on (Linux).
    Steer(Steer),
    /// Bring policies to a cluster, whole or not at all.
    Apply(Apply),
    /// Show what apply would change, or what changed since an earlier version; exit 1 for a difference.
    Diff(Diff),
    /// Take an applied set out of the cluster.
    Delete(Delete),
    /// Bring an earlier revision back.
    Rollback(Rollback),
    /// List the revisions of an applied set.
    History(OfSet),
    /// Say whether the cluster still holds what was applied.
    Status(OfSet),
    /// Say whether a cluster can take policies, or this node steers them, and what to do where not.
    Doctor(Doctor),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What is compiled, and for what.
#[derive(Debug, Clone, Args)]
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

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) program: Program,
    /// The format of the diagnostics: json and sarif go to stdout, human and short to stderr.
    #[arg(long, value_enum, default_value_t = Report::Human)]
    pub(crate) format: Report,
    /// Exit 1 for warnings too.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Mend in the files what can be mended for certain.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// The format of diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// The text underlined, with what to write instead.
    Human,
    /// A line each.
    Short,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
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
pub(crate) struct Up {
    /// Files and folders of policies; without any, the folder of the nearest meshc.toml.
    pub(crate) paths: Vec<PathBuf>,
    /// Kubernetes Services that the policies may name: YAML or JSON files, or folders of them.
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) catalog: Vec<PathBuf>,
    /// The value of a parameter.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// The path of Envoy; else MESHC_ENVOY, PATH and the cache are asked.
    #[arg(long, value_name = "PATH", conflicts_with = "get_envoy")]
    pub(crate) envoy: Option<PathBuf>,
    /// Install the pinned Envoy in the cache, unless it is there, and use it.
    #[arg(long)]
    pub(crate) get_envoy: bool,
    /// The first port of 127.0.0.1 that a steered service may get.
    #[arg(long, value_name = "PORT", default_value_t = 15000, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) first_port: u16,
    /// The cgroup whose processes are steered at the addresses behind `at`; without it the root of the
    /// machine's cgroup v2.
    #[arg(long, value_name = "PATH", conflicts_with = "no_steer")]
    pub(crate) cgroup: Option<PathBuf>,
    /// Steer nothing: services are on local ports only.
    #[arg(long)]
    pub(crate) no_steer: bool,
    /// Give services without endpoints backends of their own, send requests, show who answered, and end.
    #[arg(long)]
    pub(crate) demo: bool,
    /// How many requests each listener gets in a demonstration.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, requires = "demo")]
    pub(crate) requests: u64,
    /// Go on after the requests of a demonstration.
    #[arg(long, requires = "demo")]
    pub(crate) stay: bool,
    /// A kubeconfig: Services without endpoints are where its cluster says, as long as it says so; their addresses
    /// are steered as those behind `at` are. KUBECONFIG alone changes nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The same of this context; without `--kubeconfig`, of the kubeconfig that kubectl takes.
    #[arg(long, conflicts_with = "demo")]
    pub(crate) context: Option<String>,
    /// How long Envoy goes on for the next run, if this one is killed.
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub(crate) linger: String,
    /// How events are shown.
    #[arg(short, long, value_enum, default_value_t = Events::Lines)]
    pub(crate) output: Events,
}

#[derive(Debug, Args)]
pub(crate) struct Steer {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: SteerWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SteerWhat {
    /// What was meant to be there against what the kernel says, with counters of each service.
    Status {
        /// The set, which is the `name` in meshc.toml or `default`; without it, all.
        set: Option<String>,
        /// The form of the report.
        #[arg(short, long, value_enum, default_value_t = Shape::Text)]
        output: Shape,
    },
    /// Have connections go where they are dialled; what a dead `meshc up` left is removed.
    Off {
        /// The set; without it, all.
        set: Option<String>,
    },
    /// Have connections steered again.
    On {
        /// The set; without it, all.
        set: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) set: OfSet,
    /// Look at this machine, a node of Cilium, instead of at the cluster: does it steer the Services that the
    /// policies do? (Linux)
    #[arg(long)]
    pub(crate) node: bool,
    /// Kubernetes Services with their addresses: YAML or JSON files, or folders of them.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., requires = "node")]
    pub(crate) catalog: Vec<PathBuf>,
    /// The folder that Cilium pins its maps in; without it `tc/globals` of the machine's bpffs.
    #[arg(long, value_name = "DIR", requires = "node")]
    pub(crate) maps: Option<PathBuf>,
}

/// The format of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Events {
    /// A line for people.
    Lines,
    /// A JSON object a line.
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

#[derive(Debug, Args)]
#[command(override_usage = "meshc eval [OPTIONS] [PATHS]... REQUEST")]
#[command(
    after_help = "The last argument is the request, as in a test: 'GET /foo with header version = \"foo\", query q = \"1\"'."
)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Who takes the request: a steered service, or `listen NAME`; without it, the only one.
    #[arg(long = "for", value_name = "SERVICE|listen NAME")]
    pub(crate) entry: Option<String>,
    /// The answer's format.
    #[arg(long, value_enum, default_value_t = EvalFormat::Human)]
    pub(crate) format: EvalFormat,
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalFormat {
    /// For people.
    Human,
    /// A JSON list of an object for each service.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Take the snapshots as they are now.
    #[arg(long, conflicts_with = "filter")]
    pub(crate) accept: bool,
    /// Run only the tests with this in their names, and compare no snapshots.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// The report's format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub(crate) format: ReportFormat,
    /// Fail where the tests reach less of the rules than this, in percent.
    #[arg(long, value_name = "N", value_parser = percent)]
    pub(crate) min_coverage: Option<usize>,
    /// Compare no snapshots.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) no_snapshots: bool,
}

/// The format of what came of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Human,
    /// One JSON object.
    Json,
    /// JUnit XML.
    Junit,
}

fn percent(text: &str) -> Result<usize, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|n| *n <= 100).ok_or_else(|| "it is a number from 0 to 100".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder, which is made where it is missing.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
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
    /// The namespace of Cilium's agents and settings.
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub(crate) cilium_namespace: String,
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
    /// Wait until the agents of all nodes accepted it, or one refused.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
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
    /// Compare with an earlier version of the policies by what becomes of requests: a folder, or a
    /// revision of the git repository that they are in. No cluster is asked.
    #[arg(long, value_name = "GITREV|DIR", conflicts_with = "revision")]
    pub(crate) from: Option<String>,
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
