//! The paths of the protocol.

use http::Method;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, ShareNumber};

/// Where a request goes. `Display` writes the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/storage/v1/version`
    Version,
    /// `/storage/v1/lease/SI`
    Lease(StorageIndex),
    /// `/storage/v1/immutable/SI`
    Allocate(StorageIndex),
    /// `/storage/v1/mutable/SI/read-test-write`
    ReadTestWrite(StorageIndex),
    /// `/storage/v1/KIND/SI/shares`
    Shares(ShareKind, StorageIndex),
    /// `/storage/v1/KIND/SI/N`
    Share(ShareKind, StorageIndex, PathNumber),
    /// `/storage/v1/immutable/SI/N/abort`
    Abort(StorageIndex, PathNumber),
    /// `/storage/v1/KIND/SI/N/corrupt`
    Corrupt(ShareKind, StorageIndex, PathNumber),
}

/// The number in a path: any run of digits, though only 0 to 255 can name a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathNumber(u64);

impl PathNumber {
    /// The share that it names, if any can have that number.
    pub fn share(self) -> Option<ShareNumber> {
        u8::try_from(self.0).ok().map(ShareNumber)
    }
}

impl From<ShareNumber> for PathNumber {
    fn from(share: ShareNumber) -> Self {
        Self(share.0.into())
    }
}

impl Route {
    /// Reads the path of a URL; escapes are decoded, leading zeros of a number don't count.
    pub fn parse(path: &str) -> Option<Self> {
        let path = if path.contains('%') {
            percent_decode_str(path).decode_utf8().ok()?
        } else {
            Cow::Borrowed(path)
        };
        let mut rest = path.strip_prefix("/storage/v1/")?.split('/');
        let words = [(); 4].map(|()| rest.next());
        if rest.next().is_some() {
            return None;
        }
        let [first, storage_index, third, fourth] = words;
        if (first, storage_index) == (Some("version"), None) {
            return Some(Self::Version);
        }
        let index: StorageIndex = storage_index?.parse().ok()?;
        let kind = match first? {
            "lease" if third.is_none() => return Some(Self::Lease(index)),
            "immutable" => ShareKind::Immutable,
            "mutable" => ShareKind::Mutable,
            _ => return None,
        };
        match (kind, third, fourth) {
            (ShareKind::Immutable, None, None) => Some(Self::Allocate(index)),
            (ShareKind::Mutable, Some("read-test-write"), None) => Some(Self::ReadTestWrite(index)),
            (_, Some("shares"), None) => Some(Self::Shares(kind, index)),
            (_, Some(number), None) => Some(Self::Share(kind, index, path_number(number)?)),
            (ShareKind::Immutable, Some(number), Some("abort")) => {
                Some(Self::Abort(index, path_number(number)?))
            }
            (_, Some(number), Some("corrupt")) => {
                Some(Self::Corrupt(kind, index, path_number(number)?))
            }
            _ => None,
        }
    }

    /// The methods that the path takes, as the `Allow` header lists them.
    pub fn allowed_methods(&self) -> &'static str {
        match self {
            Self::Version | Self::Shares(..) | Self::Share(ShareKind::Mutable, ..) => "GET, HEAD",
            Self::Share(ShareKind::Immutable, ..) => "GET, HEAD, PATCH",
            Self::Lease(_) | Self::Abort(..) => "PUT",
            Self::Allocate(_) | Self::ReadTestWrite(_) | Self::Corrupt(..) => "POST",
        }
    }

    /// Says whether the path takes a method.
    pub fn allows(&self, method: &Method) -> bool {
        let mut allowed = self.allowed_methods().split(", ");
        allowed.any(|allowed| allowed == method.as_str())
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("/storage/v1/")?;
        match self {
            Self::Version => f.write_str("version"),
            Self::Lease(index) => write!(f, "lease/{index}"),
            Self::Allocate(index) => write!(f, "immutable/{index}"),
            Self::ReadTestWrite(index) => write!(f, "mutable/{index}/read-test-write"),
            Self::Shares(kind, index) => write!(f, "{}/{index}/shares", kind.as_str()),
            Self::Share(kind, index, number) => {
                write!(f, "{}/{index}/{}", kind.as_str(), number.0)
            }
            Self::Abort(index, number) => write!(f, "immutable/{index}/{}/abort", number.0),
            Self::Corrupt(kind, index, number) => {
                write!(f, "{}/{index}/{}/corrupt", kind.as_str(), number.0)
            }
        }
    }
}

