//! Directories: the table in a directory's file, its edits, and walks through a tree.
//!
//! ```
//! use tahoe_crypto::WriteKey;
//! use tahoe_directory::{Access, Child, ChildName, Metadata, Node, Table};
//!
//! let access = Access::Write(WriteKey::from_bytes([7; 16]));
//! let node = Node::from_slots(None, Some("URI:LIT:nbswy3dp"), false)?;
//! let child = Child { node, metadata: Metadata::default() };
//! let mut table = Table::default();
//! table.set(ChildName::new("cafe\u{301}"), &child, &access)?;
//!
//! let again = Table::parse(&table.to_bytes().into(), &access)?;
//! assert_eq!(again.child(&ChildName::new("caf\u{e9}"), &access), Some(child));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariants:** tables are byte for byte those of Tahoe-LAFS 1.20. Who may only read a directory
//! sees no write capability of a child. An entry that isn't changed keeps its bytes. The format is
//! described in `docs/formats/directory.md`.

mod cache;
mod core;
mod directories;
mod directory;
mod edit;
mod error;
mod metadata;
mod name;
mod node;
mod queue;
mod stats;
mod table;
mod walk;

pub use core::{ImmutableFiles, Surroundings};
pub use directories::{Children, Directories, Listing};
pub use directory::Directory;
pub use edit::{Edit, EditError, NewChild, Replace};
pub use error::DirectoryError;
pub use metadata::Metadata;
pub use name::ChildName;
pub use node::Node;
pub use stats::DeepStats;
pub use table::{Access, Child, EntryError, MAX_CHILDREN, MAX_TABLE_SIZE, Table, TableError};
pub use walk::{Visit, Walk};
