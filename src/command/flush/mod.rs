//! `qpair flush`: what the flush of each system promises, step by step, and whether it is so.
//!
//! Each kind is a story that runs the real thing and looks at the other side. NDK's flush cancels, and has a
//! [`ndk::Report`] of its own; the others complete what is held back, and are told as a [`tale::Tale`]. Every
//! line comes from a call's result or from looking; a promise that is not kept is told with its step.
//! [`page`] draws any of them.
//!
//! May come in: a file for each flush. Not here: what the library could not show to any other program.

mod appc;
#[cfg(unix)]
mod clfs;
mod conversation;
mod cpic;
mod mmio;
mod ndk;
mod page;
#[cfg(unix)]
mod rdma;
mod tale;

use super::Verdict;
use super::output::Output;
use super::usage;
use super::world::ADAPTER;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use tale::Tale;

/// What is shown, and where.
#[derive(Args, Debug)]
pub struct Options {
    /// Whose flush
    #[arg(long, value_enum, default_value_t = Kind::Ndk)]
    kind: Kind,
    /// The adapter that ndk, appc, cpic and rdma run on: `local`, or a device of the kernel [default: local]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Write it to FILE as one page with a picture, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// NdkFlush: what is pending is cancelled
    Ndk,
    /// FLUSH of APPC: the send buffer of a conversation is sent
    Appc,
    /// cmflus of CPI-C: the same by calls, which need not block
    Cpic,
    /// mmioFlush: an I/O buffer is written to its file
    Mmio,
    /// ClfsFlushToLsn, ClfsFlushBuffers: records of a log are made stable
    Clfs,
    /// RDMA FLUSH: bytes in a peer's memory are made visible, or stable
    Rdma,
}

/// Runs the subcommand.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Verdict> {
    let html = options.html.as_deref();
    if options.device.is_some() && matches!(options.kind, Kind::Mmio | Kind::Clfs) {
        return Err(usage("--device", "is of no use to mmio and clfs, which have files and no adapter"));
    }
    let device = options.device.as_deref().unwrap_or(ADAPTER);
    match options.kind {
        Kind::Ndk => {
            let report = ndk::run(device)?;
            tell(&report, || report.tale(), report.is_as_promised(), html, output)
        }
        Kind::Appc => told(appc::tale(device)?, html, output),
        Kind::Cpic => told(cpic::tale(device)?, html, output),
        Kind::Mmio => told(mmio::tale()?, html, output),
        #[cfg(unix)]
        Kind::Clfs => told(clfs::tale()?, html, output),
        #[cfg(not(unix))]
        Kind::Clfs => anyhow::bail!("--kind clfs needs the log, which is for Unix only"),
        #[cfg(unix)]
        Kind::Rdma => told(rdma::tale(device)?, html, output),
        #[cfg(not(unix))]
        Kind::Rdma => anyhow::bail!("--kind rdma needs memory of a file, which is for Unix only"),
    }
}

fn told(tale: Tale, html: Option<&Path>, output: Output) -> anyhow::Result<Verdict> {
    tell(&tale, || &tale, tale.is_as_promised(), html, output)
}

fn tell<T: std::borrow::Borrow<Tale>>(
    answer: &(impl fmt::Display + Serialize),
    tale: impl Fn() -> T,
    as_promised: bool,
    html: Option<&Path>,
    output: Output,
) -> anyhow::Result<Verdict> {
    if let Some(file) = html {
        let page = page::page(tale().borrow());
        std::fs::write(file, page).with_context(|| format!("--html {}", file.display()))?;
    }
    output.print(answer)?;
    Ok(if as_promised { Verdict::AsPromised } else { Verdict::NotAsPromised })
}

/// A folder that goes with the story.
#[cfg(unix)]
struct Folder(PathBuf);

#[cfg(unix)]
impl Folder {
    fn new(name: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("qpair-flush-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("the folder {}", path.display()))?;
        Ok(Self(path))
    }
}

#[cfg(unix)]
impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a folder for temporary files stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tale::Part;
    use super::*;

    #[test]
    fn a_broken_promise_is_a_failure() {
        let told_with = |kept| {
            let mut tale = Tale::new("mmio", "mmioFlush", &[]);
            tale.step(Part::Flush, "mmioFlush", "0").holds(kept, "all was written", "some was");
            told(tale, None, Output::new(true)).expect("it is printed")
        };
        assert_eq!((told_with(true), told_with(false)), (Verdict::AsPromised, Verdict::NotAsPromised));
    }
}
