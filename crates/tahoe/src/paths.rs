//! Paths as the user gives them: `~` stands for the home directory, the result is absolute.

use crate::error::{CommandError, Result};
use crate::quote::quoted;
use std::path::{Component, Path, PathBuf};

/// Makes a path of an argument; one that begins with `-` is more likely a mistyped option.
pub(crate) fn argument(text: &str) -> Result<PathBuf> {
    if text.starts_with('-') {
        let message = format!(
            "the path {} cannot start with '-': write {} if you mean a file of that name",
            quoted(text),
            quoted(&format!("./{text}"))
        );
        return Err(CommandError::usage(message));
    }
    absolute(text)
}

/// The node directory that is used if none is named: `~/.tahoe`.
pub(crate) fn default_node_directory() -> Result<PathBuf> {
    absolute("~/.tahoe")
}

/// Makes an absolute path without `.`, `..` and `~` of a text.
pub(crate) fn absolute(text: &str) -> Result<PathBuf> {
    let path = match (text.strip_prefix('~'), home()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    let here = std::env::current_dir().map_err(|error| {
        CommandError::failed(format!("cannot tell the current directory: {error}"))
    })?;
    Ok(normal(&here.join(path)))
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// Takes `.` and `..` out of an absolute path without looking at the disk, as the reference does.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_plain() {
        assert_eq!(argument("/a/./b/../c/").unwrap(), Path::new("/a/c"));
        assert_eq!(argument("/../a").unwrap(), Path::new("/a"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(argument("x").unwrap(), here.join("x"));
        assert_eq!(argument("~/x").unwrap(), home().unwrap().join("x"));
        assert!(argument("-x").is_err());
    }
}
