//! FURLs: where an object is, and the secret that opens it.

use crate::TubId;
use crate::tub_id::BASE32;
use zeroize::Zeroizing;

/// A text isn't a FURL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a FURL: it must look like pb://TUBID@tcp:host:port/name")]
pub struct BadFurl;

/// An object's name in its tub: whoever knows it may use the object.
#[derive(Clone, PartialEq, Eq)]
pub struct Swissnum(Zeroizing<String>);

impl Swissnum {
    /// Takes a name that isn't empty.
    pub fn new(name: &str) -> Result<Self, BadFurl> {
        if name.is_empty() || name.contains(['\r', '\n']) {
            return Err(BadFurl);
        }
        Ok(Self(Zeroizing::new(name.to_owned())))
    }

    /// Makes an unguessable name of 160 random bits.
    pub fn from_random(random: &[u8; 20]) -> Self {
        Self(Zeroizing::new(BASE32.encode(random)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Swissnum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Swissnum(..)")
    }
}

/// `pb://TUB-ID@hint,hint/swissnum`: a tub, where it may be found, and an object in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Furl {
    /// Who the tub is.
    pub tub_id: TubId,
    /// Where to find it, such as `tcp:host:port`; may be empty.
    pub hints: Vec<String>,
    /// Which object.
    pub swissnum: Swissnum,
}

impl Furl {
    /// Reads a FURL; what follows 32 characters of tub id is ignored, as the original does.
    pub fn parse(text: &str) -> Result<Self, BadFurl> {
        let rest = text.trim().strip_prefix("pb://").ok_or(BadFurl)?;
        let (tub_id, rest) = rest.split_once('@').ok_or(BadFurl)?;
        let (hints, swissnum) = rest.split_once('/').ok_or(BadFurl)?;
        let tub_id = tub_id.get(..32).and_then(|id| id.parse().ok());
        let hints: Vec<String> = match hints {
            "" => Vec::new(),
            hints => hints.split(',').map(str::to_owned).collect(),
        };
        if hints.iter().any(String::is_empty) {
            return Err(BadFurl);
        }
        Ok(Self {
            tub_id: tub_id.ok_or(BadFurl)?,
            hints,
            swissnum: Swissnum::new(swissnum)?,
        })
    }

    /// Writes the FURL: a secret, never for a log.
    pub fn to_text(&self) -> Zeroizing<String> {
        let hints = self.hints.join(",");
        let swissnum = self.swissnum.as_str();
        Zeroizing::new(format!("pb://{}@{hints}/{swissnum}", self.tub_id))
    }
}

/// Leaves out the secret.
impl std::fmt::Debug for Furl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Furl(pb://{}@{}/…)", self.tub_id, self.hints.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FURL: &str =
        "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:46423,tor:x.onion:1,b:2/dldo";

    #[test]
    fn reads_what_the_original_writes() {
        let furl = Furl::parse(&format!("{FURL}\n")).unwrap();
        assert_eq!(furl.hints, ["tcp:127.0.0.1:46423", "tor:x.onion:1", "b:2"]);
        assert_eq!(furl.to_text().as_str(), FURL);
        assert!(!format!("{furl:?}").contains("dldo"));
        for bad in [
            "",
            "http://x@y/z",
            "pb://y3o76@a:1/z",
            "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@a:1/",
            "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@a:1,/z",
            "pb://y3o76xcnlz2ozxc252v7sv5infn4cats/z",
        ] {
            assert_eq!(Furl::parse(bad), Err(BadFurl), "{bad:?}");
        }
        let without = Furl::parse("pb://y3o76xcnlz2ozxc252v7sv5infn4cats@/z").unwrap();
        assert!(without.hints.is_empty());
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back(text in "pb://[a-z2-7]{32}@[a-z:,0-9]{0,20}/[a-z]{0,9}") {
            if let Ok(furl) = Furl::parse(&text) {
                let written = furl.to_text();
                prop_assert_eq!(written.as_str(), text.as_str());
            }
        }

        #[test]
        fn never_panics(text: String) {
            let _ = Furl::parse(&format!("pb://{text}")).is_ok();
        }
    }
}
