//! Gives the shared library its soname, so that programs linked with it ask for this version of the
//! interfaces.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libqpair_ulp.so.1");
    }
}
