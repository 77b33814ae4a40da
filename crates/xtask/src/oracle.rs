//! The Python program that tests compare with, in a virtual environment under `target/oracle`.

use crate::run::{Problem, command, read, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs what `oracle-requirements.txt` lists, unless it is there already; returns the Python.
pub(crate) fn install() -> Result<PathBuf, Problem> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle-requirements.txt");
    let home = root().join("target/oracle");
    let python = home.join("bin/python");
    let stamp = home.join("requirements.txt");
    let wanted = read(&requirements)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("installing the Python Tahoe-LAFS in {}", home.display());
    if home.exists() {
        std::fs::remove_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    }
    run(new_environment(&home)?
        .arg("--requirement")
        .arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// Makes a virtual environment; returns the command that installs in it what is said yet.
pub(crate) fn new_environment(home: &Path) -> Result<Command, Problem> {
    run(command("python3", &["-m", "venv"]).arg(home))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    Ok(command(home.join("bin/python"), &pip))
}
