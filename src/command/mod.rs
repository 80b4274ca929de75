//! The `qpair` command: what people run before they link.
//!
//! It belongs to the binary and sees the library as everybody does, through its public faces. Figures and
//! answers go to standard output, everything else to standard error. Exit codes: 0 as promised, 1 not,
//! 2 wrongly asked.
//!
//! May come in: subcommands, each with its text and its JSON document. Not here: anything that a program
//! linking the library could not do as well.

mod clock;
mod conformance;
mod devices;
mod doctor;
mod flush;
mod output;
mod pingpong;
mod trace;
mod world;

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use output::Output;
use std::process::ExitCode;

/// Queue pairs in user space, modelled on Windows NDK
#[derive(Debug, Parser)]
#[command(name = "qpair", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    subcommand: Subcommands,
    #[command(flatten)]
    common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 as promised, 1 not as promised or failed, 2 wrongly asked.";

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Two connected queue pairs exchange messages: latency, rate, and whether every byte arrived
    ///
    /// send and write are ping-pongs: the peer answers each message by one of the same kind, and the time is
    /// that of the round trip. read and cas are driven by one side alone, and the time is that from post to
    /// completion.
    Pingpong(pingpong::Options),
    /// What the flush of each system promises, step by step, and whether it is so
    ///
    /// Something is held back or pending; a flush is called, and the other side looked at before and after.
    /// NDK's flush cancels: it fails unless each pending request completes once, in posting order for each
    /// queue, with STATUS_CANCELLED. The others complete what is held back; each fails, with the step, if a
    /// promise of its own is not kept.
    Flush(flush::Options),
    /// A device is held to the numbered statements about NDK, one check each
    ///
    /// Prints a line for each group and what did not pass, with its reason. A statement about what the device
    /// lacks is not supported, which is no failure. Fails if a statement does not hold.
    Conformance(conformance::Options),
    /// The adapters that can be opened here, and what each can do
    ///
    /// First the emulated one, then the devices of the kernel, which take a build with the feature rdma-core.
    /// NAME opens one with all its addresses, NAME@ADDRESS with one of them.
    Devices(devices::Options),
    /// Whether devices of the kernel can be opened here, and if not, why and what to do
    ///
    /// Looks at the build, the kernel's modules, device nodes and their permissions, the limit of locked
    /// memory, links and GIDs, and opens each device. Fails if there is none, or one does not open.
    Doctor(doctor::Options),
}

/// What every subcommand understands.
#[derive(Args, Debug)]
struct Common {
    /// Print one JSON document in place of text (fields: docs/command.md)
    #[arg(long, global = true, display_order = 100)]
    json: bool,
    /// Tell on standard error what the library does; RUST_LOG=qpair=LEVEL is more precise
    #[arg(long, short, global = true, display_order = 101)]
    verbose: bool,
}

/// How a subcommand ended that could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    AsPromised,
    NotAsPromised,
}

/// The whole program.
pub fn main() -> ExitCode {
    let result = Command::try_parse().map_err(anyhow::Error::from).and_then(|command| command.run());
    match result {
        Ok(Verdict::AsPromised) => ExitCode::SUCCESS,
        Ok(Verdict::NotAsPromised) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

impl Command {
    fn run(self) -> anyhow::Result<Verdict> {
        trace::start(self.common.verbose)?;
        let output = Output::new(self.common.json);
        match self.subcommand {
            Subcommands::Pingpong(options) => pingpong::run(&options, output),
            Subcommands::Flush(options) => flush::run(&options, output),
            Subcommands::Conformance(options) => conformance::run(&options, output),
            Subcommands::Devices(options) => devices::run(&options, output),
            Subcommands::Doctor(options) => doctor::run(&options, output),
        }
    }
}

/// Says why, and gives the exit code.
fn failed(error: &anyhow::Error) -> ExitCode {
    // Help and version come here too. Whom standard error does not reach gets the exit code all the same.
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        let _unheard = usage.print();
        return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    output::complain(format_args!("error: {error:#}"));
    ExitCode::FAILURE
}

/// The user asked for what cannot be had: `argument`, by its name, `is` so.
fn usage(argument: &str, is: impl std::fmt::Display) -> anyhow::Error {
    Command::command().error(ErrorKind::ValueValidation, format_args!("{argument} {is}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_of_the_command_holds_together() {
        Command::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_told_by_name() {
        let error = usage("--size", "is 0; ask for at least 1");
        let error = error.downcast_ref::<clap::Error>().expect("a usage error");
        assert!(error.to_string().starts_with("error: --size is 0; ask for at least 1"), "{error}");
        assert!(error.use_stderr());
    }
}
