//! Aliases: short names for directories, kept in `private/aliases`, and the paths that use them.
//!
//! The file belongs to both programs: UTF-8, one `name: capability` a line, `#` for comments.
//! `private/root_dir.cap` gives the alias `tahoe` unless the file does. `vdrive` is the node's shared
//! drive, and `NAME@vdrive` the one that the node knows by that name, unless the file says otherwise.

use crate::error::{CommandError, Result};
use crate::quote::{quoted, quoted_if_needed, quoted_path};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tahoe_caps::{Cap, Target, cap_text_of_argument, has_uri_prefix};

/// The alias of paths that name none.
pub(crate) const DEFAULT_ALIAS: &str = "tahoe";

/// What stands for a shared drive, unless there is an alias of that name.
const DRIVE: &str = "vdrive";
/// The drive that needn't be named.
const DEFAULT_DRIVE: &str = "default";

/// What Python's `quote` leaves as it is, `/` excepted.
const TO_QUOTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The aliases of a node directory.
pub(crate) struct Aliases {
    /// Capabilities as they stand in the file, by name.
    caps: BTreeMap<String, String>,
}

/// What a path on the grid begins with.
#[derive(Clone, PartialEq, Eq)]
enum Root {
    /// A capability.
    Cap(String),
    /// A shared drive, by the name that the node knows.
    Drive(String),
}

/// A place on the grid: a capability or a shared drive, and a path below it.
#[derive(Clone)]
pub(crate) struct Location {
    root: Root,
    /// Names with slashes in between; empty for the root itself.
    pub(crate) path: String,
}

/// What an argument of a command that takes local and grid paths means.
pub(crate) enum Place {
    /// A local path, as it was given.
    Local(String),
    /// A place on the grid.
    Grid(Location),
}

impl Aliases {
    /// Reads the aliases of a node directory; one that has none gives none.
    pub(crate) fn read(node_directory: &Path) -> Result<Self> {
        let private = node_directory.join("private");
        let mut caps = BTreeMap::new();
        if let Ok(root) = fs::read_to_string(private.join("root_dir.cap"))
            && !root.trim().is_empty()
        {
            caps.insert(DEFAULT_ALIAS.to_owned(), root.trim().to_owned());
        }
        let file = private.join("aliases");
        match fs::read_to_string(&file) {
            Ok(text) => read_lines(&text, &file, &mut caps)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let file = quoted_path(&file);
                return Err(CommandError::failed(format!("cannot read {file}: {error}")));
            }
        }
        Ok(Self { caps })
    }

    /// Lets the default alias name another directory.
    pub(crate) fn set_default(&mut self, cap: String) {
        self.caps.insert(DEFAULT_ALIAS.to_owned(), cap);
    }

    /// Names and capabilities, in the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let caps = self.caps.iter();
        caps.map(|(name, cap)| (name.as_str(), cap.as_str()))
    }

    /// Says whether there is an alias of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.caps.contains_key(name)
    }

    /// Where a path on the grid leads: `ALIAS:path`, `path`, `CAP/path` or `CAP:./path`.
    pub(crate) fn locate(&self, text: &str) -> Result<Location> {
        match self.place(text)? {
            Place::Grid(location) => Ok(location),
            Place::Local(path) => {
                if !self.contains(DEFAULT_ALIAS) {
                    return Err(no_default());
                }
                self.below(DEFAULT_ALIAS, path)
            }
        }
    }

    /// Where a path leads that is local unless it names an alias or begins with a capability.
    pub(crate) fn place(&self, text: &str) -> Result<Place> {
        let text = text.trim_matches(' ');
        if has_uri_prefix(text) {
            let split = text.split_once(":./").or_else(|| text.split_once('/'));
            let (root, path) = split.unwrap_or((text, ""));
            return Ok(Place::Grid(Location::new(root, path)));
        }
        match text.split_once(':') {
            // A colon further down is part of a name.
            Some((alias, path)) if !alias.contains('/') => {
                if self.contains(alias) {
                    return self.below(alias, path.to_owned()).map(Place::Grid);
                }
                let root = drive_of(alias).ok_or_else(|| unknown(alias))?;
                let path = path.to_owned();
                Ok(Place::Grid(Location { root, path }))
            }
            _ => Ok(Place::Local(text.to_owned())),
        }
    }

    fn below(&self, alias: &str, path: String) -> Result<Location> {
        let cap = self.caps.get(alias).map(String::as_str);
        let root = directory_cap(cap.unwrap_or_default()).ok_or_else(|| {
            let alias = quoted(alias);
            CommandError::failed(format!(
                "error: the alias {alias} does not name a directory"
            ))
            .hint("Correct its line in private/aliases of the node directory.")
        })?;
        let root = Root::Cap(root);
        Ok(Location { root, path })
    }
}

