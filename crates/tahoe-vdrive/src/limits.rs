//! What a drive's parts may hold; each refusal names its limit.

use std::time::Duration;

/// Longest name, in bytes of UTF-8 in normal form C.
pub const MAX_NAME_BYTES: usize = 1024;
/// Longest text of a file's capability.
pub const MAX_TARGET_BYTES: usize = 4096;
/// Longest metadata of a frontend's own.
pub const MAX_NOTES_BYTES: usize = 8192;
/// Largest sealed entry; room for these, two capabilities, and what seals them.
pub const MAX_RECORD_BYTES: usize = 20 << 10;
/// Deepest directory in which something may be changed, and longest path.
pub const MAX_DEPTH: usize = 100;
/// Most entries on the way from a directory to the root that are looked for: what was removed may have
/// been in something that was removed before.
pub const MAX_WAY: usize = 2 * MAX_DEPTH;
/// Most entries in one page of a listing.
pub const MAX_PAGE_ENTRIES: usize = 1000;
/// Bytes of sealed entries after which a page ends.
pub const MAX_PAGE_BYTES: usize = 1 << 20;
/// Most entries of a directory that are listed at once, sorted.
pub const MAX_LISTED_ENTRIES: usize = 200_000;
/// Most removed or replaced entries that the trash keeps when it is swept.
pub const MAX_TRASH_ENTRIES: usize = 20_000;
/// How long the trash keeps an entry.
pub const TRASH_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most rows that one step of sweeping removes, so that changes don't wait long for it.
pub const SWEEP_STEP: usize = 1000;
/// Most changes in one transaction.
pub const MAX_BATCH: usize = 256;
/// Most changes that wait for the writer; who brings more waits.
pub const MAX_WAITING_CHANGES: usize = 1024;
/// Most directories whose changes a database announces one by one; with more, all are announced.
pub const MAX_ANNOUNCED_CHANGES: usize = 1024;
/// Most subscriptions of one server.
pub const MAX_SUBSCRIPTIONS: usize = 10_000;
/// Most subscriptions over one connection.
pub const MAX_SUBSCRIPTIONS_PER_CONNECTION: usize = 1000;
/// Half of how many entries a client remembers versions of, at most.
pub const REMEMBERED_VERSIONS: usize = 200_000;
/// Most entries that a client remembers to show them while the server is down.
pub const MAX_REMEMBERED_ENTRIES: usize = 200_000;
/// Most directory references that a client keeps.
pub const MAX_KEPT_REFERENCES: usize = 1024;
/// How long a client waits for an answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);
