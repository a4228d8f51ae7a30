//! The `ipseclab` command: hands its arguments to the library and its findings to the terminal.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use ipseclab_experiments::cli::{Cli, execute};

fn main() -> ExitCode {
    // Clap answers wrong usage itself, with exit code 2.
    let cli = Cli::parse();
    match execute(&cli, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let colour = std::io::stderr().is_terminal() && !plain;
            eprint!("{}", failure.render(colour));
            ExitCode::FAILURE
        }
    }
}
