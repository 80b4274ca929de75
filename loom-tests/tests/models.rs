//! Every model holds: `RUSTFLAGS="--cfg qpair_loom" cargo test -p qpair-loom-tests --release --target-dir
//! target/loom`.
//!
//! Bound 1, or what the environment variable `LOOM_MAX_PREEMPTIONS` says. The binary `models` goes further.

#[cfg(not(qpair_loom))]
#[test]
fn models_need_their_flag() {
    println!("skipped: {}", qpair_loom_tests::NEEDS_FLAG);
}

#[cfg(qpair_loom)]
#[test]
fn every_model_holds() {
    use qpair_loom_tests::process::{self, Verdict};
    use std::path::Path;
    use std::time::Duration;

    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "1".to_owned());
    let bound = process::parse_bound(&bound).expect("LOOM_MAX_PREEMPTIONS");
    let program = Path::new(env!("CARGO_BIN_EXE_models"));
    let failures: Vec<String> = qpair_loom_tests::models::all()
        .iter()
        .filter_map(|model| {
            let run = process::run(program, model.name, bound, None, Duration::from_secs(600));
            let run = run.expect("the binary beside this test starts");
            (run.verdict != Verdict::Holds).then(|| format!("{}: {:?}", model.name, run.verdict))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