/// The shared drive that a word before a colon stands for.
fn drive_of(word: &str) -> Option<Root> {
    let name = match word.strip_suffix(DRIVE)? {
        "" => DEFAULT_DRIVE,
        name => name.strip_suffix('@').filter(|name| !name.is_empty())?,
    };
    Some(Root::Drive(name.to_owned()))
}

fn read_lines(text: &str, file: &Path, caps: &mut BTreeMap<String, String>) -> Result {
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, cap)) = line.split_once(':') else {
            let message = format!("{}: line {} has no colon", quoted_path(file), number + 1);
            return Err(CommandError::failed(message)
                .hint("Each line is `name: capability`; comments begin with #."));
        };
        caps.insert(name.to_owned(), cap.trim().to_owned());
    }
    Ok(())
}

fn no_default() -> CommandError {
    CommandError::failed(format!(
        "error: No alias specified, and the default {} alias doesn't exist. To create it, use \
         'tahoe create-alias {}'.",
        quoted(DEFAULT_ALIAS),
        quoted_if_needed(DEFAULT_ALIAS)
    ))
}

fn unknown(alias: &str) -> CommandError {
    CommandError::failed(format!(
        "error: Unknown alias {}, please create it with 'tahoe add-alias' or 'tahoe create-alias'.",
        quoted(alias)
    ))
}

/// The normal form of a directory's capability, which may stand in a node's URL.
pub(crate) fn directory_cap(text: &str) -> Option<String> {
    let text = cap_text_of_argument(text.trim())?;
    let cap = Cap::parse(&text);
    let is_directory = cap.kind()?.target() == Target::Directory;
    is_directory.then(|| cap.to_text())
}

/// Takes the colon off that may end an alias's name, and refuses names that can't be used.
pub(crate) fn alias_name(argument: &str) -> Result<&str> {
    let name = argument.strip_suffix(':').unwrap_or(argument);
    let wrong = if name.contains(':') {
        "Alias names cannot contain colons."
    } else if name.contains(' ') {
        "Alias names cannot contain spaces."
    } else if name.is_empty() || name.starts_with('#') || name.contains(['/', '\t', '\r', '\n']) {
        "Alias names cannot be empty, begin with # or contain slashes or line breaks."
    } else {
        return Ok(name);
    };
    Err(CommandError::failed(wrong))
}

/// Adds an alias to those of a node directory; nobody else's addition is lost.
pub(crate) fn add(node_directory: &Path, name: &str, cap: &str) -> Result {
    let private = node_directory.join("private");
    add_line(&private, name, cap).map_err(|error| {
        let file = quoted_path(&private.join("aliases"));
        CommandError::failed(format!("cannot write {file}: {error}"))
            .hint("The node directory must have a folder named private that you may write to.")
    })?
}

fn add_line(private: &Path, name: &str, cap: &str) -> io::Result<Result> {
    let lock = File::open(private)?;
    lock.lock()?;
    let path = private.join("aliases");
    let mut text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let mut present = BTreeMap::new();
    if let Err(error) = read_lines(&text, &path, &mut present) {
        return Ok(Err(error));
    }
    if present.contains_key(name) {
        return Ok(Err(already_exists(name)));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("{name}: {cap}\n"));
    let new: PathBuf = private.join("aliases.tmp");
    let mut options = File::options();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    lock.sync_all()?;
    Ok(Ok(()))
}

/// The failure to make an alias of a name that is taken.
pub(crate) fn already_exists(name: &str) -> CommandError {
    CommandError::failed(format!("Alias {} already exists!", quoted(name)))
}

impl Location {
    /// A place below a capability.
    pub(crate) fn new(root: &str, path: &str) -> Self {
        Self {
            root: Root::Cap(root.to_owned()),
            path: path.to_owned(),
        }
    }

    /// Where the node serves it, with nothing after the capability for the root itself.
    pub(crate) fn url_path(&self) -> String {
        let root = match &self.root {
            Root::Cap(cap) => format!("uri/{}", url_quoted(cap)),
            Root::Drive(name) if name == DEFAULT_DRIVE => "vdrive".to_owned(),
            Root::Drive(name) => format!("vdrives/{}", url_quoted(name)),
        };
        match self.path.as_str() {
            "" => root,
            path => format!("{root}/{}", url_quoted_path(path)),
        }
    }

    /// The same place with the root's own path spelled as nothing instead of `/`.
    pub(crate) fn without_lone_slash(mut self) -> Self {
        if self.path == "/" {
            self.path.clear();
        }
        self
    }

    /// Whether both are in one shared drive, where something can be moved in one step.
    pub(crate) fn shares_drive_with(&self, other: &Self) -> bool {
        matches!(self.root, Root::Drive(_)) && self.root == other.root
    }

    /// The directory that holds it, if it isn't the root itself.
    pub(crate) fn parent(&self) -> Option<Self> {
        let path = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        (!self.path.is_empty()).then(|| Self {
            root: self.root.clone(),
            path: path.to_owned(),
        })
    }

