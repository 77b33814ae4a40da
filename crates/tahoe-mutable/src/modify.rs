//! Read, change, write back; again if somebody else wrote meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tahoe_caps::MutableWriteCap;
use tahoe_share::EncodingParameters;
use tahoe_storage_api::ShareNumber;
use tahoe_tasks::CpuPool;
use tokio::time::sleep;

use crate::contents::Contents;
use crate::error::{ModifyError, PublishError, ReadError};
use crate::files::MutableFiles;
use crate::known::Latest;
use crate::retrieve::{Retrieval, collect};
use crate::servermap::{Servermap, ServermapMode};
use crate::version::Version;
use crate::writer::Writer;

/// How often a change is tried before the collision is reported.
const MOST_ATTEMPTS: u32 = 10;
/// Mean wait after the first collision; each later one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What a modification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    /// The version that is now the latest.
    pub version: Version,
    /// Whether anything was written.
    pub changed: bool,
    /// The contents as they are now.
    pub contents: Bytes,
}

/// How one attempt ended.
enum Attempt<E> {
    Done(Modified),
    Failed(ModifyError<E>),
    /// What was known of the file is out of date; nobody collided.
    Stale,
    /// Somebody else is writing, or a newer version can't be read.
    Collision(PublishError),
}

/// A change that goes to the pool and comes back.
struct Change<F>(Option<F>);

impl<F, T> Change<F>
where
    F: FnMut(&[u8]) -> T + Send + 'static,
    T: Send + 'static,
{
    async fn apply(&mut self, pool: &CpuPool, contents: Bytes) -> T {
        let mut change = self.0.take().expect("it comes back each time");
        let work = move || {
            let changed = change(&contents);
            (change, changed)
        };
        let (change, changed) = pool.run(work).await;
        self.0 = Some(change);
        changed
    }
}

/// What one attempt begins from.
struct Beginning<'a> {
    writer: Writer<'a>,
    latest: Latest,
    contents: Bytes,
    /// Whether servers were asked for this attempt.
    confirmed: bool,
}

impl MutableFiles {
    /// Applies a change to the contents and writes them back.
    ///
    /// `change` gets the current contents and returns the new ones, or none if nothing needs to
    /// change. It runs on the pool and may be called several times, also when an earlier result was
    /// written in part: it should recognise its own work. If somebody else wrote meanwhile, the
    /// contents are read again and it is applied again, with growing pauses; after ten collisions
    /// the last is reported.
    pub async fn modify<E>(
        &self,
        cap: &MutableWriteCap,
        change: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E> + Send + 'static,
    ) -> Result<Modified, ModifyError<E>>
    where
        E: Send + 'static,
    {
        let mut change = Change(Some(change));
        let verify_cap = cap.to_read().to_verify();
        let _lock = self.core.locks.lock(verify_cap.storage_index).await;
        let mut collided = false;
        let mut last = PublishError::UncoordinatedWrite;
        let mut attempts = 0;
        let mut beginning = self.known_beginning(cap);
        while attempts < MOST_ATTEMPTS {
            let begun = match beginning.take() {
                Some(known) => Ok(known),
                None => self.read_beginning(cap, collided).await,
            };
            let attempt = match begun {
                Ok(begun) => self.attempt(begun, &mut change, collided).await,
                Err(error @ PublishError::NewerVersionUnreadable { .. }) => {
                    Attempt::Collision(error)
                }
                Err(error) => Attempt::Failed(error.into()),
            };
            match attempt {
                Attempt::Done(modified) => return Ok(modified),
                Attempt::Failed(error) => return Err(error),
                Attempt::Stale => {}
                Attempt::Collision(error) => {
                    collided = true;
                    last = error;
                    attempts += 1;
                    self.wait(attempts).await;
                }
            }
        }
        Err(last.into())
    }

