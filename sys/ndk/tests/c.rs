//! Compiles the C programs of `tests/c` and the examples with the host's C compiler, and runs them.
//!
//! Where there is no C compiler a test says so and passes: the C face is for those who have one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How a program is linked.
#[derive(Clone, Copy, PartialEq)]
enum Linked {
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

/// A folder of this test with the library by the name that programs ask for.
fn library(place: &Path) {
    std::fs::create_dir_all(place).expect("a folder for the library");
    let shared = built().join("libqpair_ndk.so");
    for name in ["libqpair_ndk.so", "libqpair_ndk.so.1"] {
        let link = place.join(name);
        if !link.exists() {
            // Another test of the same run may have been quicker.
            let made = std::os::unix::fs::symlink(&shared, &link);
            assert!(made.is_ok() || link.exists(), "{made:?}");
        }
    }
}

/// Compiles `source`; `None`: there is no compiler.
fn compile(source: &str, linked: Linked) -> Option<PathBuf> {
    let compiler = compiler()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-face");
    library(&place);
    let name = Path::new(source).file_stem().expect("a source has a name").to_string_lossy().into_owned();
    let kind = if linked == Linked::Shared { "shared" } else { "static" };
    let program = place.join(format!("{name}-{kind}"));
    let mut command = Command::new(compiler);
    command.args([
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Wno-unused-function",
        "-Werror",
        "-g",
        "-O1",
        "-pthread",
    ]);
    command.arg("-I").arg(root.join("include")).arg(root.join(source)).arg("-o").arg(&program);
    match linked {
        Linked::Shared => {
            command.arg(format!("-Wl,-rpath,{}", place.display()));
            command.arg("-L").arg(&place).arg("-lqpair_ndk");
        }
        Linked::Statically => {
            command.arg(built().join("libqpair_ndk.a")).args(["-ldl", "-lm"]);
        }
    }
    expect_success(&format!("{command:?}"), &command.output().expect("the compiler has started before"));
    Some(program)
}

fn expect_success(what: &str, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}\n{}\n{out}{err}", output.status);
}

/// Compiles and runs; under valgrind with `QPAIR_VALGRIND=1`, where leaks and errors fail.
fn run(source: &str, linked: Linked) {
    let Some(program) = compile(source, linked) else { return };
    let mut command = match std::env::var("QPAIR_VALGRIND") {
        Ok(_) => {
            let mut command = Command::new("valgrind");
            command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect"]);
            command.args(["--errors-for-leak-kinds=definite,indirect", "--error-exitcode=9"]).arg(&program);
            command
        }
        Err(_) => Command::new(&program),
    };
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    expect_success(&format!("{command:?}"), &output);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with(": done\n"), "{source} has ended before its end: {said}");
}

#[test]
fn pingpong() {
    run("tests/c/pingpong.c", Linked::Shared);
}

#[test]
fn pingpong_linked_statically() {
    run("tests/c/pingpong.c", Linked::Statically);
}

#[test]
fn flush() {
    run("tests/c/flush.c", Linked::Shared);
}

#[test]
fn dispatch_tables_can_be_replaced() {
    run("tests/c/dispatch.c", Linked::Shared);
}

#[test]
fn misuse_is_told() {
    run("tests/c/misuse.c", Linked::Shared);
}

#[test]
fn closing_in_any_order_and_inside_callbacks() {
    run("tests/c/closing.c", Linked::Shared);
}

#[test]
fn extensions_beyond_ndk() {
    run("tests/c/extension.c", Linked::Shared);
}

#[test]
fn windows_and_logical_addresses() {
    run("tests/c/windows.c", Linked::Shared);
}

#[test]
fn connecting_tells_what_came() {
    run("tests/c/connecting.c", Linked::Shared);
}

#[test]
fn queues_that_are_shared_resized_and_moderated() {
    run("tests/c/queues.c", Linked::Shared);
}

#[test]
fn devices_with_options() {
    run("tests/c/options.c", Linked::Shared);
}

#[test]
fn faults_on_purpose() {
    run("tests/c/faults.c", Linked::Shared);
}

#[test]
fn headers_are_those_of_cpp_too() {
    let name = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/qpair_ndk_ext.h");
    let mut command = Command::new(&name);
    command.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]).arg(header);
    match command.output() {
        Ok(output) => expect_success(&format!("{command:?}"), &output),
        Err(error) => {
            println!("skipped: there is no C++ compiler `{name}` ({error}); set CXX or install one")
        }
    }
}
