//! The program `kompox`: everything is in the library.

/// A plan is made of very many small values; with the allocator of glibc, a third of its time went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kompox::cli::main(std::env::args_os())
}
