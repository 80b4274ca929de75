//! Whether `sys/rdma-core` can be built here, and run on a device of a guest.
//!
//! May come in: what else that crate and its guest need. Not here: fetching, which is the guest's script's.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest libclang that the bindgen of rdma-sys 0.3 understands.
const LIBCLANG: u32 = 15;
/// The status by which tests/softroce/run says that something cannot be had here.
const SKIPPED: i32 = 77;

/// Checks for headers and libclang; the error is the reason to skip, with what to install.
pub fn provide() -> Result<(), String> {
    let headers = ["libibverbs", "librdmacm"].iter().all(|library| {
        let asked = Command::new("pkg-config").args(["--exists", library]).status();
        asked.is_ok_and(|status| status.success())
    });
    if !headers {
        return Err("pkg-config finds no libibverbs and librdmacm: \
                    apt-get install pkg-config libibverbs-dev librdmacm-dev"
            .to_owned());
    }
    if std::env::var_os("LIBCLANG_PATH").is_some() || libclang(LIBCLANG).is_some() {
        return Ok(());
    }
    Err(format!(
        "there is no libclang {LIBCLANG} or older: apt-get install libclang-14-dev, or set LIBCLANG_PATH"
    ))
}

/// What a build needs in its environment: the folder of a libclang that is old enough, where it is not said.
///
/// bindgen would else take the newest one.
pub fn environment() -> Option<(&'static str, PathBuf)> {
    let said = std::env::var_os("LIBCLANG_PATH").is_some();
    let (newest, usable) = (libclang(u32::MAX)?, libclang(LIBCLANG)?);
    (!said && newest != usable).then_some(("LIBCLANG_PATH", usable))
}

/// The folder of the newest libclang up to a version, as Debian lays them out.
fn libclang(newest: u32) -> Option<PathBuf> {
    let folders =
        (10..=newest.min(40)).rev().map(|version| PathBuf::from(format!("/usr/lib/llvm-{version}/lib")));
    folders.into_iter().find(|folder| {
        std::fs::read_dir(folder)
            .is_ok_and(|mut files| files.any(|file| file.is_ok_and(|f| is_libclang(&f.file_name()))))
    })
}

/// Whether a file is libclang itself, not the C++ library beside it.
fn is_libclang(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("libclang.so") || name.starts_with("libclang-1"))
}

/// Lets the guest's script fetch what it needs; the error is the reason that it gives.
pub fn provide_guest(root: &Path) -> Result<(), String> {
    let script = root.join("tests/softroce/run");
    let output = Command::new(&script).arg("--fetch").output();
    let output = output.map_err(|error| format!("cannot start {}: {error}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("no reason given").to_owned();
    match output.status.code() {
        Some(SKIPPED) => Err(last),
        // Broken is not skipped: the step itself will fail, and show why.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_libclang;

    #[test]
    fn libclang_is_told_from_its_neighbours() {
        for (name, is) in [("libclang.so.1", true), ("libclang-14.so", true), ("libclang-cpp.so.14", false)] {
            assert_eq!(is_libclang(name.as_ref()), is, "{name}");
        }
    }
}
