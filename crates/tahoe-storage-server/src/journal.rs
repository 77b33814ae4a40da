//! Changes that are durable before their containers are.
//!
//! Making a new file durable costs two commits of the file system's own journal, several
//! milliseconds each on common disks; overwriting bytes of a file that has them already and
//! syncing it costs a fraction of that. So a small change is first written here, in a file whose
//! blocks exist, together with all changes that wait at the same moment; one sync makes them all
//! durable. Then the containers are changed without a sync, and the caller is answered. From time
//! to time a checkpoint syncs the whole file system and forgets the records.
//!
//! It also makes changes atomic. A container is edited in place, however large, and a crash may
//! leave any part of the edits on the disk; repeating the record puts the rest there.
//!
//! There are two segment files. While one takes records, the other is being checkpointed or is
//! empty; commits wait only when both are full. A record that is too large for a segment goes to a
//! file of its own and is referred to.
//!
//! **Invariants:** changes of one storage index are committed one after the other, each after the
//! one before has been carried out. A record is kept until its change is carried out and synced.
//! Repeating all records in order, from any state between the last checkpoint and the crash, gives
//! the state after the last record.
//!
//! After a clean stop there is no journal. It lies in `shares/incoming/`, which the original empties
//! when it starts: a server of either kind that takes over the directory starts without stale records.

mod record;
mod segments;

pub(crate) use segments::Journal;
