//! FURLs to which a node's owner gave names, and where they stand.
//!
//! Those of a kind stand in a list in `private`, a mapping `LIST: {NAME: {furl: …}}`, each with an
//! optional `connections: {tcp: HANDLER}` for another way to it than tahoe.cfg's. One more, called
//! `default`, may be in tahoe.cfg as `[client] KIND.furl`, or in a file `KIND.furl` in the node
//! directory, as when Tahoe was young. Two places that say different things of `default` are an error
//! that names both.

use crate::directory::{DirectoryError, NodeDirectory};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use tahoe_client::ConnectionOverrides;
use zeroize::Zeroizing;

/// Most FURLs of a kind that a node uses.
pub(crate) const MOST_FURLS: usize = 100;
const DEFAULT: &str = "default";

/// A kind of FURL.
pub(crate) struct Kind<T> {
    /// The name of the option and the file, without `.furl`.
    pub(crate) option: &'static str,
    /// The name of the list and its file, without `.yaml`.
    pub(crate) list: &'static str,
    /// What it leads to, with an article.
    pub(crate) what: &'static str,
    pub(crate) parse: fn(&str) -> Result<T, BadText>,
    pub(crate) text: fn(&T) -> Zeroizing<String>,
}

/// A FURL as it is written down.
#[derive(Debug)]
pub(crate) struct NamedFurl<T> {
    pub(crate) furl: T,
    /// Another way than tahoe.cfg's to connect to it.
    pub(crate) connections: ConnectionOverrides,
}

impl<T> From<T> for NamedFurl<T> {
    fn from(furl: T) -> Self {
        let connections = ConnectionOverrides::default();
        Self { furl, connections }
    }
}

type BadText = Box<dyn Error + Send + Sync>;

/// It can't be told which FURLs of a kind a node uses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamedFurlsError {
    /// A file can't be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The file isn't a list.
    #[error("private/{list}.yaml is not a list of {list}")]
    BadList {
        /// What belongs there.
        list: &'static str,
        /// What is wrong with it.
        source: serde_yaml_ng::Error,
    },
    /// A name that can't be part of the name of a file.
    #[error("{what} cannot be called {name:?}: '/' must not be in its name")]
    BadPetname {
        /// What.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A FURL can't be read; it isn't shown, since it is a secret.
    #[error("{place} does not hold the FURL of {what}")]
    BadFurl {
        /// Where it stands.
        place: String,
        /// What it should lead to.
        what: &'static str,
        /// What is wrong with it.
        source: BadText,
    },
    /// Two places name different ones `default`.
    #[error("{one} and {other} name different {list}: keep the right one and remove the other")]
    Contradiction {
        /// A place.
        one: String,
        /// Another one.
        other: String,
        /// What they name.
        list: &'static str,
    },
    /// `default` is in both places that newer nodes have for it.
    #[error(
        "'default' is in both tahoe.cfg [client] {option}.furl and private/{list}.yaml: remove it \
         from one of them"
    )]
    Twice {
        /// The option's name.
        option: &'static str,
        /// The list's name.
        list: &'static str,
    },
    /// There are too many.
    #[error("private/{0}.yaml names more than {MOST_FURLS} {0}")]
    TooMany(&'static str),
}

#[derive(Deserialize)]
struct RawEntry {
    furl: String,
    #[serde(default)]
    connections: Option<ConnectionOverrides>,
}

impl NodeDirectory {
    /// The FURLs of a kind that the node uses, by their names; `tahoe_cfg` is what stands there.
    pub(crate) fn named_furls<T>(
        &self,
        kind: &Kind<T>,
        tahoe_cfg: Option<T>,
    ) -> Result<BTreeMap<String, NamedFurl<T>>, NamedFurlsError> {
        let Kind { option, list, .. } = *kind;
        let mut furls = self.listed(kind)?;
        if furls.len() > MOST_FURLS {
            return Err(NamedFurlsError::TooMany(list));
        }
        let mut place = format!("private/{list}.yaml");
        if let Some(furl) = tahoe_cfg {
            if furls.insert(DEFAULT.to_owned(), furl.into()).is_some() {
                return Err(NamedFurlsError::Twice { option, list });
            }
            place = format!("tahoe.cfg [client] {option}.furl");
        }
        let name = format!("{option}.furl");
        if let Some(text) = self.read(&name)?.filter(|text| !text.is_empty()) {
            let file = format!("the file {name}");
            let furl = kind.read(&text, &file)?;
            let text = (kind.text)(&furl);
            let known = furls
                .entry(DEFAULT.to_owned())
                .or_insert_with(|| furl.into());
            if (kind.text)(&known.furl) != text {
                return Err(NamedFurlsError::Contradiction {
                    one: file,
                    other: place,
                    list,
                });
            }
        }
        Ok(furls)
    }

    fn listed<T>(&self, kind: &Kind<T>) -> Result<BTreeMap<String, NamedFurl<T>>, NamedFurlsError> {
        let Kind { list, what, .. } = *kind;
        let file = format!("private/{list}.yaml");
        let Some(text) = self.read(&file)? else {
            return Ok(BTreeMap::new());
        };
        let entries =
            entries(&text, list).map_err(|source| NamedFurlsError::BadList { list, source })?;
        let entry = |(name, entry): (String, RawEntry)| {
            if name.is_empty() || name.contains(['/', '\0']) {
                return Err(NamedFurlsError::BadPetname { what, name });
            }
            let furl = kind.read(&entry.furl, &format!("{file}, {name:?},"))?;
            let connections = entry.connections.unwrap_or_default();
            Ok((name, NamedFurl { furl, connections }))
        };
        entries.into_iter().map(entry).collect()
    }
}

impl<T> Kind<T> {
    fn read(&self, text: &str, place: &str) -> Result<T, NamedFurlsError> {
        (self.parse)(text).map_err(|source| NamedFurlsError::BadFurl {
            place: place.to_owned(),
            what: self.what,
            source,
        })
    }
}

fn entries(text: &str, list: &str) -> Result<BTreeMap<String, RawEntry>, serde_yaml_ng::Error> {
    let file: Option<BTreeMap<String, serde_yaml_ng::Value>> = serde_yaml_ng::from_str(text)?;
    let listed = file.unwrap_or_default().remove(list).unwrap_or_default();
    let listed: Option<BTreeMap<String, RawEntry>> = serde_yaml_ng::from_value(listed)?;
    Ok(listed.unwrap_or_default())
}

/// The list with one FURL, called `default`: a secret.
pub(crate) fn list_of_one(list: &str, furl: &str) -> Zeroizing<String> {
    // JSON strings are YAML strings.
    let furl = serde_json::Value::from(furl);
    Zeroizing::new(format!("{list}:\n  default:\n    furl: {furl}\n"))
}
