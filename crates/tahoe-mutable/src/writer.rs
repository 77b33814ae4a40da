//! Somebody with all the keys of a file, and what such a one begins from.

use std::ops::Range;
use std::sync::Arc;

use tahoe_caps::{MutableFormat, MutableVerifyCap, MutableWriteCap};
use tahoe_crypto::{RsaPrivateKey, RsaPublicKey};
use tahoe_share::EncodingParameters;
use tahoe_share::mutable::MutableGeometry;
use tokio::time::Instant;

use crate::contents::Contents;
use crate::core::Core;
use crate::error::{PublishError, ReadError};
use crate::files::{FIRST_READ, MOST_SDMF_BYTES, MutableFiles, Written};
use crate::known::{Latest, MOST_CONTENTS};
use crate::publish::{Draft, Plaintext, Publish, Published};
use crate::servermap::{Servermap, ServermapMode, Surveyed, WriterSecrets, read_range};
use crate::status::{MutableKind, MutableStatus, MutableTransfer};

impl MutableFiles {
    /// What a writer needs, if all of it is known and fresh.
    pub(crate) fn known_writer<'a>(
        &'a self,
        cap: &'a MutableWriteCap,
        verify_cap: &MutableVerifyCap,
    ) -> Option<(Writer<'a>, Latest)> {
        let known = self.core.known.of(verify_cap);
        let latest = known.latest.filter(Latest::is_good_for_writing)?;
        let writer = Writer::new(&self.core, cap, known.private_key?, known.public_key?);
        Some((writer, latest))
    }

    /// Searches for all shares and the private key.
    pub(crate) async fn begin_write<'a>(
        &'a self,
        cap: &'a MutableWriteCap,
        mode: ServermapMode,
    ) -> Result<(Writer<'a>, Latest), PublishError> {
        let core = &self.core;
        let verify_cap = cap.to_read().to_verify();
        let known = core.known.of(&verify_cap);
        let mut survey = self.survey(&verify_cap, mode, &known, FIRST_READ);
        survey.writer = Some(WriterSecrets {
            write_key: &cap.write_key,
            lease_master: &core.lease_master,
        });
        let started = Instant::now();
        let Surveyed {
            map,
            public_key,
            status,
        } = survey.run().await;
        let version = map
            .best_recoverable_version()
            .ok_or(ReadError::Unrecoverable)?;
        let private_key = match known.private_key {
            Some(key) => key,
            None => Arc::new(find_private_key(core, cap, &map, &status).await?),
        };
        let public_key = match public_key {
            Some(key) => key,
            None => private_key.public_key()?,
        };
        let old = known.latest.filter(|old| old.version == version);
        // A server that didn't answer may have shares that the next write must replace.
        let surveyed_for_writing = Some(started).filter(|_| map.unreachable.is_empty());
        let latest = Latest {
            map: Arc::new(map),
            version,
            contents: old.and_then(|old| old.contents),
            surveyed_for_writing,
        };
        let writer = Writer::new(core, cap, private_key, public_key);
        writer.remember(latest.clone());
        Ok((writer, latest))
    }
}

/// Reads the private key from the first share that has it.
async fn find_private_key(
    core: &Core,
    cap: &MutableWriteCap,
    map: &Servermap,
    status: &MutableStatus,
) -> Result<RsaPrivateKey, PublishError> {
    let storage_index = cap.storage_index();
    for share in map.shares.values() {
        let Ok(range) = share.header.header.encrypted_private_key_range() else {
            continue;
        };
        if range.end - range.start > FIRST_READ {
            continue;
        }
        let at_hand = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .filter(|(_, end)| *end <= share.start.len());
        let encrypted = match at_hand {
            Some((start, end)) => share.start.slice(start..end),
            None => match read_range(&share.server, &storage_index, share.number, range).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::info!(server = %share.server.id.short(), %error, "no private key");
                    continue;
                }
            },
        };
        let write_key = cap.write_key.clone();
        let key = move || RsaPrivateKey::decrypt(&encrypted, &write_key);
        match core.pool.run(key).await {
            Ok(key) => {
                status.has_private_key_of(&share.server.id);
                return Ok(key);
            }
            Err(_) => {
                let reason = "invalid privkey".to_owned();
                core.report_corrupt(&share.server, &storage_index, share.number, reason);
            }
        }
    }
    Err(PublishError::NoPrivateKey)
}

