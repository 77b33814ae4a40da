//! Is a file in the grid already, with all its shares?

use crate::wire::HelperResults;
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::{ServerId, StorageIndex};
use tahoe_share::UriExtension;
use tahoe_share::immutable::ShareLayout;
use tahoe_storage_api::{Server, ServerDirectory, ShareKind, ShareNumber, ShareRange};
use tokio::time::timeout;

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How many shares are tried for their URI extension block.
const ATTEMPTS: usize = 3;
/// Largest URI extension block that is read, in bytes.
const MAX_BLOCK: u64 = 64 << 10;

/// The results of an upload that needn't be; none if shares are missing, or if it can't be told.
pub(crate) async fn find(
    servers: &dyn ServerDirectory,
    index: &StorageIndex,
) -> Option<HelperResults> {
    let servers = servers.servers_for(index);
    let ask = |server: Arc<Server>| async move {
        let listed = server.service.list_shares(ShareKind::Immutable, index);
        let listed = timeout(ANSWER_TIMEOUT, listed).await;
        (listed.ok().and_then(Result::ok).unwrap_or_default(), server)
    };
    let answers = join_all(servers.into_iter().map(ask)).await;
    let mut share_map = BTreeMap::<ShareNumber, BTreeSet<ServerId>>::new();
    let mut holders = Vec::new();
    for (shares, server) in answers {
        for share in &shares {
            share_map
                .entry(*share)
                .or_default()
                .insert(server.id.clone());
        }
        holders.extend(shares.first().map(|share| (*share, server)));
    }
    for (share, server) in holders.into_iter().take(ATTEMPTS) {
        let read = timeout(ANSWER_TIMEOUT, read_block(&server, index, share));
        let Ok(Some(block)) = read.await else {
            continue;
        };
        let total = UriExtension::parse(&block).ok()?.total_shares?;
        let count = share_map.len() as u64;
        return (total > 0 && count >= total).then(|| HelperResults {
            uri_extension_hash: UriExtension::hash_of(&block),
            uri_extension: block.to_vec(),
            share_map,
            preexisting_shares: count,
            pushed_shares: 0,
            ciphertext_fetched: None,
            timings: BTreeMap::new(),
        });
    }
    None
}

/// Reads a share's URI extension block; none if it can't be read.
async fn read_block(server: &Server, index: &StorageIndex, share: ShareNumber) -> Option<Bytes> {
    let read = |range: Range<u64>| async move {
        let length = range.end.checked_sub(range.start)?;
        let range = ShareRange {
            offset: range.start,
            length,
        };
        let read = server
            .service
            .read_share(ShareKind::Immutable, index, share, range);
        read.await.ok()
    };
    let header = read(0..ShareLayout::MAX_HEADER_LENGTH).await?;
    let layout = ShareLayout::parse(&header).ok()?;
    let length = read(layout.uri_extension_length_range().ok()?).await?;
    let range = layout.uri_extension_range(&length).ok()?;
    if range.end.saturating_sub(range.start) > MAX_BLOCK {
        return None;
    }
    read(range).await
}
