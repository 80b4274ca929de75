//! `cargo xtask install-ndk --prefix DIR [--check]`: headers, libraries and pkg-config file of the C face.
//!
//! May come in: what the recipe of a C library needs. Not here: building it, which cargo does, and packages
//! of any one distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const USAGE: &str = "usage: cargo xtask install-ndk --prefix DIR [--check]";
/// The name by which programs ask for the library, set by `sys/ndk/build.rs`.
const SONAME: &str = "libqpair_ndk.so.1";

/// Carries out the words after `install-ndk`.
///
/// # Errors
/// What failed, as a sentence.
pub fn install_ndk(words: &[String], root: &Path) -> Result<(), String> {
    let (mut prefix, mut check) = (None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--prefix" => prefix = words.next().map(|folder| root.join(folder)),
            "--check" => check = true,
            _ => return Err(format!("unknown word {word:?}\n{USAGE}")),
        }
    }
    let prefix = prefix.ok_or_else(|| USAGE.to_owned())?;
    let built = build(root)?;
    copy_all(root, &built, &prefix)?;
    println!("installed to {}", prefix.display());
    if check { check_example(root, &prefix) } else { Ok(()) }
}

/// Builds the library; the folder in which cargo puts it.
fn build(root: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["build", "--release", "-p", "qpair-ndk"]).current_dir(root);
    run(&mut command)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release"))
}

fn copy_all(root: &Path, built: &Path, prefix: &Path) -> Result<(), String> {
    let (include, library) = (prefix.join("include/qpair-ndk"), prefix.join("lib"));
    let described = library.join("pkgconfig");
    for folder in [&include, &described] {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let headers = root.join("sys/ndk/include");
    for header in ["ndkpi.h", "qpair_ndk_ext.h", "qpair_wintypes.h"] {
        copy(&headers.join(header), &include.join(header))?;
    }
    copy(&built.join("libqpair_ndk.a"), &library.join("libqpair_ndk.a"))?;
    copy(&built.join("libqpair_ndk.so"), &library.join(SONAME))?;
    link(SONAME, &library.join("libqpair_ndk.so"))?;
    let file = described.join("qpair-ndk.pc");
    fs::write(&file, description(prefix)).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// The pkg-config file; programs that link statically ask for the private libraries too.
fn description(prefix: &Path) -> String {
    format!(
        "prefix={}\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include/qpair-ndk\n\n\
         Name: qpair-ndk\nDescription: NDK's queue pairs in user space\nVersion: {}\n\
         Cflags: -I${{includedir}}\nLibs: -L${{libdir}} -lqpair_ndk\nLibs.private: -lpthread -ldl -lm -lgcc_s\n",
        prefix.display(),
        env!("CARGO_PKG_VERSION"),
    )
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    // A program may have the old file mapped: it keeps it, and the new one is another file.
    remove(to)?;
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}

fn remove(file: &Path) -> Result<(), String> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot replace {}: {error}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn link(name: &str, at: &Path) -> Result<(), String> {
    remove(at)?;
    std::os::unix::fs::symlink(name, at).map_err(|error| format!("cannot link {}: {error}", at.display()))
}

#[cfg(not(unix))]
fn link(_name: &str, at: &Path) -> Result<(), String> {
    Err(format!("cannot link {}: the C face is for Linux and its like", at.display()))
}

/// Compiles the example against what was installed, as a newcomer would, both ways, and runs it.
fn check_example(root: &Path, prefix: &Path) -> Result<(), String> {
    for linked in ["--libs", "--static"] {
        let Some(flags) = flags(prefix, linked)? else { return Ok(()) };
        let program = prefix.join(if linked == "--static" { "hello-static" } else { "hello" });
        let mut compile = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
        compile.arg(root.join("sys/ndk/examples/hello.c")).args(flags).arg("-o").arg(&program);
        run(&mut compile)?;
        let mut hello = Command::new(&program);
        run(hello.env("LD_LIBRARY_PATH", prefix.join("lib")))?;
    }
    Ok(())
}

/// What pkg-config says; `None`: it or the compiler is missing, which is said.
fn flags(prefix: &Path, linked: &str) -> Result<Option<Vec<String>>, String> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    for program in ["pkg-config", &compiler] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            println!("the example is not checked: cannot start {program}: {error}");
            return Ok(None);
        }
    }
    let mut command = Command::new("pkg-config");
    command.args(["--cflags", "--libs", linked, "qpair-ndk"]);
    let output = command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).output();
    let output = output.map_err(|error| format!("cannot start pkg-config: {error}"))?;
    if !output.status.success() {
        return Err(format!("pkg-config: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let words =
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    Ok(Some(if linked == "--static" { words.into_iter().map(statically).collect() } else { words }))
}

/// The archive in place of the shared library.
fn statically(word: String) -> String {
    if word == "-lqpair_ndk" { "-l:libqpair_ndk.a".to_owned() } else { word }
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command.status().map_err(|error| format!("cannot start {shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_needed_and_words_are_known() {
        let root = Path::new("/");
        assert_eq!(install_ndk(&[], root), Err(USAGE.to_owned()));
        let words = ["--prefix".to_owned()];
        assert_eq!(install_ndk(&words, root), Err(USAGE.to_owned()));
        let words = ["--preifx".to_owned(), "x".to_owned()];
        assert!(install_ndk(&words, root).is_err_and(|why| why.contains("--preifx")));
    }

    #[test]
    fn the_description_names_the_folders_below_the_prefix() {
        let text = description(Path::new("/opt/q"));
        assert!(text.starts_with("prefix=/opt/q\nlibdir=${prefix}/lib\n"));
        assert!(text.contains("Libs: -L${libdir} -lqpair_ndk\n"));
    }
}
