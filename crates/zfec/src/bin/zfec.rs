//! Encodes a file into share files.

fn main() -> std::process::ExitCode {
    zfec::tools::run_zfec(std::env::args_os())
}
