//! Changes of a directory, as they are applied to its table.

use crate::{Access, Child, ChildName, EntryError, Metadata, Node, Table};
use std::time::SystemTime;
use tahoe_caps::CapError;

/// What may be replaced by a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Whatever is there.
    Anything,
    /// Anything but directories.
    OnlyFiles,
    /// Nothing: the name must be free.
    Nothing,
}

/// A child that is to be linked.
#[derive(Debug, Clone)]
pub struct NewChild {
    /// What it is.
    pub node: Node,
    /// The user's metadata; without it, that of the entry so far stays.
    pub metadata: Option<Metadata>,
}

/// A change of one directory. It happens as a whole or not at all.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Links children under names.
    Link {
        /// Each name and what it shall be.
        children: Vec<(ChildName, NewChild)>,
        /// What may be replaced.
        replace: Replace,
    },
    /// Removes an entry.
    Unlink {
        /// Its name.
        name: ChildName,
    },
    /// Moves an entry to another name.
    Rename {
        /// Its name.
        from: ChildName,
        /// What it shall be.
        to: ChildName,
        /// What may be replaced.
        replace: Replace,
    },
}

/// Why a change of a directory is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such child.
    #[error("no such child")]
    NoSuchChild(ChildName),
    /// There is a child of that name, and it may not be replaced.
    #[error("there is a child of that name")]
    ChildExists(ChildName),
    /// An object can't be an entry of this directory.
    #[error("a child can't be linked here")]
    BadEntry(ChildName, #[source] EntryError),
    /// A capability may not stand where it was given.
    #[error("a capability can't be linked")]
    BadCapability(ChildName, #[source] CapError),
}

/// Which try of a change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The first: the table is what others left.
    First,
    /// A later one: the table may hold what an earlier attempt wrote in part.
    Again,
}

/// The child that was unlinked or moved, if there was one.
pub(crate) type Changed = Option<Child>;

impl Edit {
    /// Links one child.
    pub fn link(name: ChildName, child: NewChild, replace: Replace) -> Self {
        let children = vec![(name, child)];
        Self::Link { children, replace }
    }

    /// Changes the table; leaves it as it was on an error.
    pub(crate) fn apply(
        &self,
        table: &mut Table,
        access: &Access,
        now: SystemTime,
        attempt: Attempt,
    ) -> Result<Changed, EditError> {
        match self {
            Self::Link { children, replace } => {
                let entries = children.iter().map(|(name, child)| {
                    let old = table.child(name, access);
                    check_replace(name, old.as_ref(), &child.node, *replace, attempt)?;
                    Ok((name.clone(), linked(name, old.as_ref(), child, now)?))
                });
                let entries: Vec<_> = entries.collect::<Result<_, EditError>>()?;
                table
                    .set_all(entries, access)
                    .map_err(|(name, error)| EditError::BadEntry(name, error))?;
                Ok(None)
            }
            Self::Unlink { name } => {
                let old = table.child(name, access);
                if !table.remove(name) && attempt == Attempt::First {
                    return Err(EditError::NoSuchChild(name.clone()));
                }
                Ok(old)
            }
            // Nothing to do, and nothing is looked up, as in the reference.
            Self::Rename { from, to, .. } if from == to => Ok(None),
            Self::Rename { from, to, replace } => {
                rename(table, (from, to), *replace, access, (now, attempt))
            }
        }
    }
}

fn rename(
    table: &mut Table,
    (from, to): (&ChildName, &ChildName),
    replace: Replace,
    access: &Access,
    (now, attempt): (SystemTime, Attempt),
) -> Result<Changed, EditError> {
    let old = table.child(to, access);
    let Some(moved) = table.child(from, access) else {
        // An earlier attempt may have moved it already.
        return match old {
            Some(old) if attempt == Attempt::Again => Ok(Some(old)),
            _ => Err(EditError::NoSuchChild(from.clone())),
        };
    };
    check_replace(to, old.as_ref(), &moved.node, replace, attempt)?;
    let child = NewChild {
        node: moved.node.clone(),
        metadata: Some(moved.metadata.clone()),
    };
    let child = linked(to, old.as_ref(), &child, now)?;
    table
        .rename(from, to.clone(), &child, access)
        .map_err(|error| EditError::BadEntry(to.clone(), error))?;
    Ok(Some(moved))
}

