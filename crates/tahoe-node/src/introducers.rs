//! Which introducers a node uses.
//!
//! They stand in `private/introducers.yaml`, a mapping `introducers: {PETNAME: {furl: …}}`, each with
//! an optional `connections: {tcp: HANDLER}` for another way to it than tahoe.cfg's. One more,
//! called `default`, may be in tahoe.cfg as `[client] introducer.furl`, or in a file `introducer.furl`
//! in the node directory, as when Tahoe was young. Two places that say different things of `default`
//! are an error that names both.

use crate::config::Settings;
use crate::directory::{DirectoryError, NodeDirectory};
use foolscap::{BadFurl, Furl};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tahoe_client::ConnectionOverrides;
use zeroize::Zeroizing;

/// Most introducers that a node uses.
const MAX_INTRODUCERS: usize = 100;
const DEFAULT: &str = "default";
const YAML: &str = "private/introducers.yaml";
const TAHOE_CFG: &str = "tahoe.cfg [client] introducer.furl";
const FILE: &str = "the file introducer.furl";

/// An introducer that a node uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntroducerEntry {
    /// What the node's owner calls it.
    pub petname: String,
    /// Where it is, and the secret that opens it.
    pub furl: Furl,
    /// Where what it said is kept.
    pub cache: PathBuf,
    /// Another way than tahoe.cfg's to connect to it.
    pub connections: ConnectionOverrides,
}

/// It can't be told which introducers a node uses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntroducersError {
    /// A file can't be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The file isn't a list of introducers.
    #[error("private/introducers.yaml is not a list of introducers")]
    BadList(#[source] serde_yaml_ng::Error),
    /// A name that can't be part of the name of a file.
    #[error("an introducer cannot be called {0:?}: '/' must not be in its name")]
    BadPetname(String),
    /// A FURL can't be read; it isn't shown, since it is a secret.
    #[error("{place} does not hold the FURL of an introducer")]
    BadFurl {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: BadFurl,
    },
    /// Two places name the introducer `default`.
    #[error("{0} and {1} name different introducers: keep the right one and remove the other")]
    Contradiction(&'static str, &'static str),
    /// `default` is in both places that newer nodes have for it.
    #[error(
        "the introducer 'default' is in both {TAHOE_CFG} and {YAML}: remove it from one of them"
    )]
    Twice,
    /// There are too many.
    #[error("{YAML} names more than {MAX_INTRODUCERS} introducers")]
    TooMany,
}

#[derive(Deserialize, Default)]
struct IntroducersFile {
    #[serde(default)]
    introducers: Option<BTreeMap<String, RawEntry>>,
}

#[derive(Deserialize)]
struct RawEntry {
    furl: String,
    #[serde(default)]
    connections: Option<ConnectionOverrides>,
}

/// An introducer as it is written down.
#[derive(Clone)]
struct Listed {
    furl: Furl,
    connections: ConnectionOverrides,
}

impl From<Furl> for Listed {
    fn from(furl: Furl) -> Self {
        let connections = ConnectionOverrides::default();
        Self { furl, connections }
    }
}

impl NodeDirectory {
    /// The introducers that the node uses, by their names.
    pub fn introducers(
        &self,
        settings: &Settings,
    ) -> Result<Vec<IntroducerEntry>, IntroducersError> {
        let mut listed = self.listed_introducers()?;
        if listed.len() > MAX_INTRODUCERS {
            return Err(IntroducersError::TooMany);
        }
        let mut place = YAML;
        if let Some(furl) = &settings.client.introducer {
            let old = listed.insert(DEFAULT.to_owned(), furl.clone().into());
            if old.is_some() {
                return Err(IntroducersError::Twice);
            }
            place = TAHOE_CFG;
        }
        if let Some(text) = self
            .read("introducer.furl")?
            .filter(|text| !text.is_empty())
        {
            let furl = parse(&text, FILE)?;
            let known = listed
                .entry(DEFAULT.to_owned())
                .or_insert_with(|| furl.clone().into());
            if known.furl != furl {
                return Err(IntroducersError::Contradiction(FILE, place));
            }
        }
        let entry = |(petname, Listed { furl, connections }): (String, Listed)| {
            let cache = self.private_file(&format!("introducer_{petname}_cache.yaml"));
            IntroducerEntry {
                petname,
                furl,
                cache,
                connections,
            }
        };
        Ok(listed.into_iter().map(entry).collect())
    }

    /// Makes this introducer the node's only one, called `default`, in `private/introducers.yaml`.
    pub fn use_introducer(&self, furl: &Furl) -> Result<(), DirectoryError> {
        let text = introducers_yaml(&furl.to_text());
        self.write_private("introducers.yaml", &text)
    }

    fn listed_introducers(&self) -> Result<BTreeMap<String, Listed>, IntroducersError> {
        let Some(text) = self.read(YAML)? else {
            return Ok(BTreeMap::new());
        };
        let file: Option<IntroducersFile> =
            serde_yaml_ng::from_str(&text).map_err(IntroducersError::BadList)?;
        let listed = file.unwrap_or_default().introducers.unwrap_or_default();
        let entry = |(petname, entry): (String, RawEntry)| {
            if petname.is_empty() || petname.contains(['/', '\0']) {
                return Err(IntroducersError::BadPetname(petname));
            }
            let furl = parse(&entry.furl, &format!("{YAML}, {petname:?},"))?;
            let connections = entry.connections.unwrap_or_default();
            Ok((petname, Listed { furl, connections }))
        };
        listed.into_iter().map(entry).collect()
    }
}

