//! The line of a `vdrive.furl` file: where the drive is, and the key to what it keeps.

use crate::keys::{DriveKeys, WriteKeys};
use foolscap::Furl;
use zeroize::Zeroizing;

/// A text isn't the line of a `vdrive.furl` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the FURL of a shared drive: it must look like pb://TUBID@tcp:host:port/name#KEY")]
pub struct BadDriveFurl;

/// `pb://TUB-ID@hints/swissnum#KEY`. The part before `#` opens the drive at its server, the part
/// after it is for clients only and never sent.
#[derive(Clone, Debug)]
pub struct DriveFurl {
    /// Where the drive is, and what opens it there.
    pub furl: Furl,
    /// What reads, or changes, the entries.
    pub keys: DriveKeys,
}

impl DriveFurl {
    /// Reads the line of a file.
    pub fn parse(text: &str) -> Result<Self, BadDriveFurl> {
        let (furl, keys) = text.trim().rsplit_once('#').ok_or(BadDriveFurl)?;
        let furl = Furl::parse(furl).map_err(|_| BadDriveFurl)?;
        if furl.swissnum.as_str().contains('#') {
            return Err(BadDriveFurl);
        }
        let keys = DriveKeys::from_text(keys).map_err(|_| BadDriveFurl)?;
        Ok(Self { furl, keys })
    }

    /// Writes the line, without its end: a secret, never for a log.
    pub fn to_text(&self) -> Zeroizing<String> {
        let (furl, keys) = (self.furl.to_text(), self.keys.to_text());
        Zeroizing::new(format!("{}#{}", *furl, *keys))
    }

    /// The lines of a new drive's two files, read-write and read-only, from the server's two FURLs
    /// and 32 random bytes.
    pub fn of_new_drive(read_write: Furl, read_only: Furl, secret: [u8; 32]) -> (Self, Self) {
        let keys = WriteKeys::from_secret(secret);
        let read_only = Self {
            furl: read_only,
            keys: DriveKeys::ReadOnly(Box::new(keys.read_keys().clone())),
        };
        let read_write = Self {
            furl: read_write,
            keys: DriveKeys::ReadWrite(Box::new(keys)),
        };
        (read_write, read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FURL: &str = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:46423/dldo";

    fn new_drive() -> (DriveFurl, DriveFurl) {
        let furl = Furl::parse(FURL).unwrap();
        DriveFurl::of_new_drive(furl.clone(), furl, [7; 32])
    }

    #[test]
    fn both_lines_are_read_as_they_are_written() {
        let (read_write, read_only) = new_drive();
        for furl in [&read_write, &read_only] {
            let text = furl.to_text();
            let again = DriveFurl::parse(&format!("{}\n", *text)).unwrap();
            assert_eq!(again.to_text(), text);
            let shown = format!("{again:?}");
            assert!(!shown.contains("dldo") && !shown.contains("1-"), "{shown}");
        }
        assert!(read_write.keys.write_keys().is_some());
        assert!(read_only.keys.write_keys().is_none());
        assert!(
            !read_only
                .to_text()
                .contains(&read_write.to_text()[FURL.len() + 4..])
        );
    }

    #[test]
    fn refuses_what_is_no_drive() {
        let (read_write, _) = new_drive();
        let text = read_write.to_text();
        for bad in [
            FURL.to_owned(),
            format!("{FURL}#"),
            format!("{FURL}#w1-aaaa"),
            format!("{FURL}#r1-{}", "a".repeat(52)),
            format!("{FURL}#{}", *text),
            text[..text.len() - 1].to_owned(),
            format!("{}a", *text),
        ] {
            assert!(DriveFurl::parse(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text: String) {
            let _ = DriveFurl::parse(&format!("{FURL}#{text}")).is_ok();
            let _ = DriveFurl::parse(&text).is_ok();
        }
    }
}
