//! Compiles the shim, and says in time what rdma-sys says late or not at all.
//!
//! Cargo runs this before rdma-sys is built, whose own build ends in a panic of bindgen when libclang is too
//! new and does not say so.

use std::path::{Path, PathBuf};

/// rdma-core 33 has the calls for GID tables.
const LIBIBVERBS: &str = "1.11";
/// The newest that bindgen 0.59, which rdma-sys uses, understands.
const LIBCLANG: u32 = 15;

fn main() {
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");
    let verbs = pkg_config::Config::new().atleast_version(LIBIBVERBS).probe("libibverbs");
    let verbs = verbs.unwrap_or_else(|error| {
        panic!(
            "libibverbs {LIBIBVERBS} or newer is missing: install libibverbs-dev and librdmacm-dev\n{error}"
        )
    });
    warn_of_libclang();
    let mut shim = cc::Build::new();
    shim.file("src/shim.c").includes(&verbs.include_paths).warnings_into_errors(true);
    for (sign, define) in [("ibv_wr_flush", "HAVE_FLUSH"), ("ibv_wr_atomic_write", "HAVE_ATOMIC_WRITE")] {
        if header(&verbs.include_paths).contains(sign) {
            shim.define(define, None);
        }
    }
    shim.compile("qpair_rdma_core_shim");
}

/// The text of verbs.h. Its newer names are enumerators and inline functions, which `#ifdef` cannot see.
fn header(folders: &[PathBuf]) -> String {
    let folders = folders.iter().map(PathBuf::as_path).chain([Path::new("/usr/include")]);
    let mut files = folders.map(|folder| folder.join("infiniband/verbs.h"));
    let file = files.find(|file| file.exists()).expect("libibverbs-dev has infiniband/verbs.h");
    println!("cargo::rerun-if-changed={}", file.display());
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Where LIBCLANG_PATH is not set, bindgen takes the newest libclang: warns unless that one is old enough.
fn warn_of_libclang() {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return;
    }
    let found: Vec<u32> = (10..40).filter(|version| libclang(*version)).collect();
    match (found.iter().max(), found.iter().filter(|version| **version <= LIBCLANG).max()) {
        (Some(newest), Some(usable)) if newest > &LIBCLANG => println!(
            "cargo::warning=rdma-sys needs libclang {LIBCLANG} or older: set LIBCLANG_PATH=/usr/lib/llvm-{usable}/lib"
        ),
        (_, None) => println!(
            "cargo::warning=rdma-sys needs libclang {LIBCLANG} or older: install libclang-14-dev, or set LIBCLANG_PATH"
        ),
        _ => {}
    }
}

/// Whether Debian's libclang of this version is installed.
fn libclang(version: u32) -> bool {
    let Ok(folder) = std::fs::read_dir(format!("/usr/lib/llvm-{version}/lib")) else { return false };
    folder.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with("libclang.so") || name.starts_with("libclang-1"))
    })
}
