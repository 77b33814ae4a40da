//! Immutable files: encode, place, upload; find, fetch, decode; check, verify, repair.
//!
//! ```
//! # use std::{num::NonZeroUsize, sync::Arc};
//! # use tahoe_crypto::{ConvergenceSecret, ImmutableReadKey, LeaseMaster};
//! # use tahoe_immutable::{CpuPool, Downloader, File, KeySource, Receiver, UploadParameters};
//! # use tahoe_immutable::{Uploader, UploadStatus};
//! # use tahoe_share::EncodingParameters;
//! # use tahoe_storage_api::testing::{FixedServers, MemoryStore, test_server};
//! # use tahoe_storage_api::StorageService as _;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = Arc::new(MemoryStore::default());
//! # let server = test_server(0, store.version().await?, store);
//! # let servers = Arc::new(FixedServers::new([server]));
//! # let master = LeaseMaster::from_bytes([0; 32]);
//! let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
//! let parameters = UploadParameters::new(EncodingParameters::new(3, 10)?, 1, 1 << 20)?;
//! let key = KeySource::Convergent(ConvergenceSecret::new(b"a secret".to_vec()));
//!
//! let mut receiver = Receiver::new(parameters, key, std::env::temp_dir(), pool.clone());
//! receiver.write(vec![7; 100].into()).await?;
//! let uploader = Uploader::new(servers.clone(), master, pool.clone());
//! let status = Arc::new(UploadStatus::default());
//! let stored = uploader.upload(receiver.finish().await?, &status).await?;
//!
//! # let tahoe_caps::ReadFileCap::Chk(cap) = &stored.cap.file else { panic!("not on servers") };
//! let file = Downloader::new(servers, pool).open(cap)?;
//! let mut bytes = file.read(90..file.size());
//! assert_eq!(bytes.next_piece().await.unwrap()?, vec![7; 10]);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariants:** shares, hashes and capabilities are byte for byte those of Tahoe-LAFS 1.20. No
//! byte is handed to a reader before its block, the block's place in its share and its segment's
//! ciphertext were checked against the capability. A transfer's memory is bounded by a few segments
//! whatever the file's size, apart from 32 to 64 bytes per block for the hash trees of an upload.
//! One bad server is worked around; too few good ones are an error that says how many.
//! `docs/design/0001-immutable-transfers.md` explains how it fits together.

mod ask;
mod check;
mod download;
mod error;
mod events;
mod happiness;
mod padding;
mod parameters;
mod status;
mod upload;

pub use check::{CheckOptions, CheckResults, Checker, RepairError, Repairer, ShareLocation};
pub use download::{CorruptShare, Downloader, File, ReadStream, SharePart};
pub use error::{DownloadError, NotEnoughShares, Unhappy, UploadError};
pub use events::{
    DownloadEvents, EventTimes, QuestionEvent, ReadEvent, RequestEvent, SegmentEvent,
};
pub use happiness::{ShareMap, Shortfall, servers_of_happiness};
pub use parameters::{
    BadSegmentSize, LARGEST_MAX_SEGMENT_SIZE, MAX_LITERAL_SIZE, UploadParameters,
};
pub use status::{DownloadProgress, DownloadStatus, UploadProgress, UploadStage, UploadStatus};
pub use tahoe_tasks::CpuPool;
pub use upload::{
    Candidates, Ciphertext, CiphertextResults, Enciphered, KeySource, Received, Receiver,
    UploadResults, UploadTimings, Uploader, place_shares,
};
