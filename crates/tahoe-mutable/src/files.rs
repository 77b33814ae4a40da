//! The façade: creates, opens, overwrites.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use rand::Rng;
use tahoe_caps::{MutableFormat, MutableReadCap, MutableVerifyCap, MutableWriteCap};
use tahoe_crypto::{LeaseMaster, RsaPrivateKey};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::ServerDirectory;
use tahoe_tasks::CpuPool;

use crate::contents::Contents;
use crate::core::Core;
use crate::error::{PublishError, ReadError};
use crate::keys::RsaKeyPool;
use crate::known::{Knowledge, Latest, MOST_CONTENTS};
use crate::retrieve::{ReadStream, Retrieval, collect, memory_of_stream};
use crate::servermap::{Servermap, ServermapMode, Survey, Surveyed, read_range};
use crate::status::MutableObserver;
use crate::version::Version;
use crate::writer::Writer;

/// Bytes of each share that a search reads: all of a small share, so that it needn't be asked for
/// again.
pub(crate) const FIRST_READ: u64 = 16 << 10;
/// Bytes of each share that a search reads when contents are of no interest.
const SHORT_READ: u64 = 4000;
/// Bytes that are signed, at most: enough to see whether a version is still there.
const SIGNED_PREFIX: u64 = 75;
/// Largest SDMF file, in bytes; it is handled as a whole.
pub const MOST_SDMF_BYTES: u64 = 256 << 20;

/// Mutable files on the grid. Clones share everything.
#[derive(Debug, Clone)]
pub struct MutableFiles {
    pub(crate) core: Arc<Core>,
}

/// A version that was found and can be read, by any number of readers.
#[derive(Debug, Clone)]
pub struct OpenVersion {
    retrieval: Arc<Retrieval>,
    contents: Option<Bytes>,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The version that is now the latest.
    pub version: Version,
}

impl MutableFiles {
    /// Stores files on the servers of `directory`, new ones in `encoding`; `observer` is told of
    /// what goes on.
    pub fn new(
        directory: Arc<dyn ServerDirectory>,
        lease_master: LeaseMaster,
        encoding: EncodingParameters,
        pool: CpuPool,
        keys: Arc<RsaKeyPool>,
        randomness: Box<dyn Rng + Send>,
        observer: Arc<MutableObserver>,
    ) -> Self {
        let core = Core::new(
            directory,
            lease_master,
            encoding,
            pool,
            keys,
            randomness,
            observer,
        );
        Self {
            core: Arc::new(core),
        }
    }

    /// Creates a file with a key of its own, or a given one.
    pub async fn create(
        &self,
        format: MutableFormat,
        key: Option<RsaPrivateKey>,
        contents: impl Into<Contents>,
    ) -> Result<MutableWriteCap, PublishError> {
        let contents = contents.into();
        self.create_with(format, key, move |_| Ok(contents)).await
    }