/// Reads ASCII digits; what doesn't fit is the largest number, which names no share.
fn path_number(text: &str) -> Option<PathNumber> {
    super::ranges::parse_digits(text).map(PathNumber)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INDEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn reads_each_path_and_writes_it_again() {
        let index = StorageIndex::from_bytes([0; 16]);
        let seven = PathNumber(7);
        for (path, route, methods) in [
            ("version".to_owned(), Route::Version, "GET, HEAD"),
            (format!("lease/{INDEX}"), Route::Lease(index), "PUT"),
            (format!("immutable/{INDEX}"), Route::Allocate(index), "POST"),
            (
                format!("mutable/{INDEX}/read-test-write"),
                Route::ReadTestWrite(index),
                "POST",
            ),
            (
                format!("immutable/{INDEX}/shares"),
                Route::Shares(ShareKind::Immutable, index),
                "GET, HEAD",
            ),
            (
                format!("mutable/{INDEX}/7"),
                Route::Share(ShareKind::Mutable, index, seven),
                "GET, HEAD",
            ),
            (
                format!("immutable/{INDEX}/7"),
                Route::Share(ShareKind::Immutable, index, seven),
                "GET, HEAD, PATCH",
            ),
            (
                format!("immutable/{INDEX}/7/abort"),
                Route::Abort(index, seven),
                "PUT",
            ),
            (
                format!("mutable/{INDEX}/7/corrupt"),
                Route::Corrupt(ShareKind::Mutable, index, seven),
                "POST",
            ),
        ] {
            let path = format!("/storage/v1/{path}");
            assert_eq!(Route::parse(&path), Some(route), "{path}");
            assert_eq!(route.to_string(), path);
            assert_eq!(route.allowed_methods(), methods);
        }
    }

    #[test]
    fn knows_odd_spellings() {
        let index = StorageIndex::from_bytes([0; 16]);
        assert_eq!(Route::parse("/storage/v1/vers%69on"), Some(Route::Version));
        for (number, share) in [("007", Some(7)), ("255", Some(255)), ("256", None)] {
            let path = format!("/storage/v1/mutable/{INDEX}/{number}");
            let Some(Route::Share(ShareKind::Mutable, found, number)) = Route::parse(&path) else {
                panic!("{path}");
            };
            assert_eq!((found, number.share()), (index, share.map(ShareNumber)));
        }
    }

    #[test]
    fn refuses_other_paths() {
        for path in [
            "",
            "/",
            "/storage/v1/",
            "/storage/v1/version/",
            "/storage//v1/version",
            "/storage/v2/version",
            "/storage/v1/lease",
            "/storage/v1/lease/aaaaaaaaaaaaaaaaaaaaaaaaaa/1",
            "/storage/v1/mutable/aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "/storage/v1/mutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/1/abort",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/read-test-write",
            "/storage/v1/immutable/AAAAAAAAAAAAAAAAAAAAAAAAAA/1",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaa/1",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaab/1",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/-1",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/+1",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/1x",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/1/corrupt/2",
            "/storage/v1/vers%ffion",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_again(path in "/storage/v1/(im)?mutable/[a-z2-7]{26}(/[0-9]{1,4}(/[a-z]{1,7})?)?") {
            if let Some(route) = Route::parse(&path) {
                prop_assert_eq!(Route::parse(&route.to_string()), Some(route));
            }
        }

        #[test]
        fn any_path_is_read_or_refused(path: String) {
            let _ = Route::parse(&path);
        }
    }
}
