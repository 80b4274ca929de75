//! The table of steps: what each runs, in which environment, and what it needs to run at all.
//!
//! A habit of the project is a row here, never a line of shell elsewhere. May come in: rows, and needs
//! that a row can name. Not here: running them, and any judgement of their output.

/// One command of a task.
pub struct Step {
    /// The task it belongs to, which is also the subcommand that runs it.
    pub task: &'static str,
    /// What it covers, in a few words.
    pub covers: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Set for the command, on top of what is inherited.
    pub env: &'static [(&'static str, &'static str)],
    /// Without it the step is skipped, with the reason said.
    pub needs: Needs,
    /// Whether `ci` runs it.
    pub in_ci: bool,
}

impl Step {
    /// Whether the command runs test programs, so that it must run at least one test.
    pub fn is_test(&self) -> bool {
        let own = self.command.iter().take_while(|word| *word != "--");
        own.skip(1).any(|word| word == "test")
    }
}

/// What must be there before a step can run.
#[derive(Clone, Copy)]
pub enum Needs {
    /// Nothing but Rust.
    Nothing,
    /// One of these files, relative to the root of the repository.
    OneOf(&'static [&'static str]),
    /// The standard library of a target; asked of rustup when it is not there.
    Target(&'static str),
    /// Miri of the nightly toolchain; asked of rustup when it is not there.
    Miri,
    /// Headers of rdma-core, and a libclang that rdma-sys can use.
    RdmaCore,
    /// The same, and what the guest of tests/softroce is made of; its script fetches what it may.
    SoftRoce,
}

const NONE: &[(&str, &str)] = &[];
const DENY_DOC_WARNINGS: &[(&str, &str)] = &[("RUSTDOCFLAGS", "-D warnings")];
/// A snapshot that is missing or differs is a failure, not a file to accept later.
const SNAPSHOTS: &[(&str, &str)] = &[("INSTA_UPDATE", "no")];
/// Bound 2 explores every model in minutes (most mutants fall to bound 1, the rest to 2).
const LOOM: &[(&str, &str)] = &[("RUSTFLAGS", "--cfg qpair_loom"), ("LOOM_MAX_PREEMPTIONS", "2")];
/// Few cases per property, since Miri is a few hundred times slower than the processor.
const MIRI: &[(&str, &str)] = &[
    (
        "MIRIFLAGS",
        "-Zmiri-env-forward=PROPTEST_CASES -Zmiri-env-forward=PROPTEST_DISABLE_FAILURE_PERSISTENCE",
    ),
    ("PROPTEST_CASES", "4"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"),
];

/// Addresses of C go through numbers, which Miri is to follow without a warning each.
const MIRI_C: &[(&str, &str)] = &[("MIRIFLAGS", "-Zmiri-permissive-provenance")];
/// Cargo runs test programs through it; the guest is an x86-64 machine, as this one must be.
const IN_THE_GUEST: &[(&str, &str)] = &[
    ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "tests/softroce/run --"),
    ("QPAIR_RDMA_MAY_BREAK", "yes"), // the guest is thrown away
];

const MUTATION_RUNNER: Needs =
    Needs::OneOf(&["loom-tests/src/bin/mutations.rs", "loom-tests/src/bin/mutations/main.rs"]);

/// (task, what it covers, command, environment, needs, part of `ci`)
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], Needs, bool);