/// Somebody with all the keys of a file, while the file is locked.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) core: &'a Core,
    pub(crate) cap: &'a MutableWriteCap,
    pub(crate) verify_cap: MutableVerifyCap,
    private_key: Arc<RsaPrivateKey>,
    public_key: RsaPublicKey,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        core: &'a Core,
        cap: &'a MutableWriteCap,
        private_key: Arc<RsaPrivateKey>,
        public_key: RsaPublicKey,
    ) -> Self {
        Self {
            core,
            cap,
            verify_cap: cap.to_read().to_verify(),
            private_key,
            public_key,
        }
    }

    /// Publishes the first version.
    pub(crate) async fn write_new(&self, contents: Contents) -> Result<Written, PublishError> {
        let draft = self.draft(contents.clone(), self.core.encoding, 1)?;
        let publish = self.publisher(None, &draft);
        let since = Some(Instant::now());
        self.publish(publish, draft, Some(contents), since).await
    }

    /// Publishes new contents in place of whatever the map shows.
    pub(crate) async fn replace(
        &self,
        latest: &Latest,
        contents: Contents,
        encoding: EncodingParameters,
    ) -> Result<Written, PublishError> {
        let number = latest.map.highest_sequence_number() + 1;
        let draft = self.draft(contents.clone(), encoding, number)?;
        let since = latest.surveyed_for_writing;
        let publish = self.publisher(Some(&latest.map), &draft);
        self.publish(publish, draft, Some(contents), since).await
    }

    /// Publishes a draft of some segments to the shares that are there, and to no others.
    pub(crate) async fn replace_segments(
        &self,
        latest: &Latest,
        draft: Draft,
    ) -> Result<Written, PublishError> {
        let since = latest.surveyed_for_writing;
        let mut publish = self.publisher(Some(&latest.map), &draft);
        publish.placing = false;
        self.publish(publish, draft, None, since).await
    }

    /// Begins to publish a draft in place of what the map shows.
    fn publisher<'m>(&'m self, map: Option<&'m Servermap>, draft: &Draft) -> Publish<'m> {
        let kind = MutableKind::Publish(MutableTransfer {
            size_bytes: draft.geometry.data_length(),
            length_bytes: draft.plaintext.length(),
            encoding: draft.geometry.encoding(),
        });
        Publish {
            core: self.core,
            cap: self.cap,
            storage_index: self.verify_cap.storage_index,
            map,
            placing: true,
            ongoing: self.core.begin(kind, self.verify_cap.storage_index),
        }
    }

    fn draft(
        &self,
        contents: Contents,
        encoding: EncodingParameters,
        sequence_number: u64,
    ) -> Result<Draft, PublishError> {
        let size = contents.length();
        let geometry = match self.cap.format {
            MutableFormat::Sdmf if size > MOST_SDMF_BYTES => {
                let most = MOST_SDMF_BYTES;
                return Err(PublishError::TooLarge { size, most });
            }
            MutableFormat::Sdmf => MutableGeometry::for_sdmf(encoding, size)?,
            MutableFormat::Mdmf => MutableGeometry::for_mdmf(encoding, size)?,
        };
        let segments = 0..geometry.segment_count();
        Ok(self.draft_of(
            geometry,
            sequence_number,
            Plaintext::whole(contents),
            segments,
        ))
    }

    pub(crate) fn draft_of(
        &self,
        geometry: MutableGeometry,
        sequence_number: u64,
        plaintext: Plaintext,
        segments: Range<u64>,
    ) -> Draft {
        let salts = match self.cap.format {
            MutableFormat::Sdmf => 1,
            MutableFormat::Mdmf => segments.end - segments.start,
        };
        Draft {
            format: self.cap.format,
            geometry,
            sequence_number,
            plaintext,
            segments,
            salts: (0..salts).map(|_| self.core.salt()).collect(),
            read_key: self.cap.write_key.read_key(),
            private_key: Arc::clone(&self.private_key),
            public_key: self.public_key.clone(),
            old_leaves: Vec::new(),
        }
    }

    /// Publishes a draft and remembers the outcome.
    async fn publish(
        &self,
        publish: Publish<'_>,
        draft: Draft,
        contents: Option<Contents>,
        surveyed: Option<Instant>,
    ) -> Result<Written, PublishError> {
        // Until it is over nobody knows what is there.
        self.core.known.forget_version(&self.verify_cap);
        let Published { map, complete } = publish.run(draft).await?;
        let version = map
            .best_recoverable_version()
            .expect("at least k shares were stored");
        let contents = contents.as_ref().and_then(Contents::in_memory);
        self.remember(Latest {
            map: Arc::new(map),
            version,
            contents: contents
                .filter(|bytes| bytes.len() as u64 <= MOST_CONTENTS)
                .cloned(),
            surveyed_for_writing: surveyed.filter(|_| complete),
        });
        Ok(Written { version })
    }

    fn remember(&self, latest: Latest) {
        let map = Servermap::clone(&latest.map).without_contents();
        let latest = Latest {
            map: Arc::new(map),
            ..latest
        };
        self.core.known.update(&self.verify_cap, |knowledge| {
            knowledge.private_key = Some(Arc::clone(&self.private_key));
            knowledge.public_key = Some(self.public_key.clone());
            knowledge.latest = Some(latest);
        });
    }
}
