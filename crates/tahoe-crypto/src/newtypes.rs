//! Two shapes of fixed-size byte newtypes: public identifiers and secrets.

/// Declares an identifier that may be shown: it prints as base32.
macro_rules! public_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Size in bytes.
            pub const LENGTH: usize = $length;

            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = tahoe_encoding::base32::Base32Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                tahoe_encoding::base32::decode_array(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&tahoe_encoding::base32::encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

/// Declares a secret: `Debug` shows a fingerprint, comparison is constant-time, drop wipes it.
macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Size in bytes.
            pub const LENGTH: usize = $length;

            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes: for a format or a wire that must carry them, never for a log.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// The secret in Tahoe's base32: for a format that must carry it, never for a log.
            pub fn to_base32(&self) -> String {
                tahoe_encoding::base32::encode(&self.0)
            }

            /// Reads the form that `to_base32` writes.
            pub fn from_base32(
                text: &str,
            ) -> Result<Self, tahoe_encoding::base32::Base32Error> {
                tahoe_encoding::base32::decode_array(text).map(Self)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }

        impl Eq for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let fingerprint = crate::hash::log_fingerprint(&self.0);
                write!(f, concat!(stringify!($name), "(~{})"), fingerprint)
            }
        }
    };
}

pub(crate) use {public_bytes, secret_bytes};
