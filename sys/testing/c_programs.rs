//! Compiles the C programs of a face with the host's C compiler, and runs them.
//!
//! Each C face takes this file into its tests by path. Where there is no C compiler a test says so and
//! passes: the C faces are for those who have one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A face: the crate whose tests these are.
pub struct Face {
    /// Its folder (`CARGO_MANIFEST_DIR`): programs are in `tests/c`, headers in `include`.
    pub root: &'static str,
    /// Where its tests may write (`CARGO_TARGET_TMPDIR`).
    pub place: &'static str,
    /// What the library is called: `libNAME.so` and `libNAME.a`.
    pub library: &'static str,
}

/// How a program is linked.
#[derive(Clone, Copy, PartialEq)]
pub enum Linked {
    Shared,
    Statically,
}

/// The folder in which cargo has put this test and the library.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().expect("a test lies in a folder").to_owned()
}

/// The compiler, unless there is none.
fn compiler() -> Option<String> {
    let name = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    match Command::new(&name).arg("--version").output() {
        Ok(_) => Some(name),
        Err(error) => {
            println!("skipped: there is no C compiler `{name}` ({error}); set CC or install one");
            None
        }
    }
}

fn expect_success(what: &str, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}\n{}\n{out}{err}", output.status);
}

impl Face {
    /// Compiles a program of `tests/c` and runs it, with an empty folder as its argument.
    ///
    /// Under valgrind with `QPAIR_VALGRIND=1`, where leaks and errors fail.
    pub fn run(&self, source: &str, linked: Linked) {
        let Some(program) = self.compile(source, linked) else { return };
        let mut command = match std::env::var("QPAIR_VALGRIND") {
            Ok(_) => {
                let mut command = Command::new("valgrind");
                command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect"]);
                command
                    .args(["--errors-for-leak-kinds=definite,indirect", "--error-exitcode=9"])
                    .arg(&program);
                command
            }
            Err(_) => Command::new(&program),
        };
        let folder = program.with_extension(format!("{}-files", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the program's files");
        command.arg(&folder);
        let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        expect_success(&format!("{command:?}"), &output);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.ends_with(": done\n"), "{source} has ended before its end: {said}");
        std::fs::remove_dir_all(&folder).expect("the folder was made above");
    }

    /// Compiles each header by itself as C++.
    pub fn headers_are_those_of_cpp_too(&self) {
        let name = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let include = Path::new(self.root).join("include");
        for header in std::fs::read_dir(&include).expect("the headers are there") {
            let mut command = Command::new(&name);
            command.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]);
            command.arg(header.expect("its entry").path());
            match command.output() {
                Ok(output) => expect_success(&format!("{command:?}"), &output),
                Err(error) => {
                    println!("skipped: there is no C++ compiler `{name}` ({error}); set CXX or install one");
                    return;
                }
            }
        }
    }

    /// A folder with the library by the name that programs ask for.
    fn installed(&self) -> PathBuf {
        let place = Path::new(self.place).join("c-programs");
        std::fs::create_dir_all(&place).expect("a folder for the library");
        let name = format!("lib{}.so", self.library);
        let shared = built().join(&name);
        for name in [name.clone(), format!("{name}.1")] {
            let link = place.join(name);
            if !link.exists() {
                // Another test of the same run may have been quicker.
                let made = std::os::unix::fs::symlink(&shared, &link);
                assert!(made.is_ok() || link.exists(), "{made:?}");
            }
        }
        place
    }

    /// Compiles `source`; `None`: there is no compiler.
    fn compile(&self, source: &str, linked: Linked) -> Option<PathBuf> {
        let compiler = compiler()?;
        let (root, place) = (Path::new(self.root), self.installed());
        let kind = if linked == Linked::Shared { "shared" } else { "static" };
        let program = place.join(format!("{}-{kind}", source.trim_end_matches(".c")));
        let mut command = Command::new(compiler);
        command.args(["-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror"]);
        command.args(["-g", "-O1", "-pthread"]).arg("-I").arg(root.join("include"));
        command.arg(root.join("tests/c").join(source)).arg("-o").arg(&program);
        match linked {
            Linked::Shared => {
                command.arg(format!("-Wl,-rpath,{}", place.display()));
                command.arg("-L").arg(&place).arg(format!("-l{}", self.library));
            }
            Linked::Statically => {
                command.arg(built().join(format!("lib{}.a", self.library))).args(["-ldl", "-lm"]);
            }
        }
        expect_success(&format!("{command:?}"), &command.output().expect("the compiler has started before"));
        Some(program)
    }
}
