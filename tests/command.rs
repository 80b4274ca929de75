//! The `qpair` command as people run it: what it prints, which documents it writes, and its exit codes.
//!
//! Figures are judged by what must hold between them, never by how large they are.

#![cfg(feature = "cli")]

use serde_json::Value;
use std::io::Read;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qpair"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the command can be started")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

/// The document of a run that succeeds.
#[track_caller]
fn document(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON document on standard output")
}

/// The complaint of a run that the user asked for wrongly.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    text(&output.stderr).to_owned()
}

fn number(document: &Value, field: impl serde_json::value::Index + std::fmt::Display) -> f64 {
    document[&field].as_f64().unwrap_or_else(|| panic!("{field} is a number in {document}"))
}

#[track_caller]
fn assert_latency_is_a_distribution(document: &Value) {
    let latency = &document["latency_ns"];
    let rising = ["min", "p50", "p90", "p99", "p99_9", "max"].map(|field| number(latency, field));
    assert!(rising.is_sorted(), "{latency}");
    assert!((rising[0]..=rising[5]).contains(&number(latency, "mean")), "{latency}");
    assert!(number(document, "messages_per_second") > 0.0, "{document}");
}

#[test]
fn pingpong_verifies_each_operation() {
    for (op, latency_of, messages, size) in [
        ("send", "round_trip", 2, "64"),
        ("send", "round_trip", 2, "100001"),
        ("write", "round_trip", 2, "1"),
        ("write", "round_trip", 2, "5000"),
        ("read", "completion", 1, "64"),
        ("read", "completion", 1, "2M"),
        ("cas", "completion", 1, "8"),
    ] {
        let document = document(&["pingpong", "--op", op, "--size", size, "--iters", "30", "--json"]);
        let field = |name: &str| number(&document, name);
        assert_eq!(document["command"], "pingpong");
        assert_eq!((&document["op"], &document["latency_of"]), (&op.into(), &latency_of.into()));
        assert_eq!((field("iterations"), field("warm_up_iterations")), (30.0, 3.0), "{op}");
        assert_eq!(field("messages"), f64::from(messages * 30), "{op}");
        assert_eq!(field("verified_messages"), f64::from(messages * 33), "{op}");
        assert_eq!(field("verified_bytes"), f64::from(messages * 33) * field("size_bytes"), "{op}");
        assert_latency_is_a_distribution(&document);
    }
}

#[test]
fn pingpong_runs_with_windows_pairs_and_on_one_thread() {
    for op in ["send", "write"] {
        for (threads, window, pairs) in [("1", "1", "1"), ("1", "7", "2"), ("2", "64", "1"), ("2", "3", "3")]
        {
            let shape = ["--threads", threads, "--window", window, "--pairs", pairs];
            let mut arguments = vec!["pingpong", "--json", "--iters", "500", "--op", op];
            arguments.extend(shape);
            let document = document(&arguments);
            let pairs: f64 = pairs.parse().expect("a number");
            assert_eq!(number(&document, "verified_messages"), 1100.0 * pairs, "{op} {shape:?}");
            assert_latency_is_a_distribution(&document);
        }
    }
    for op in ["read", "cas"] {
        let document =
            document(&["pingpong", "--json", "--iters", "500", "--op", op, "--window", "16", "--pairs", "2"]);
        assert_eq!(number(&document, "verified_messages"), 1100.0, "{op}");
    }
}

