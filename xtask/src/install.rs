//! `cargo xtask install-FACE --prefix DIR [--check]`: headers, libraries and pkg-config file of a C face.
//!
//! May come in: what the recipe of a C library needs. Not here: building it, which cargo does, and packages
//! of any one distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A C face: a folder below `sys`, whose name all others are made of.
pub struct Face {
    /// The name of its folder, `ndk` say.
    pub name: &'static str,
    headers: &'static [&'static str],
    /// What it is, in the pkg-config file.
    pub about: &'static str,
}

/// The faces that can be installed.
pub const FACES: &[Face] = &[
    Face {
        name: "ndk",
        headers: &["ndkpi.h", "qpair_ndk_ext.h", "qpair_wintypes.h"],
        about: "NDK's queue pairs in user space",
    },
    Face {
        name: "ulp",
        headers: &["qpair_appc.h", "qpair_clfs.h", "qpair_cpic.h", "qpair_mmio.h"],
        about: "APPC, CPI-C, mmio and CLFS, with flushes whose promise is known",
    },
];

impl Face {
    /// The face of that task, `install-ndk` say.
    pub fn of(task: &str) -> Option<&'static Self> {
        let name = task.strip_prefix("install-")?;
        FACES.iter().find(|face| face.name == name)
    }

    /// Carries out the words after the task.
    ///
    /// # Errors
    /// What failed, as a sentence.
    pub fn install(&self, words: &[String], root: &Path) -> Result<(), String> {
        let (mut prefix, mut check) = (None, false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--prefix" => prefix = words.next().map(|folder| root.join(folder)),
                "--check" => check = true,
                _ => return Err(format!("unknown word {word:?}\n{}", self.usage())),
            }
        }
        let prefix = prefix.ok_or_else(|| self.usage())?;
        let built = self.build(root)?;
        self.copy_all(root, &built, &prefix)?;
        println!("installed to {}", prefix.display());
        if check { self.check_example(root, &prefix) } else { Ok(()) }
    }

    fn usage(&self) -> String {
        format!("usage: cargo xtask install-{} --prefix DIR [--check]", self.name)
    }

    /// The name of crate, headers' folder and pkg-config file.
    fn package(&self) -> String {
        format!("qpair-{}", self.name)
    }

    fn library(&self, extension: &str) -> String {
        format!("libqpair_{}.{extension}", self.name)
    }

    /// The name by which programs ask for the library, set by the crate's `build.rs`.
    fn soname(&self) -> String {
        self.library("so.1")
    }

    /// Builds the library; the folder in which cargo puts it.
    fn build(&self, root: &Path) -> Result<PathBuf, String> {
        let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        command.args(["build", "--release", "-p", &self.package()]).current_dir(root);
        run(&mut command)?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(root.join(target).join("release"))
    }

    fn copy_all(&self, root: &Path, built: &Path, prefix: &Path) -> Result<(), String> {
        let (include, library) = (prefix.join("include").join(self.package()), prefix.join("lib"));
        let described = library.join("pkgconfig");
        for folder in [&include, &described] {
            fs::create_dir_all(folder)
                .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let headers = root.join("sys").join(self.name).join("include");
        for header in self.headers {
            copy(&headers.join(header), &include.join(header))?;
        }
        let (archive, shared) = (self.library("a"), self.library("so"));
        copy(&built.join(&archive), &library.join(&archive))?;
        copy(&built.join(&shared), &library.join(self.soname()))?;
        link(&self.soname(), &library.join(shared))?;
        let file = described.join(format!("{}.pc", self.package()));
        let text = self.description(prefix);
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    /// The pkg-config file; programs that link statically ask for the private libraries too.
    fn description(&self, prefix: &Path) -> String {
        let (package, name) = (self.package(), self.name);
        format!(
            "prefix={}\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include/{package}\n\n\
             Name: {package}\nDescription: {}\nVersion: {}\nCflags: -I${{includedir}}\n\
             Libs: -L${{libdir}} -lqpair_{name}\nLibs.private: -lpthread -ldl -lm -lgcc_s\n",
            prefix.display(),
            self.about,
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// Compiles the example against what was installed, as a newcomer would, both ways, and runs it.
    fn check_example(&self, root: &Path, prefix: &Path) -> Result<(), String> {
        for linked in ["--libs", "--static"] {
            let Some(flags) = self.flags(prefix, linked)? else { return Ok(()) };
            let program = prefix.join(if linked == "--static" { "hello-static" } else { "hello" });
            let source = root.join("sys").join(self.name).join("examples/hello.c");
            let mut compile = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
            compile.arg(source).args(flags).arg("-o").arg(&program);
            run(&mut compile)?;
            let mut hello = Command::new(&program);
            run(hello.env("LD_LIBRARY_PATH", prefix.join("lib")).current_dir(prefix))?;
        }
        Ok(())
    }

    /// What pkg-config says; `None`: it or the compiler is missing, which is said.
    fn flags(&self, prefix: &Path, linked: &str) -> Result<Option<Vec<String>>, String> {
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        for program in ["pkg-config", &compiler] {
            if let Err(error) = Command::new(program).arg("--version").output() {
                println!("the example is not checked: cannot start {program}: {error}");
                return Ok(None);
            }
        }
        let mut command = Command::new("pkg-config");
        command.args(["--cflags", "--libs", linked, &self.package()]);
        let output = command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).output();
        let output = output.map_err(|error| format!("cannot start pkg-config: {error}"))?;
        if !output.status.success() {
            return Err(format!("pkg-config: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let shared = format!("-lqpair_{}", self.name);
        // The archive in place of the shared library.
        let archive = format!("-l:{}", self.library("a"));
        let said = String::from_utf8_lossy(&output.stdout);
        let statically = linked == "--static";
        let words = said.split_whitespace();
        let words =
            words.map(|word| if statically && word == shared { archive.clone() } else { word.to_owned() });
        Ok(Some(words.collect()))
    }
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
        let (root, face) = (Path::new("/"), Face::of("install-ulp").unwrap());
        let usage = "usage: cargo xtask install-ulp --prefix DIR [--check]";
        assert_eq!(face.install(&[], root), Err(usage.to_owned()));
        let words = ["--prefix".to_owned()];
        assert_eq!(face.install(&words, root), Err(usage.to_owned()));
        let words = ["--preifx".to_owned(), "x".to_owned()];
        assert!(face.install(&words, root).is_err_and(|why| why.contains("--preifx")));
        assert!(Face::of("install-ib").is_none() && Face::of("ndk").is_none());
    }

    #[test]
    fn the_description_names_the_folders_below_the_prefix() {
        let text = FACES[0].description(Path::new("/opt/q"));
        assert!(text.starts_with("prefix=/opt/q\nlibdir=${prefix}/lib\n"));
        assert!(text.contains("Libs: -L${libdir} -lqpair_ndk\n"));
    }

    #[test]
    fn every_header_of_a_face_is_installed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for face in FACES {
            let folder = fs::read_dir(root.join("sys").join(face.name).join("include")).unwrap();
            let mut there: Vec<_> = folder.map(|entry| entry.unwrap().file_name()).collect();
            there.sort();
            assert_eq!(there, face.headers, "{}", face.name);
        }
    }
}
