//! Reads what is needed of one share.

use super::core::Core;
use super::share::{Absorbed, Block, Corruption, Share, ShareFault, SharePart, Wish};
use super::spans::{Received, requests};
use crate::ask;
use crate::events::RequestEvent;
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::ops::Range;
use std::sync::Arc;
use tahoe_storage_api::StorageError;

/// Round trips after which a share has had its chance: header, length, block, hashes and data are
/// never more.
const MOST_ROUNDS: usize = 8;
/// So many hashes may be checked without leaving the runtime's thread.
const FEW_HASHES: u64 = 64;

/// What a share gave.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The wanted blocks, not yet compared with their hashes.
    Blocks(Vec<Block>),
    /// The segments aren't what the reader supposed.
    OtherGeometry,
    /// The file's URI extension block makes no sense.
    BadFile(tahoe_share::UriExtensionError),
}

/// Fetches blocks from a share, with whatever is needed to verify them.
pub(super) async fn fetch_blocks(
    core: &Arc<Core>,
    share: &Arc<Share>,
    wish: &Wish,
) -> Result<Fetched, ShareFault> {
    let mut received = Received::default();
    for _ in 0..MOST_ROUNDS {
        let wanted = core.with_facts(|facts| share.wanted(wish, facts.as_ref()));
        let wanted = wanted.map_err(|error| Corruption {
            part: SharePart::Header,
            range: 0..0,
            reason: error.to_string(),
        })?;
        let missing = wanted
            .iter()
            .flat_map(|range| received.not_asked(range.clone()));
        let requests = requests(missing);
        let Some(last) = requests.last() else {
            let end = wanted.iter().map(|range| range.end).max().unwrap_or(0);
            return Err(ShareFault::Truncated { end });
        };
        tracing::trace!(%share, rounds = requests.len(), end = last.end, "reading");
        let answers = try_join_all(requests.iter().map(|range| read(core, share, range)));
        for (range, data) in requests.iter().zip(answers.await?) {
            received.insert(range.clone(), data);
        }
        let (absorbed, rest) = absorb(core, share, wish, received).await?;
        received = rest;
        match absorbed {
            Absorbed::Incomplete => {}
            Absorbed::OtherGeometry => return Ok(Fetched::OtherGeometry),
            Absorbed::BadFile(error) => return Ok(Fetched::BadFile(error)),
            Absorbed::Blocks(blocks) => return Ok(Fetched::Blocks(blocks)),
        }
    }
    Err(StorageError::PeerMisbehaved {
        reason: "its share leads nowhere".to_owned(),
    }
    .into())
}

async fn read(core: &Core, share: &Share, range: &Range<u64>) -> Result<Bytes, StorageError> {
    let event = RequestEvent::start(&share.server.id, share.number, range);
    let event = core.status.requests.begin(event);
    let data = ask::read(&share.server, &core.storage_index, share.number, range).await;
    let received = data.as_ref().ok().map(|data| data.len() as u64);
    event.update(|event| event.received = received);
    event.end(data.is_ok());
    let data = data?;
    core.status.fetched(data.len() as u64);
    Ok(data)
}

/// Checks what has come, on the CPU pool if that is more than a trifle.
async fn absorb(
    core: &Arc<Core>,
    share: &Arc<Share>,
    wish: &Wish,
    received: Received,
) -> Result<(Absorbed, Received), Corruption> {
    let (share, wish, in_pool) = (Arc::clone(share), wish.clone(), Arc::clone(core));
    let few = wish.hashes.end - wish.hashes.start <= FEW_HASHES;
    let work = move || {
        let absorb = |facts: &mut _| share.absorb(&wish, &received, &in_pool.promise, facts);
        let absorbed = in_pool.with_facts(absorb)?;
        Ok((absorbed, received))
    };
    if few {
        work()
    } else {
        core.pool.run(work).await
    }
}