    /// As [`Self::create`], for contents that depend on the file's capability; they are made on the
    /// pool. If they can't be made, nothing is stored.
    pub async fn create_with<E: From<PublishError> + Send + 'static>(
        &self,
        format: MutableFormat,
        key: Option<RsaPrivateKey>,
        contents: impl FnOnce(&MutableWriteCap) -> Result<Contents, E> + Send + 'static,
    ) -> Result<MutableWriteCap, E> {
        let core = &self.core;
        let key = match key {
            Some(key) => key,
            None => core.keys.take().await.map_err(PublishError::from)?,
        };
        let public_key = key.public_key().map_err(PublishError::from)?;
        let cap = MutableWriteCap {
            format,
            write_key: key.write_key(),
            fingerprint: public_key.fingerprint(),
        };
        let writer = Writer::new(core, &cap, Arc::new(key), public_key);
        let of = cap.clone();
        let contents = core.pool.run(move || contents(&of)).await?;
        let _lock = core.locks.lock(writer.verify_cap.storage_index).await;
        writer.write_new(contents).await?;
        Ok(cap)
    }

    /// Replaces the contents, whatever they are now.
    pub async fn overwrite(
        &self,
        cap: &MutableWriteCap,
        contents: impl Into<Contents>,
    ) -> Result<Written, PublishError> {
        let contents = contents.into();
        let core = &self.core;
        let verify_cap = cap.to_read().to_verify();
        let _lock = core.locks.lock(verify_cap.storage_index).await;
        if let Some((writer, latest)) = self.known_writer(cap, &verify_cap) {
            match writer
                .replace(&latest, contents.clone(), core.encoding)
                .await
            {
                // Somebody else wrote since: look again.
                Err(PublishError::UncoordinatedWrite) => {}
                result => return result,
            }
        }
        let (writer, latest) = self.begin_write(cap, ServermapMode::Write).await?;
        writer.replace(&latest, contents, core.encoding).await
    }

    /// Finds the best recoverable version.
    pub async fn open(&self, cap: &MutableReadCap) -> Result<OpenVersion, ReadError> {
        if let Some(open) = self.open_known(cap).await {
            return Ok(open);
        }
        let (map, version) = self
            .find(cap, ServermapMode::Read, &BTreeSet::new())
            .await?;
        self.open_version(cap, &map, version)
    }

    /// Begins to read; `range` chooses what to read once the version is known, within its size.
    /// `room` waits until there is room for so many bytes in memory: what is taken is to be held as
    /// long as the stream.
    ///
    /// The first bytes are there when this returns. A version whose good shares turn out too few
    /// gives way to the next best.
    pub async fn read<Room, Taking: Future<Output = Room>>(
        &self,
        cap: &MutableReadCap,
        range: impl Fn(&Version) -> Range<u64>,
        room: impl Fn(u64) -> Taking,
    ) -> Result<(OpenVersion, ReadStream, Room), ReadError> {
        let mut open = self.open(cap).await?;
        let mut unreadable = BTreeSet::new();
        loop {
            let wanted = range(open.version());
            let taken = room(open.memory_to_read(wanted.clone())).await;
            let mut stream = open.read(wanted);
            let Err(error) = stream.wait_for_first().await else {
                return Ok((open, stream, taken));
            };
            // The next version takes room of its own.
            drop((stream, taken));
            unreadable.insert(*open.version());
            self.core.known.forget_version(&cap.to_verify());
            let found = self.find(cap, ServermapMode::Check, &unreadable).await;
            let Ok((map, version)) = found else {
                return Err(error);
            };
            open = self.open_version(cap, &map, version)?;
        }
    }

    /// Reads the whole best version into memory.
    pub async fn read_all(&self, cap: &MutableReadCap) -> Result<(Version, Bytes), ReadError> {
        let everything = |version: &Version| 0..version.data_length;
        let (open, stream, ()) = self.read(cap, everything, |_| async {}).await?;
        let bytes = collect(stream, open.size()).await?;
        self.remember_contents(cap, open.version(), &bytes);
        Ok((*open.version(), bytes))
    }

    /// Searches for shares.
    pub async fn servermap(&self, cap: &MutableVerifyCap, mode: ServermapMode) -> Servermap {
        let known = self.core.known.of(cap);
        let survey = self.survey(cap, mode, &known, SHORT_READ);
        let Surveyed {
            map, public_key, ..
        } = survey.run().await;
        self.core.known.update(cap, |knowledge| {
            knowledge.public_key = public_key.or(knowledge.public_key.take());
        });
        map
    }

    /// Waits until servers were told of all corrupt shares that were found.
    pub async fn advisories_settled(&self) {
        self.core.advisories.settled().await;
    }

    pub(crate) fn survey<'a>(
        &'a self,
        cap: &'a MutableVerifyCap,
        mode: ServermapMode,
        known: &'a Knowledge,
        first_read: u64,
    ) -> Survey<'a> {
        Survey {
            core: &self.core,
            cap,
            mode,
            writer: None,
            first_read,
            guess: self.core.encoding,
            previous: known.latest.as_ref().map(|latest| &*latest.map),
            public_key: known.public_key.clone(),
        }
    }

    /// Searches for the best version that isn't among `unreadable`, and remembers it.
    async fn find(
        &self,
        cap: &MutableReadCap,
        mode: ServermapMode,
        unreadable: &BTreeSet<Version>,
    ) -> Result<(Servermap, Version), ReadError> {
        let verify_cap = cap.to_verify();
        let known = self.core.known.of(&verify_cap);
        let survey = self.survey(&verify_cap, mode, &known, FIRST_READ);
        let Surveyed {
            map, public_key, ..
        } = survey.run().await;
        let version = map
            .best_version_except(unreadable)
            .ok_or(ReadError::Unrecoverable)?;
        self.core.known.update(&verify_cap, |knowledge| {
            knowledge.public_key = public_key;
            let old = knowledge.latest.take();
            let contents = old.filter(|old| old.version == version);
            knowledge.latest = Some(Latest {
                map: Arc::new(map.clone().without_contents()),
                version,
                contents: contents.and_then(|old| old.contents),
                surveyed_for_writing: None,
            });
        });
        Ok((map, version))
    }

    fn open_version(
        &self,
        cap: &MutableReadCap,
        map: &Servermap,
        version: Version,
    ) -> Result<OpenVersion, ReadError> {
        let retrieval = Retrieval::new(Arc::clone(&self.core), cap.clone(), map, version)?;
        let latest = self.core.known.of(&cap.to_verify()).latest;
        let contents = latest.filter(|latest| latest.version == version);
        Ok(OpenVersion {
            retrieval: Arc::new(retrieval),
            contents: contents.and_then(|latest| latest.contents),
        })
    }

    /// The version that was seen last, if its servers still have it.
    async fn open_known(&self, cap: &MutableReadCap) -> Option<OpenVersion> {
        let latest = self.core.known.of(&cap.to_verify()).latest?;
        if !self.is_current(cap, &latest).await {
            return None;
        }
        self.open_version(cap, &latest.map, latest.version).ok()
    }

    /// Asks the servers that have a version for the start of one share each; true if none has
    /// anything newer and as many as a search would ask have answered.
    pub(crate) async fn is_current(&self, cap: &MutableReadCap, latest: &Latest) -> bool {
        let storage_index = cap.storage_index();
        let mut asked = BTreeSet::new();
        let shares = latest.map.shares.values();
        let shares = shares.filter(|share| share.header.version == latest.version);
        let one_each = shares.filter(|share| asked.insert(share.server.id.clone()));
        let most = 2 * usize::from(latest.version.shares_needed);
        let checks: Vec<_> = one_each
            .take(most)
            .map(|share| {
                let (server, number) = (Arc::clone(&share.server), share.number);
                let expected = share.header.header.signed_prefix();
                async move {
                    let read = read_range(&server, &storage_index, number, 0..SIGNED_PREFIX);
                    read.await.is_ok_and(|start| start.starts_with(&expected))
                }
            })
            .collect();
        let count = checks.len();
        let mut answers = stream::iter(checks).buffer_unordered(most.max(1));
        while let Some(same) = answers.next().await {
            if !same {
                return false;
            }
        }
        // Shares may also lie on servers that are not connected any more.
        let servers = self.core.directory.servers_for(&storage_index).len();
        count > 0 && count >= servers.min(usize::from(latest.version.shares_needed))
    }

    pub(crate) fn remember_contents(&self, cap: &MutableReadCap, version: &Version, bytes: &Bytes) {
        if bytes.len() as u64 > MOST_CONTENTS {
            return;
        }
        self.core.known.update(&cap.to_verify(), |knowledge| {
            if let Some(latest) = &mut knowledge.latest
                && latest.version == *version
            {
                latest.contents = Some(bytes.clone());
            }
        });
    }
}

impl OpenVersion {
    /// Which version it is.
    pub fn version(&self) -> &Version {
        self.retrieval.version()
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.version().data_length
    }

    /// Bytes in memory that reading a range takes, at most.
    fn memory_to_read(&self, range: Range<u64>) -> u64 {
        let range = self.inside(range);
        match self.contents {
            Some(_) => range.end - range.start,
            None => memory_of_stream(self.retrieval.geometry(), range),
        }
    }

    fn inside(&self, range: Range<u64>) -> Range<u64> {
        let end = range.end.min(self.size());
        range.start.min(end)..end
    }

    /// Reads a range; what lies behind the end is left out.
    pub fn read(&self, range: Range<u64>) -> ReadStream {
        let range = self.inside(range);
        if let Some(contents) = &self.contents
            && let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
        {
            return ReadStream::ready(&self.retrieval, contents.slice(start..end));
        }
        ReadStream::start(Arc::clone(&self.retrieval), range)
    }
}