#[rustfmt::skip] // a table is read by its columns
const TABLE: &[Row] = &[
    ("fmt", "every member", "cargo fmt --all --check", NONE, Needs::Nothing, true),
    ("tidy", "layers, sizes, comments", "cargo test -p qpair --test tidy", NONE, Needs::Nothing, true),
    ("clippy", "every member, all features but rdma-core", "cargo clippy --workspace --exclude qpair-rdma-core --all-targets --features qpair/cli -- -D warnings", NONE, Needs::Nothing, true),
    ("clippy", "the library alone", "cargo clippy -p qpair --lib --no-default-features -- -D warnings", NONE, Needs::Nothing, true),
    ("clippy", "what the models see", "cargo clippy -p qpair-loom-tests --all-targets --release --target-dir target/loom -- -D warnings", LOOM, Needs::Nothing, true),
    ("test", "default members", "cargo test --no-fail-fast", SNAPSHOTS, Needs::Nothing, true),
    ("test", "without features", "cargo test --no-fail-fast --no-default-features", SNAPSHOTS, Needs::Nothing, true),
    ("test", "xtask", "cargo test -p xtask", NONE, Needs::Nothing, true),
    ("ndk-c", "C programs on the C face", "cargo test -p qpair-ndk", NONE, Needs::Nothing, true),
    ("ndk-c", "installed, and linked both ways", "cargo xtask install-ndk --prefix target/ndk-c --check", NONE, Needs::Nothing, true),
    ("ulp-c", "C programs on the faces of conversations, files and logs", "cargo test -p qpair-ulp", NONE, Needs::Nothing, true),
    ("ulp-c", "installed, and linked both ways", "cargo xtask install-ulp --prefix target/ulp-c --check", NONE, Needs::Nothing, true),
    ("doc", "every member", "cargo doc --workspace --exclude qpair-rdma-core --no-deps --features qpair/cli", DENY_DOC_WARNINGS, Needs::Nothing, true),
    ("loom", "every model, bound 2", "cargo test -p qpair-loom-tests --release --target-dir target/loom", LOOM, Needs::Nothing, true),
    ("mutations", "short batch", "cargo run -p qpair-loom-tests --release --target-dir target/loom --bin mutations -- --short", LOOM, MUTATION_RUNNER, true),
    ("planted", "the conformance suite catches each known fault", "cargo run -p xtask --bin planted", NONE, Needs::Nothing, true),
    ("miri", "short batch: the rooms with unsafe code", "cargo +nightly miri test -p qpair --lib --no-default-features -- ring:: memory::", MIRI, Needs::Miri, true),
    ("miri", "the border of the C face", "cargo +nightly miri test -p qpair-ndk --lib -- border:: tests::", MIRI_C, Needs::Miri, true),
    ("cross", "Windows", "cargo check -p qpair --lib --no-default-features --target x86_64-pc-windows-gnu", NONE, Needs::Target("x86_64-pc-windows-gnu"), true),
    ("cross", "macOS", "cargo check -p qpair --lib --no-default-features --target aarch64-apple-darwin", NONE, Needs::Target("aarch64-apple-darwin"), true),
    ("package", "what they depend on", "cargo fetch --locked", NONE, Needs::Nothing, true),
    ("package", "every member", "cargo run -p xtask --bin package", NONE, Needs::Nothing, true),
    ("rdma-core", "clippy", "cargo clippy -p qpair-rdma-core --all-targets -- -D warnings", NONE, Needs::RdmaCore, true),
    ("rdma-core", "tests without a device", "cargo test -p qpair-rdma-core", NONE, Needs::RdmaCore, true),
    ("rdma-core", "clippy of the backend for real devices", "cargo clippy -p qpair --all-targets --test real_device --test real_allocations --features rdma-core -- -D warnings", NONE, Needs::RdmaCore, true),
    ("rdma-core", "the library with that backend, without a device", "cargo test -p qpair --lib --features rdma-core", SNAPSHOTS, Needs::RdmaCore, true),
    ("rdma-core", "doc", "cargo doc -p qpair-rdma-core --no-deps", DENY_DOC_WARNINGS, Needs::RdmaCore, true),
    ("rdma-core", "package", "cargo package -p qpair-rdma-core --allow-dirty --offline", NONE, Needs::RdmaCore, true),
    ("softroce", "rdma-core over rxe0 in a guest", "cargo test -p qpair-rdma-core --test device --test cycles --test removal", IN_THE_GUEST, Needs::SoftRoce, true),
    ("softroce", "the examples that the next step runs", "cargo build -p qpair --examples --features rdma-core", NONE, Needs::SoftRoce, true),
    ("softroce", "qpair over rxe0 in a guest", "cargo test -p qpair --features rdma-core --test real_device --test real_allocations", IN_THE_GUEST, Needs::SoftRoce, true),
    ("bench", "ratios to floors and peers", "cargo run --release -p qpair-benches --bin ratios", NONE, Needs::Nothing, false),
    ("bench", "figures by item, for two commits on one quiet machine", "cargo bench -p qpair-benches --benches", NONE, Needs::Nothing, false),
];

/// Every step, in the order in which `ci` runs them; `examples` are names without `.rs`.
pub fn all(examples: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = TABLE.iter().map(from_row).collect();
    let after_doc = steps.iter().position(|step| step.task == "loom").unwrap_or(steps.len());
    steps.splice(after_doc..after_doc, examples.iter().map(|name| example(name)));
    steps
}

fn from_row(&(task, covers, command, env, needs, in_ci): &Row) -> Step {
    let command = command.split_whitespace().map(str::to_owned).collect();
    Step { task, covers: covers.to_owned(), command, env, needs, in_ci }
}

fn example(name: &str) -> Step {
    let command = ["cargo", "run", "--quiet", "--example", name].map(str::to_owned).to_vec();
    Step { task: "examples", covers: name.to_owned(), command, env: NONE, needs: Needs::Nothing, in_ci: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_run_before_the_models() {
        let steps = all(&["hello".to_owned()]);
        let at = |task| steps.iter().position(|step| step.task == task).unwrap();
        assert!(at("doc") < at("examples") && at("examples") < at("loom"));
        assert_eq!(steps[at("examples")].command.last().map(String::as_str), Some("hello"));
    }

    #[test]
    fn a_model_never_shares_the_target_folder_of_the_normal_build() {
        for step in all(&[]) {
            let models = step.env.iter().any(|(name, _)| *name == "RUSTFLAGS");
            assert_eq!(models, step.command.iter().any(|word| word == "target/loom"), "{}", step.task);
        }
    }
}
