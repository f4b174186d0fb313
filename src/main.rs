//! The program `kompox`: everything is in the library.

fn main() -> std::process::ExitCode {
    kompox::cli::main(std::env::args_os())
}
