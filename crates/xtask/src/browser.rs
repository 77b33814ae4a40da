//! What the tests of the pages need: Chromium of the system's packages, and axe-core, which looks
//! for what keeps people from using a page, under `target/browser`.

use crate::oracle::new_environment;
use crate::run::{Problem, command, root, run};
use std::path::Path;

/// Where Debian's package puts it.
const CHROMIUM: &str = "/usr/bin/chromium";
/// A package that holds axe-core 4 in one file. What it depends on isn't needed for that.
const AXE: &str = "axe-playwright-python==0.1.8";

/// Installs what isn't there yet.
pub(crate) fn install() -> Result<(), Problem> {
    let is_elsewhere = std::env::var_os("TAHOE_CHROMIUM").is_some();
    if !is_elsewhere && !Path::new(CHROMIUM).exists() {
        println!("installing Chromium");
        run(&mut command("apt-get", &["update", "--quiet=2"]))?;
        let arguments = [
            "install",
            "--quiet=2",
            "--no-install-recommends",
            "chromium",
        ];
        let mut install = command("apt-get", &arguments);
        run(install.arg("fonts-liberation").arg("--yes"))?;
    }
    axe()
}

fn axe() -> Result<(), Problem> {
    let home = root().join("target/browser");
    if home.join("axe_playwright_python/axe.min.js").exists() {
        return Ok(());
    }
    println!("installing axe-core in {}", home.display());
    let mut install = new_environment(&home.join("venv"))?;
    run(install.arg("--no-deps").arg("--target").arg(&home).arg(AXE))
}
