//! Decodes a file from share files.

fn main() -> std::process::ExitCode {
    zfec::tools::run_zunfec(std::env::args_os())
}