    async fn attempt<E>(
        &self,
        begun: Beginning<'_>,
        change: &mut Change<impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E> + Send + 'static>,
        collided: bool,
    ) -> Attempt<E>
    where
        E: Send + 'static,
    {
        let Beginning {
            writer,
            latest,
            contents,
            confirmed,
        } = begun;
        let changed = match change.apply(&self.core.pool, contents.clone()).await {
            Ok(changed) => changed.map(Bytes::from).filter(|new| *new != contents),
            Err(error) if confirmed || self.is_current(&writer.cap.to_read(), &latest).await => {
                return Attempt::Failed(ModifyError::Refused(error));
            }
            Err(_) => return self.stale(&writer),
        };
        let changed = match changed {
            Some(changed) => changed,
            // An earlier attempt may have been written in part: make all servers agree.
            None if collided => contents,
            None if confirmed || self.is_current(&writer.cap.to_read(), &latest).await => {
                return Attempt::Done(Modified {
                    version: latest.version,
                    changed: false,
                    contents,
                });
            }
            None => return self.stale(&writer),
        };
        let encoding = encoding_of(&latest.version).unwrap_or(self.core.encoding);
        let new = Contents::from(changed.clone());
        match writer.replace(&latest, new, encoding).await {
            Ok(written) => Attempt::Done(Modified {
                version: written.version,
                changed: true,
                contents: changed,
            }),
            Err(PublishError::UncoordinatedWrite) if !confirmed => Attempt::Stale,
            Err(error @ PublishError::UncoordinatedWrite) => Attempt::Collision(error),
            Err(error) => Attempt::Failed(error.into()),
        }
    }

    fn stale<E>(&self, writer: &Writer<'_>) -> Attempt<E> {
        self.core.known.forget_version(&writer.verify_cap);
        Attempt::Stale
    }

    /// What is known from the last operation on the file, if that was a moment ago.
    fn known_beginning<'a>(&'a self, cap: &'a MutableWriteCap) -> Option<Beginning<'a>> {
        let (writer, latest) = self.known_writer(cap, &cap.to_read().to_verify())?;
        let contents = latest.contents.clone()?;
        Some(Beginning {
            writer,
            latest,
            contents,
            confirmed: false,
        })
    }

    /// Searches for all shares and reads the best version.
    async fn read_beginning<'a>(
        &'a self,
        cap: &'a MutableWriteCap,
        collided: bool,
    ) -> Result<Beginning<'a>, PublishError> {
        let mode = match collided {
            true => ServermapMode::Check,
            false => ServermapMode::Write,
        };
        let (writer, latest) = self.begin_write(cap, mode).await?;
        refuse_to_undo(&latest.map)?;
        let contents = match &latest.contents {
            Some(contents) => contents.clone(),
            None => self.contents_of(cap, &latest).await?,
        };
        self.remember_contents(&cap.to_read(), &latest.version, &contents);
        Ok(Beginning {
            writer,
            latest,
            contents,
            confirmed: true,
        })
    }

    async fn contents_of(
        &self,
        cap: &MutableWriteCap,
        latest: &Latest,
    ) -> Result<Bytes, ReadError> {
        let core = Arc::clone(&self.core);
        let retrieval = Retrieval::new(core, cap.to_read(), &latest.map, latest.version)?;
        let size = latest.version.data_length;
        collect(Arc::new(retrieval).stream(0..size), size).await
    }

    async fn wait(&self, attempts: u32) {
        let mean = FIRST_WAIT * 2_u32.saturating_pow(attempts.saturating_sub(1));
        sleep(mean.mul_f64(0.5 + self.core.fraction())).await;
    }
}

/// k and N of a version, which its next one keeps.
pub(crate) fn encoding_of(version: &Version) -> Option<EncodingParameters> {
    EncodingParameters::new(version.shares_needed.into(), version.shares_total.into()).ok()
}

/// Refuses to begin from an older version while a newer one may be whole on servers that don't
/// answer.
///
/// A newer version with fewer than k shares, when every other share number is accounted for, was
/// never acknowledged and may be replaced.
pub(crate) fn refuse_to_undo(map: &Servermap) -> Result<(), PublishError> {
    let seen: BTreeSet<ShareNumber> = map.shares.keys().map(|(_, share)| *share).collect();
    for (version, found) in map.unrecoverable_newer_versions() {
        let unseen = usize::from(version.shares_total).saturating_sub(seen.len());
        if found + unseen >= usize::from(version.shares_needed) {
            return Err(PublishError::NewerVersionUnreadable {
                newer: version.sequence_number,
                found,
                needed: version.shares_needed,
            });
        }
    }
    Ok(())
}