#[test]
fn pingpong_prints_a_table_with_units() {
    let output = run(&["pingpong", "--iters", "200"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "SEND ping-pong of 64 B, 200 round trips, a thread for each end");
    let heads: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(heads, ["min", "p50", "p90", "p99", "p99.9", "max", "mean"]);
    assert!(lines[3].starts_with("  round trip") && lines[3].matches('s').count() == 7, "{printed}");
    assert_eq!(lines[2].chars().count(), lines[3].chars().count(), "aligned:\n{printed}");
    assert!(lines[5].contains("messages/s") && lines[5].ends_with("B/s in both directions"), "{printed}");
    assert_eq!(lines[6], "  440 messages arrived, and all 28,160 bytes are those that were sent");
}

#[test]
fn flush_shows_its_promises_step_by_step() {
    let output = run(&["flush"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn flush_writes_a_document() {
    let document = document(&["flush", "--json"]);
    assert_eq!((&document["command"], &document["as_promised"]), (&"flush".into(), &true.into()));
    assert_eq!((number(&document, "pending_before"), number(&document, "pending_after")), (8.0, 0.0));
    let completions = document["completions"].as_array().expect("a list");
    let of = |queue: &str| -> Vec<(&str, u64)> {
        let own = completions.iter().filter(|completion| completion["queue"] == queue);
        own.map(|own| (own["request"].as_str().unwrap(), own["status_code"].as_u64().unwrap())).collect()
    };
    let cancelled = 0xC000_0120;
    assert_eq!(of("receive"), [("receive 1", cancelled), ("receive 2", cancelled), ("receive 3", cancelled)]);
    let sent = [("send 1", 0), ("send 2", cancelled), ("send 3", cancelled)];
    assert_eq!(of("initiator")[..3], sent);
    assert_eq!(of("initiator")[3..], [("write 4", cancelled), ("read 5", cancelled), ("send 6", cancelled)]);
    assert!(
        document["later"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|later| later["text"] == "posted after the flush")
    );
}

/// The kinds whose flush completes what is held back, and how many promises each looks at.
const COMPLETING: [(&str, usize); 5] = [("appc", 12), ("cpic", 14), ("mmio", 10), ("clfs", 11), ("rdma", 13)];

/// The text with each time that a flush took left out.
fn timeless(text: &str) -> String {
    const TOOK: &str = ", returned after ";
    let line = |line: &str| match line.split_once(TOOK) {
        Some((before, time)) => {
            assert!(time.split(' ').count() == 2 && time.ends_with('s'), "{line}");
            format!("{before}{TOOK}TIME\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn each_flush_that_completes_shows_its_promises_step_by_step() {
    for (kind, promises) in COMPLETING {
        let output = run(&["flush", "--kind", kind]);
        assert_eq!(output.status.code(), Some(0), "{kind}: {}{}", text(&output.stdout), text(&output.stderr));
        let told = timeless(text(&output.stdout));
        assert!(
            told.ends_with(&format!("As promised: {promises} promises were looked at, and kept.\n")),
            "{told}"
        );
        insta::assert_snapshot!(format!("flush_of_{kind}"), told);
    }
}

#[test]
fn each_flush_that_completes_writes_a_document() {
    for (kind, promises) in COMPLETING {
        let document = document(&["flush", "--kind", kind, "--json"]);
        assert_eq!((&document["command"], &document["kind"]), (&"flush".into(), &kind.into()));
        assert_eq!((&document["as_promised"], &document["promises"]), (&true.into(), &promises.into()));
        assert_eq!(document["broken_promises"], serde_json::json!([]));
        let list = |field: &str| document[field].as_array().expect("a list").clone();
        let (lanes, steps) = (list("lanes"), list("steps"));
        assert!(!list("means").is_empty() && !list("does_not_mean").is_empty(), "{document}");
        for (step, number) in steps.iter().zip(1..) {
            assert_eq!(step["step"], number, "{kind}");
            assert_eq!(step["part"] == "flush", step["took_ns"].is_u64(), "{kind}: {step}");
            let amounts = step["amounts"].as_array().expect("a list").len();
            assert!(amounts == 0 || amounts == lanes.len(), "{kind}: {step}");
        }
        assert!(steps.iter().any(|step| step["part"] == "flush"), "{document}");
    }
}

#[test]
fn what_is_held_back_goes_over_at_the_flush() {
    // CPI-C does not tell what it holds back: its first lane is frames that left, and it is no part of this.
    for (kind, before) in [("appc", 4), ("mmio", 1), ("clfs", 3), ("rdma", 1)] {
        let document = document(&["flush", "--kind", kind, "--json"]);
        let steps = &document["steps"];
        let amount = |step: usize, lane: usize| number(&steps[step - 1]["amounts"], lane);
        assert_eq!(steps[before]["part"], "flush", "{kind}");
        assert!(amount(before, 0) > 0.0 && amount(before, 1) == 0.0, "{kind}: {document}");
        assert!(amount(before + 1, 0) == 0.0 && amount(before + 1, 1) > 0.0, "{kind}: {document}");
    }
    let document = document(&["flush", "--kind", "cpic", "--json"]);
    let results =
        |step: usize| (&document["steps"][step - 1]["result"], &document["steps"][step - 1]["amounts"]);
    assert_eq!(results(4), (&"CM_PROGRAM_STATE_CHECK".into(), &serde_json::json!([0, 0])));
    assert_eq!(results(5), (&"CM_OK".into(), &serde_json::json!([2, 0])));
    assert_eq!(results(8).1, &serde_json::json!([2, 28]));
}

#[test]
fn a_flush_is_written_as_a_page_that_stands_alone() {
    let folder = std::env::temp_dir().join(format!("qpair-pages-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder for the pages");
    for kind in ["ndk", "appc", "cpic", "mmio", "clfs", "rdma"] {
        let file = folder.join(format!("{kind}.html"));
        let name = file.to_str().expect("a name in UTF-8");
        let document = document(&["flush", "--kind", kind, "--html", name, "--json"]);
        let page = std::fs::read_to_string(&file).expect("the page");
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{kind}");
        assert_eq!((page.matches("<svg ").count(), page.matches("</svg>").count()), (1, 1), "{kind}");
        assert!(page.contains("As promised") && !page.contains("Not as promised"), "{kind}");
        assert!(page.contains("returned after"), "{kind}");
        for from_elsewhere in ["src=", "href=", "url(", "@import", "<script", "http:", "https:"] {
            assert!(!page.contains(from_elsewhere), "{kind}: {from_elsewhere}");
        }
        for step in document["steps"].as_array().into_iter().flatten() {
            let call = step["call"].as_str().expect("a text").replace('"', "&quot;");
            assert!(page.contains(&call), "{kind}: {call}");
        }
    }
    let nowhere = folder.join("none").join("page.html");
    let output = run(&["flush", "--html", nowhere.to_str().expect("a name in UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--html") && text(&output.stderr).contains("none"));
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn a_wrong_argument_is_named() {
    for (arguments, names) in [
        (&["pingpong", "--op", "fetch"][..], &["--op", "fetch", "cas"][..]),
        (&["pingpong", "--iters", "0"], &["--iters", "0"]),
        (&["pingpong", "--iters", "many"], &["--iters", "many"]),
        (&["pingpong", "--size", "1.5K"], &["--size", "1.5K", "as in 64, 4K or 1M"]),
        (&["pingpong", "--threads", "3"], &["--threads", "3"]),
        (&["pingpong", "--window", "65"], &["--window", "65", "64"]),
        (&["pingpong", "--pairs", "0"], &["--pairs", "0"]),
        (&["pingpong", "--op", "read", "--threads", "2"], &["--threads 2", "leave it out"]),
        (&["pingpong", "--op", "cas", "--size", "64"], &["--size", "64", "8 bytes"]),
        (&["flush", "--size", "64"], &["--size"]),
        (&["flush", "--kind", "stdio"], &["--kind", "stdio", "appc"]),
        (&["polish"], &["polish"]),
        (&[], &["Usage", "pingpong", "flush"]),
    ] {
        let complaint = refused(arguments);
        assert!(names.iter().all(|name| complaint.contains(name)), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_size_over_the_limit_is_told_with_the_limit() {
    let longest = 1_u64 << 31;
    let complaint = refused(&["pingpong", "--size", "2147483649"]);
    assert!(complaint.contains("--size is 2147483649"), "{complaint}");
    assert!(complaint.contains(&format!("1 to {longest} bytes")), "{complaint}");
    assert!(refused(&["pingpong", "--size", "0"]).contains("--size is 0"));
    let complaint = refused(&["pingpong", "--size", "100M", "--window", "8"]);
    assert!(complaint.contains("ask for at most 89478485") && complaint.contains("4 GiB"), "{complaint}");
    assert!(refused(&["pingpong", "--size", "17179869183G"]).contains("--size"));
}

#[test]
fn a_filter_that_cannot_be_read_is_named() {
    let output =
        command(&["flush"]).env("RUST_LOG", "qpair=loud").output().expect("the command can be started");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("RUST_LOG is `qpair=loud`"), "{}", text(&output.stderr));
}

#[test]
fn what_it_tells_goes_to_standard_error() {
    let output = run(&["flush", "--verbose", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    assert!(text(&output.stderr).contains("qpair"), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["--version"], &["pingpong", "--help"], &["help", "flush"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("qpair"), "{arguments:?}");
    }
}

#[test]
fn a_reader_may_leave_early() {
    for arguments in [&["flush"][..], &["pingpong", "--iters", "10", "--json"], &["pingpong", "--help"]] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be started");
        drop(child.stdout.take());
        let mut complaint = String::new();
        let mut stderr = child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut complaint).expect("it can be read");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arguments:?}");
        assert_eq!(complaint, "", "{arguments:?}");
    }
}

#[test]
fn conformance_tells_each_statement_and_its_result() {
    let document = document(&["conformance", "--filter", "FLUSH", "--filter", "CREATE-5", "--json"]);
    assert_eq!((&document["command"], &document["device"]), (&"conformance".into(), &"local".into()));
    assert_eq!((&document["as_promised"], &document["slow"]), (&true.into(), &false.into()));
    let counts = &document["counts"];
    assert_eq!(
        (&counts["passed"], &counts["failed"], &counts["not_shown"]),
        (&27.into(), &0.into(), &1.into())
    );
    let statements = document["statements"].as_array().expect("a list");
    let first = &statements[0];
    assert_eq!(
        (&first["number"], &first["mark"], &first["result"]),
        (&"FLUSH-1".into(), &"D".into(), &"pass".into())
    );
    assert!(first.get("reason").is_none() && first["text"].as_str().is_some_and(|text| text.len() > 10));
    let last = &statements[27];
    assert_eq!((&last["number"], &last["result"]), (&"CREATE-5".into(), &"not shown".into()));
    assert!(last["reason"].is_string(), "{last}");
}

#[test]
fn conformance_waits_for_nothing_on_a_clock_that_can_be_set() {
    let document = document(&["conformance", "--filter", "CONN-33", "--filter", "QP-22", "--slow", "--json"]);
    assert_eq!((&document["slow"], &document["counts"]["passed"]), (&true.into(), &2.into()));
}

#[test]
fn conformance_adds_up_by_group() {
    let output = run(&["conformance", "--filter", "lsn", "--filter", "CB"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let expected = "local held to the numbered statements\n\n  LSN     11 of 11 passed\n  CB      4 of 4 passed\n\n15 of 15 passed\n";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn conformance_lists_all_statements() {
    let document = document(&["conformance", "--list", "--json"]);
    let statements = document["statements"].as_array().expect("a list");
    // The flush family comes behind NDK; two of its groups stand on storage.
    let family = if cfg!(unix) { 162 } else { 109 };
    assert_eq!(statements.len(), 244 + family);
    assert_eq!(statements[244]["number"], "APPC-1");
    assert!(statements.iter().all(|statement| statement.get("result").is_none()));
    let output = run(&["conformance", "--list", "--filter", "CQ-4"]);
    assert_eq!(text(&output.stdout), "CQ-4      D   a queue that was never armed never calls\n");
}

#[test]
fn conformance_of_nothing_is_wrongly_asked() {
    let complaint = refused(&["conformance", "--filter", "FLUSHED"]);
    assert!(complaint.contains("--filter") && complaint.contains("SRQ"), "{complaint}");
    let complaint = refused(&["conformance", "--fail-fast", "--device", "mlx5_0"]);
    assert!(complaint.contains("--device") && complaint.contains("local"), "{complaint}");
    assert!(complaint.contains("OpenAdapter"), "why it does not open: {complaint}");
}