/// The list of one introducer: a secret.
pub(crate) fn introducers_yaml(furl: &str) -> Zeroizing<String> {
    // JSON strings are YAML strings.
    let furl = serde_json::Value::from(furl);
    Zeroizing::new(format!("introducers:\n  default:\n    furl: {furl}\n"))
}

fn parse(text: &str, place: &str) -> Result<Furl, IntroducersError> {
    Furl::parse(text).map_err(|source| {
        let place = place.to_owned();
        IntroducersError::BadFurl { place, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret";
    const OTHER: &str = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret2";

    fn introducers(
        yaml: Option<&str>,
        tahoe_cfg: Option<&str>,
        file: Option<&str>,
    ) -> Result<Vec<(String, String)>, String> {
        let temporary = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(temporary.path());
        directory.create_private().unwrap();
        if let Some(yaml) = yaml {
            directory.write_private("introducers.yaml", yaml).unwrap();
        }
        if let Some(file) = file {
            directory.write("introducer.furl", file).unwrap();
        }
        let furl = tahoe_cfg.map(|furl| format!("[client]\nintroducer.furl = {furl}\n"));
        let settings = Settings::parse(&furl.unwrap_or_default(), temporary.path()).unwrap();
        let found = directory.introducers(&settings).map_err(|error| {
            let message = error.to_string();
            assert!(!message.contains("secret"), "{message}");
            message
        })?;
        let text = |entry: IntroducerEntry| {
            let cache = entry.cache.file_name().unwrap().to_str().unwrap();
            assert_eq!(cache, format!("introducer_{}_cache.yaml", entry.petname));
            (entry.petname, entry.furl.to_text().to_string())
        };
        Ok(found.into_iter().map(text).collect())
    }

    fn named(furls: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let owned = |(name, furl): &(&str, &str)| ((*name).to_owned(), (*furl).to_owned());
        Ok(furls.iter().map(owned).collect())
    }

    #[test]
    fn every_place_is_looked_at() {
        assert_eq!(introducers(None, None, None), Ok(vec![]));
        for empty in ["", "{}", "introducers: {}", "introducers:"] {
            assert_eq!(introducers(Some(empty), None, None), Ok(vec![]), "{empty}");
        }
        let yaml = format!("introducers:\n  a:\n    furl: {ONE}\n  b: {{furl: '{OTHER}'}}\n");
        let both = [("a", ONE), ("b", OTHER)];
        assert_eq!(introducers(Some(&yaml), None, None), named(&both));
        let default = named(&[("default", ONE)]);
        assert_eq!(introducers(None, Some(ONE), None), default);
        assert_eq!(introducers(None, None, Some(&format!("{ONE}\n"))), default);
        let three = [("a", ONE), ("b", OTHER), ("default", ONE)];
        assert_eq!(
            introducers(Some(&yaml), Some(ONE), Some(ONE)),
            named(&three)
        );
    }

    #[test]
    fn contradictions_name_both_places() {
        let yaml = format!("introducers: {{default: {{furl: '{ONE}'}}}}");
        let twice = introducers(Some(&yaml), Some(ONE), None).unwrap_err();
        assert!(twice.contains("tahoe.cfg") && twice.contains("introducers.yaml"));
        assert!(introducers(Some(&yaml), None, Some(ONE)).is_ok());
        let differ = introducers(Some(&yaml), None, Some(OTHER)).unwrap_err();
        assert!(
            differ.contains("the file introducer.furl") && differ.contains(YAML),
            "{differ}"
        );
        let differ = introducers(None, Some(ONE), Some(OTHER)).unwrap_err();
        assert!(differ.contains("the file introducer.furl") && differ.contains(TAHOE_CFG));
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_secret() {
        for (yaml, expected) in [
            ("- x", "private/introducers.yaml is not a list"),
            ("introducers: [a]", "private/introducers.yaml is not a list"),
            (
                "introducers: {a: {}}",
                "private/introducers.yaml is not a list",
            ),
            (
                "introducers: {a/b: {furl: x}}",
                "an introducer cannot be called \"a/b\"",
            ),
            (
                "introducers: {a: {furl: secret}}",
                "private/introducers.yaml, \"a\", does not hold",
            ),
        ] {
            let error = introducers(Some(yaml), None, None).unwrap_err();
            assert!(error.starts_with(expected), "{yaml}: {error}");
        }
        assert!(introducers(None, None, Some("secret")).is_err());
        let many: Vec<String> = (0..=MAX_INTRODUCERS)
            .map(|number| format!("p{number}: {{furl: '{ONE}'}}"))
            .collect();
        let many = format!("introducers: {{{}}}", many.join(", "));
        assert!(
            introducers(Some(&many), None, None)
                .unwrap_err()
                .contains("more than")
        );
    }
}
