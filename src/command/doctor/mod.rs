//! `qpair doctor`: whether devices of the kernel can be opened here, and if not, why and what to do.
//!
//! [`machine`] reads what the kernel says of itself, [`report`] tells it. The last word is the opening of
//! each device by the library.
//!
//! May come in: whatever else keeps a device from being opened. Not here: mending any of it.

mod machine;
mod report;

use super::Verdict;
use super::output::Output;
use clap::Args;
use machine::Machine;
use qpair::ndk::Adapter;
use report::{Finding, Report};

/// What is looked at.
#[derive(Args, Debug)]
pub struct Options {
    /// The device of the kernel to look at; without it, each that there is
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

/// Runs the subcommand: as promised if what was looked at can be opened.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Verdict> {
    let machine = Machine::new("/", cfg!(feature = "rdma-core"));
    let report = examine(&machine, options.device.as_deref(), |name| {
        Adapter::open(name).map(drop).map_err(|error| error.to_string())
    });
    output.print(&report)?;
    Ok(if report.can_open() { Verdict::AsPromised } else { Verdict::NotAsPromised })
}

/// Looks at everything, from what must be there first.
fn examine(machine: &Machine, device: Option<&str>, open: impl Fn(&str) -> Result<(), String>) -> Report {
    let mut report = Report::new(machine.is_built());
    report.extend("build", machine.build());
    report.extend("kernel", machine.kernel());
    report.extend("memory", [machine.locked_memory()]);
    let names = match device {
        Some(name) => vec![name.to_owned()],
        None => machine.devices(),
    };
    for name in &names {
        let looked_at = machine.device(name.split('@').next().unwrap_or_default());
        let opened = match open(name) {
            Ok(()) => Finding::good("it can be opened"),
            Err(error) => Finding::bad("it cannot be opened", error),
        };
        report.device(name, looked_at, opened);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A machine of a few files, which goes with the test.
    struct Fake(PathBuf);

    impl Fake {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("qpair-doctor-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
                fs::write(path, text).expect("a file is written");
            }
            Self(root)
        }

        fn examine(&self, built: bool, device: Option<&str>, opens: bool) -> Report {
            let open = |name: &str| if opens { Ok(()) } else { Err(format!("{name} is shut")) };
            examine(&Machine::new(&self.0, built), device, open)
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _not_made = fs::remove_dir_all(&self.0);
        }
    }

    const WHOLE: &[(&str, &str)] = &[
        ("sys/class/infiniband/rxe0/ports/1/state", "4: ACTIVE\n"),
        ("sys/class/infiniband/rxe0/ports/1/gids/0", "fe80:0000:0000:0000:0000:0000:0000:0001\n"),
        ("sys/class/infiniband/rxe0/ports/1/gids/1", "0000:0000:0000:0000:0000:ffff:0a63:0001\n"),
        ("sys/class/infiniband_verbs/uverbs0/ibdev", "rxe0\n"),
        ("dev/infiniband/uverbs0", ""),
        ("dev/infiniband/rdma_cm", ""),
        ("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n"),
    ];

    /// The whole machine without files whose path has `without` in it, and with others.
    fn but(without: &str, with: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let kept = WHOLE.iter().filter(|(path, _)| !path.contains(without)).copied();
        kept.chain(with.iter().copied()).collect()
    }

    #[test]
    fn a_machine_that_has_everything_has_nothing_to_mend() {
        let report = Fake::new("whole", WHOLE).examine(true, None, true);
        assert!(report.can_open());
        assert_eq!(report.remedies(), Vec::<&str>::new(), "{report}");
        assert!(report.to_string().ends_with("rxe0 can be opened.\n"), "{report}");
    }

    #[test]
    fn each_thing_that_is_missing_is_told_with_a_remedy() {
        let low = "Max locked memory         65536                65536                bytes\n";
        for (name, files, remedy) in [
            ("module", but("infiniband", &[]), "modprobe"),
            ("device", but("/rxe0/", &[("sys/class/infiniband/.keep", "")]), "rdma link add"),
            ("node", but("dev/infiniband/uverbs0", &[]), "modprobe ib_uverbs"),
            ("manager", but("rdma_cm", &[]), "modprobe rdma_ucm"),
            (
                "link",
                but("state", &[("sys/class/infiniband/rxe0/ports/1/state", "1: DOWN\n")]),
                "ip link set",
            ),
            ("gid", but("gids/1", &[]), "ip address add"),
            ("memory", but("limits", &[("proc/self/limits", low)]), "ulimit -l"),
        ] {
            let report = Fake::new(name, &files).examine(true, None, false);
            assert!(!report.can_open(), "{name}");
            assert!(report.remedies().iter().any(|known| known.contains(remedy)), "{name}: {report}");
        }
    }

    #[test]
    fn a_build_without_the_feature_says_what_it_takes() {
        let report = Fake::new("bare", WHOLE).examine(false, None, false);
        let remedies = report.remedies().join("\n");
        for wanted in ["--features rdma-core", "libibverbs-dev", "libclang-14-dev"] {
            assert!(remedies.contains(wanted), "{wanted}: {report}");
        }
        let mut files = WHOLE.to_vec();
        files.extend([
            ("usr/include/infiniband/verbs.h", ""),
            ("usr/include/rdma/rdma_cma.h", ""),
            ("usr/lib/llvm-16/lib/libclang-16.so.1", ""),
        ]);
        let newer = Fake::new("newer", &files).examine(false, None, false).remedies().join("\n");
        assert!(!newer.contains("libibverbs-dev") && newer.contains("libclang-14-dev"), "{newer}");
    }

    #[test]
    fn a_device_that_is_named_is_looked_at_though_it_is_not_there() {
        let report = Fake::new("named", WHOLE).examine(true, Some("mlx5_0"), false);
        assert!(!report.can_open());
        let text = report.to_string();
        assert!(text.contains("the kernel has no device mlx5_0; it has rxe0"), "{text}");
        assert!(text.contains("mlx5_0 is shut"), "{text}");
    }
}