/// Refuses to replace what may not be replaced. What an earlier attempt of the same change wrote is
/// no obstacle.
fn check_replace(
    name: &ChildName,
    old: Option<&Child>,
    new: &Node,
    replace: Replace,
    attempt: Attempt,
) -> Result<(), EditError> {
    let Some(old) = old else {
        return Ok(());
    };
    let allowed = match replace {
        Replace::Anything => true,
        Replace::OnlyFiles => !old.node.is_directory(),
        Replace::Nothing => false,
    };
    if allowed || (attempt == Attempt::Again && old.node == *new) {
        Ok(())
    } else {
        Err(EditError::ChildExists(name.clone()))
    }
}

/// The entry that a link makes: with its times, and read-only if its metadata ask for that.
fn linked(
    name: &ChildName,
    old: Option<&Child>,
    new: &NewChild,
    now: SystemTime,
) -> Result<Child, EditError> {
    let old = old.map(|old| &old.metadata);
    let metadata = Metadata::of_link(old, new.metadata.as_ref(), now);
    let node = if metadata.is_no_write() {
        let refused = |error| EditError::BadCapability(name.clone(), error);
        new.node.to_read_only().map_err(refused)?
    } else {
        new.node.clone()
    };
    Ok(Child { node, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;
    use tahoe_crypto::WriteKey;

    const SSK: &str = "URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:\
                       hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";

    fn name(text: &str) -> ChildName {
        ChildName::new(text)
    }

    fn literal(content: &str) -> Node {
        let text = format!(
            "URI:LIT:{}",
            tahoe_encoding::base32::encode(content.as_bytes())
        );
        Node::from_slots(None, Some(&text), false).unwrap()
    }

    fn directory() -> Node {
        Node::from_slots(None, Some("URI:DIR2-LIT:"), false).unwrap()
    }

    fn link(at: &str, node: Node, replace: Replace) -> Edit {
        let metadata = None;
        Edit::link(name(at), NewChild { node, metadata }, replace)
    }

    fn rename(from: &str, to: &str, replace: Replace) -> Edit {
        let (from, to) = (name(from), name(to));
        Edit::Rename { from, to, replace }
    }

    /// A table and what is done to it, a second per change.
    struct Bench {
        table: Table,
        access: Access,
        seconds: u64,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                table: Table::default(),
                access: Access::Write(WriteKey::from_bytes([1; 16])),
                seconds: 0,
            }
        }

        fn attempt(&mut self, edit: &Edit, attempt: Attempt) -> Result<Changed, EditError> {
            self.seconds += 1;
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds);
            let before = self.table.to_bytes();
            let changed = edit.apply(&mut self.table, &self.access, now, attempt);
            if changed.is_err() {
                assert_eq!(self.table.to_bytes(), before, "an error changes nothing");
            }
            changed
        }

        fn first(&mut self, edit: &Edit) -> Result<Changed, EditError> {
            self.attempt(edit, Attempt::First)
        }

        fn again(&mut self, edit: &Edit) -> Result<Changed, EditError> {
            self.attempt(edit, Attempt::Again)
        }

        fn times(&self, at: &str) -> (Option<f64>, Option<f64>) {
            let child = self.table.child(&name(at), &self.access).unwrap();
            (
                child.metadata.link_created(),
                child.metadata.link_modified(),
            )
        }

        fn node(&self, at: &str) -> Option<Node> {
            let child = self.table.child(&name(at), &self.access)?;
            Some(child.node)
        }
    }

    #[test]
    fn links_replace_what_they_may() {
        let mut bench = Bench::new();
        bench
            .first(&link("f", literal("1"), Replace::Nothing))
            .unwrap();
        bench
            .first(&link("d", directory(), Replace::Nothing))
            .unwrap();
        let exists = |at: &str| Err(EditError::ChildExists(name(at)));
        assert_eq!(
            bench.first(&link("f", literal("2"), Replace::Nothing)),
            exists("f")
        );
        assert_eq!(
            bench.first(&link("d", literal("2"), Replace::OnlyFiles)),
            exists("d")
        );
        bench
            .first(&link("f", literal("2"), Replace::OnlyFiles))
            .unwrap();
        assert_eq!(bench.times("f"), (Some(1.0), Some(5.0)));
        bench
            .first(&link("d", literal("3"), Replace::Anything))
            .unwrap();
        assert_eq!(bench.node("d"), Some(literal("3")));
    }

    #[test]
    fn several_links_happen_together() {
        let mut bench = Bench::new();
        bench
            .first(&link("b", literal("1"), Replace::Nothing))
            .unwrap();
        let children = ["a", "b"].map(|at| {
            let metadata = None;
            (
                name(at),
                NewChild {
                    node: literal("2"),
                    metadata,
                },
            )
        });
        let children = children.to_vec();
        let replace = Replace::Nothing;
        assert!(bench.first(&Edit::Link { children, replace }).is_err());
        assert_eq!(bench.node("a"), None);
    }

    #[test]
    fn a_later_attempt_recognises_its_own_work() {
        let mut bench = Bench::new();
        let made = link("f", literal("1"), Replace::Nothing);
        bench.first(&made).unwrap();
        bench.again(&made).unwrap();
        assert!(
            bench
                .again(&link("f", literal("2"), Replace::Nothing))
                .is_err()
        );
        let moved = rename("f", "g", Replace::Nothing);
        bench.first(&moved).unwrap();
        bench.again(&moved).unwrap();
        let unlinked = Edit::Unlink { name: name("g") };
        assert!(bench.first(&unlinked).unwrap().is_some());
        assert_eq!(bench.again(&unlinked), Ok(None));
        assert_eq!(
            bench.first(&unlinked),
            Err(EditError::NoSuchChild(name("g")))
        );
        assert_eq!(bench.again(&moved), Err(EditError::NoSuchChild(name("f"))));
    }

    #[test]
    fn renames_keep_metadata_and_start_new_times() {
        let mut bench = Bench::new();
        let metadata = Metadata::new(json!({"a": 1}).as_object().unwrap().clone());
        let child = NewChild {
            node: directory(),
            metadata: Some(metadata),
        };
        bench
            .first(&Edit::link(name("x"), child, Replace::Nothing))
            .unwrap();
        bench
            .first(&link("y", literal("1"), Replace::Nothing))
            .unwrap();
        assert!(bench.first(&rename("x", "y", Replace::Nothing)).is_err());
        assert!(bench.first(&rename("y", "x", Replace::OnlyFiles)).is_err());
        bench.first(&rename("x", "y", Replace::OnlyFiles)).unwrap();
        assert_eq!(
            (bench.node("x"), bench.node("y")),
            (None, Some(directory()))
        );
        assert_eq!(bench.times("y"), (Some(2.0), Some(5.0)));
        bench.first(&rename("y", "z", Replace::Nothing)).unwrap();
        assert_eq!(bench.times("z"), (Some(6.0), Some(6.0)));
        let moved = bench.table.child(&name("z"), &bench.access).unwrap();
        assert_eq!(moved.metadata.as_object()["a"], 1);
        // The same name in another form; also if there is nothing.
        bench
            .first(&rename("e\u{301}", "\u{e9}", Replace::Nothing))
            .unwrap();
    }

    #[test]
    fn no_write_links_read_only() {
        let mut bench = Bench::new();
        let node = Node::from_slots(Some(SSK), None, false).unwrap();
        let unknown = Node::from_slots(Some("future:w"), Some("future:r"), false).unwrap();
        let metadata = Metadata::new(json!({"no-write": true}).as_object().unwrap().clone());
        for (at, node) in [("k", &node), ("u", &unknown)] {
            let child = NewChild {
                node: node.clone(),
                metadata: Some(metadata.clone()),
            };
            bench
                .first(&Edit::link(name(at), child, Replace::Nothing))
                .unwrap();
            let linked = bench.node(at).unwrap();
            assert_eq!(linked.write_cap_text(), None);
            assert_eq!(linked.read_cap_text(), node.read_cap_text());
            // The metadata stay, and with them the rule.
            bench
                .first(&link(at, node.clone(), Replace::Anything))
                .unwrap();
            assert_eq!(bench.node(at), Some(linked));
        }
    }
}
