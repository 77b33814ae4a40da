//! What the server knows directories, entries and changes by.

use tahoe_encoding::base32::{self, Base32Error};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Size in bytes.
            pub const LENGTH: usize = 16;

            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = Base32Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                base32::decode_array(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&base32::encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// Names a directory, wherever it is moved; chosen at random by the client that makes it.
    DirectoryId
}

id! {
    /// Names an entry in its directory: a keyed hash of its name, so that the server can look it up
    /// without knowing the name.
    EntryId
}

impl DirectoryId {
    /// The drive's root.
    pub const ROOT: Self = Self([0; 16]);
}

/// Where an entry is. It is sealed into the entry, which is of no use anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// In which directory.
    pub directory: DirectoryId,
    /// As which entry.
    pub entry: EntryId,
}

/// The version of an entry, chosen and signed by who wrote it: the time in microseconds since 1970,
/// or more if a version that was as late is known already.
///
/// A place's versions only grow, also over removal and return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Counts the changes of a drive, at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Version {
    /// The largest one, that of a database's integers.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