    /// The last name of the path.
    pub(crate) fn last_name(&self) -> &str {
        let path = self.path.as_str();
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Location");
        match &self.root {
            Root::Cap(cap) => f.field("root", &Cap::parse(cap)),
            Root::Drive(name) => f.field("drive", name),
        };
        f.field("path", &self.path).finish()
    }
}

/// A capability or a name as one segment of a URL's path.
pub(crate) fn url_quoted(text: &str) -> String {
    utf8_percent_encode(text, TO_QUOTE).to_string()
}

/// A path in a URL: its names quoted, its slashes kept.
pub(crate) fn url_quoted_path(path: &str) -> String {
    path.split('/')
        .map(url_quoted)
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: &str = "URI:DIR2:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                             aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn aliases(text: &str) -> Aliases {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("private")).unwrap();
        fs::write(folder.path().join("private/aliases"), text).unwrap();
        Aliases::read(folder.path()).unwrap()
    }

    fn parts(place: Place) -> (String, String) {
        match place {
            Place::Local(path) => (String::new(), path),
            Place::Grid(location) => match location.root {
                Root::Cap(cap) => (cap, location.path),
                Root::Drive(name) => (format!("drive {name}"), location.path),
            },
        }
    }

    #[test]
    fn places() {
        let aliases = aliases(&format!("# mine\n\nwork: {DIRECTORY} \nbad: URI:LIT:\n"));
        let check = |text, root: &str, path: &str| {
            let place = parts(aliases.place(text).unwrap());
            assert_eq!(place, (root.to_owned(), path.to_owned()), "{text}");
        };
        check("work:a/b", DIRECTORY, "a/b");
        check(" work: ", DIRECTORY, "");
        check("file", "", "file");
        check("a/b:7", "", "a/b:7");
        check("URI:LIT:nbuqu", "URI:LIT:nbuqu", "");
        check("URI:DIR2:a:b/x y", "URI:DIR2:a:b", "x y");
        check("URI:DIR2:a:b:./x/y", "URI:DIR2:a:b", "x/y");
        check("ro.URI:LIT:a", "ro.URI:LIT:a", "");
        check("vdrive:a/b", "drive default", "a/b");
        check("work@vdrive:", "drive work", "");
        for wrong in ["home:", ":x", "bad:x", "@vdrive:x", "myvdrive:x"] {
            assert!(aliases.place(wrong).is_err(), "{wrong}");
        }
        assert!(aliases.locate("x").is_err());
    }

    #[test]
    fn paths_without_an_alias_are_in_the_default_one() {
        let aliases = aliases(&format!("tahoe: {DIRECTORY}"));
        let location = aliases.locate("a/b:7").unwrap();
        assert_eq!(location.path, "a/b:7");
        assert_eq!(location.last_name(), "b:7");
        let start = format!("uri/{}/", url_quoted(DIRECTORY));
        assert_eq!(location.url_path(), format!("{start}a/b%3A7"));
        let secret = DIRECTORY.split(':').nth(2).unwrap();
        assert!(!format!("{location:?}").contains(secret));
    }

    #[test]
    fn an_alias_comes_before_the_shared_drive() {
        let place = |text: &str| parts(aliases(text).place("vdrive:x").unwrap());
        assert_eq!(place("").0, "drive default");
        assert_eq!(place(&format!("vdrive: {DIRECTORY}")).0, DIRECTORY);
        let locate = |text| aliases("").locate(text).unwrap();
        let (one, other) = (locate("vdrive:a/b"), locate("work@vdrive:c d"));
        assert_eq!(one.url_path(), "vdrive/a/b");
        assert_eq!(one.parent().unwrap().url_path(), "vdrive/a");
        assert_eq!(other.url_path(), "vdrives/work/c%20d");
        assert!(other.parent().unwrap().parent().is_none());
        assert!(one.shares_drive_with(&locate("vdrive:")) && !one.shares_drive_with(&other));
    }

    #[test]
    fn urls() {
        let check = |root, path, expected: &str| {
            assert_eq!(Location::new(root, path).url_path(), expected);
        };
        check("URI:LIT:nbuqu", "", "uri/URI%3ALIT%3Anbuqu");
        check("a:b", "x y/ü/", "uri/a%3Ab/x%20y/%C3%BC/");
        check("ro.a", "~-_.", "uri/ro.a/~-_.");
    }

    #[test]
    fn names() {
        assert_eq!(alias_name("a:").unwrap(), "a");
        for bad in ["", ":", "a::", "a:b", "a b", "a/b", "#a", "a\nb"] {
            assert!(alias_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn adding_keeps_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("private");
        fs::create_dir(&private).unwrap();
        fs::write(private.join("aliases"), "# mine\na: x").unwrap();
        add(folder.path(), "b", "y").unwrap();
        assert!(add(folder.path(), "a", "z").is_err());
        let text = fs::read_to_string(private.join("aliases")).unwrap();
        assert_eq!(text, "# mine\na: x\nb: y\n");
        assert!(add(&folder.path().join("missing"), "b", "y").is_err());
    }
}
