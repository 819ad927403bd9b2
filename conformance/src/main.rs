//! The `pghaspec` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pghaspec::cli::main()
}
