//! Man pages as `clap_mangen` makes them, except that the lines of examples stay lines, no word is
//! cut at the end of a line, and the synopsis shows the values of options.

use clap::{Arg, Command};
use clap_mangen::Man;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Writes the pages of a command and of what is below it.
pub(super) fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_built(&command, directory)
}

fn write_built(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        if !below.is_hide_set() {
            write_built(below, directory)?;
        }
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = with_own_layout(&String::from_utf8_lossy(&page), command);
    std::fs::write(directory.join(man.get_filename()), page)
}

/// Replaces the synopsis, forbids to cut words, and keeps the lines that begin with spaces.
fn with_own_layout(page: &str, command: &Command) -> String {
    let mut text = String::new();
    let (mut is_synopsis, mut is_example) = (false, false);
    for line in page.lines() {
        let begins_example = line.starts_with("  ");
        if begins_example != is_example {
            text.push_str(if begins_example { ".nf\n" } else { ".fi\n" });
            is_example = begins_example;
        }
        if let Some(section) = line.strip_prefix(".SH ") {
            is_synopsis = section == "SYNOPSIS";
        } else if is_synopsis {
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if is_synopsis {
            text.push_str(&synopsis(command));
        }
        if line.starts_with(".TH ") {
            text.push_str(".nh\n.ad l\n");
        }
    }
    text
}

fn synopsis(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut text = format!("\\fB{}\\fR", escaped(name));
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (places, options): (Vec<&Arg>, Vec<&Arg>) = shown().partition(|arg| arg.is_positional());
    for option in options {
        let [before, after] = brackets(option.is_required_set());
        let short = option.get_short().map(|short| format!("-{short}"));
        let long = option.get_long().map(|long| format!("--{long}"));
        let names: Vec<String> = [short, long].into_iter().flatten().collect();
        let names = escaped(&names.join("|"));
        // Writing to a text can't fail.
        let _written = write!(text, " {before}\\fB{names}\\fR{}{after}", values(option));
    }
    for place in places {
        // As `[LOCAL]`, `<FILE>` or `[PATH]...`.
        let _written = write!(text, " \\fI{}\\fR", escaped(&place.to_string()));
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        text.push_str(" \\fICOMMAND\\fR");
    }
    text.push('\n');
    text
}

fn brackets(is_required: bool) -> [&'static str; 2] {
    match is_required {
        true => ["", ""],
        false => ["[", "]"],
    }
}

/// ` VALUE` of an option that takes one.
fn values(option: &Arg) -> String {
    if !option.get_action().takes_values() {
        return String::new();
    }
    let names = option.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    format!(" \\fI{}\\fR", escaped(&names.join(" ")))
}

/// A text in the language of man pages.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
