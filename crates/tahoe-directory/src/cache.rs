//! Immutable directories that were read lately: they can't have changed.
//!
//! Mutable ones are remembered by `tahoe-mutable`, which asks servers whether its version is still
//! the latest.

use crate::Table;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tahoe_caps::ChkReadCap;

/// Memory of all tables that are remembered, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// Tables that are remembered.
const MOST_TABLES: usize = 256;

/// The tables that were used last, the latest last.
#[derive(Debug, Default)]
pub(crate) struct TableCache(Mutex<VecDeque<(ChkReadCap, Table)>>);

impl TableCache {
    pub(crate) fn of(&self, cap: &ChkReadCap) -> Option<Table> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = tables.iter().position(|(known, _)| known == cap)?;
        let found = tables.remove(index)?;
        let table = found.1.clone();
        tables.push_back(found);
        Some(table)
    }

    pub(crate) fn remember(&self, cap: &ChkReadCap, table: &Table) {
        if table.memory() > MOST_BYTES {
            return;
        }
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|(known, _)| known != cap);
        tables.push_back((cap.clone(), table.clone()));
        let mut bytes: usize = tables.iter().map(|(_, table)| table.memory()).sum();
        while bytes > MOST_BYTES || tables.len() > MOST_TABLES {
            let Some((_, oldest)) = tables.pop_front() else {
                break;
            };
            bytes -= oldest.memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Child, ChildName, Metadata, Node};
    use tahoe_crypto::{ImmutableReadKey, UriExtensionHash};

    fn cap(number: u8) -> ChkReadCap {
        ChkReadCap {
            key: ImmutableReadKey::from_bytes([number; 16]),
            uri_extension_hash: UriExtensionHash::from_bytes([0; 32]),
            shares_needed: 1,
            shares_total: 1,
            size: 1,
        }
    }

    fn table(name_length: usize) -> Table {
        let child = Child {
            node: Node::from_slots(None, Some("URI:LIT:"), true).unwrap(),
            metadata: Metadata::default(),
        };
        let name = ChildName::new(&"x".repeat(name_length));
        Table::of_children([(name, child)], &Access::Immutable).unwrap()
    }

    #[test]
    fn keeps_the_latest_within_its_bounds() {
        let cache = TableCache::default();
        let large = table(MOST_BYTES / 2 - 400);
        cache.remember(&cap(1), &large);
        cache.remember(&cap(2), &large);
        assert!(cache.of(&cap(1)).is_some());
        cache.remember(&cap(3), &large);
        assert!(cache.of(&cap(2)).is_none(), "used longest ago");
        assert!(cache.of(&cap(1)).is_some() && cache.of(&cap(3)).is_some());
        cache.remember(&cap(4), &table(MOST_BYTES));
        assert!(cache.of(&cap(4)).is_none() && cache.of(&cap(1)).is_some());
    }
}
