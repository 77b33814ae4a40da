//! Which introducers a node uses: see [`named_furls`](crate::named_furls) for where they stand.

use crate::config::Settings;
use crate::directory::{DirectoryError, NodeDirectory};
use crate::named_furls::{Kind, NamedFurl, NamedFurlsError, list_of_one};
use foolscap::Furl;
use std::path::PathBuf;
use tahoe_client::ConnectionOverrides;
use zeroize::Zeroizing;

const INTRODUCERS: Kind<Furl> = Kind {
    option: "introducer",
    list: "introducers",
    what: "an introducer",
    parse: |text| Ok(Furl::parse(text)?),
    text: Furl::to_text,
};

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

impl NodeDirectory {
    /// The introducers that the node uses, by their names.
    pub fn introducers(
        &self,
        settings: &Settings,
    ) -> Result<Vec<IntroducerEntry>, NamedFurlsError> {
        let furls = self.named_furls(&INTRODUCERS, settings.client.introducer.clone())?;
        let entry = |(petname, NamedFurl { furl, connections }): (String, NamedFurl<Furl>)| {
            let cache = self.private_file(&format!("introducer_{petname}_cache.yaml"));
            IntroducerEntry {
                petname,
                furl,
                cache,
                connections,
            }
        };
        Ok(furls.into_iter().map(entry).collect())
    }

    /// Makes this introducer the node's only one, called `default`, in `private/introducers.yaml`.
    pub fn use_introducer(&self, furl: &Furl) -> Result<(), DirectoryError> {
        let text = introducers_yaml(&furl.to_text());
        self.write_private("introducers.yaml", &text)
    }
}

/// The list of one introducer: a secret.
pub(crate) fn introducers_yaml(furl: &str) -> Zeroizing<String> {
    list_of_one(INTRODUCERS.list, furl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named_furls::MOST_FURLS;

    const YAML: &str = "private/introducers.yaml";
    const TAHOE_CFG: &str = "tahoe.cfg [client] introducer.furl";
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
        let many: Vec<String> = (0..=MOST_FURLS)
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
