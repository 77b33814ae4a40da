//! The client core: which servers are connected, uploads, downloads, checks, repairs, statistics.
//!
//! [`Client`] is the one thing that frontends use; nothing below it leaks through. It is built from
//! a [`ClientConfig`] and the servers of `private/servers.yaml`
//! ([`ServerEntry::read_servers_yaml`]).
//!
//! **Invariants:** the [`Broker`] is the one place that picks a transport. Every task that is
//! started here ends with [`Client::stop`] or when the client is dropped. The number of transfers
//! that run at a time is bounded, and with it the memory, whatever the number of callers.

mod blacklist;
mod broker;
mod checks;
mod client;
mod deep_check;
mod directory_files;
mod discovery;
mod drives;
mod helper;
mod history;
mod mutable;
mod open_files;
pub mod statistics;
mod transfers;

pub use blacklist::{Blacklist, BlacklistError};
pub use broker::{
    Announcement, AnnouncementError, Broker, BrokerOptions, ConnectionOverrides, ConnectionState,
    KnownServer, NetworkTransport, OVERLAY_CONNECT_TIMEOUT, Origin, Protocol, ServerEntry,
    ServerStatus, ServersFileError, Transport, WallClock,
};
pub use checks::{
    CheckError, CheckReport, Checkable, CorruptShareReport, RepairReport, ServerName, ShareId,
};
pub use client::{Client, ClientConfig, Surroundings};
pub use deep_check::{
    CheckedObject, DeepCheckCounts, DeepCheckOptions, DeepCheckResults, DeepCheckState, DeepStep,
    Outcome, SpooledReport,
};
pub use discovery::AnnouncementCaches;
pub use drives::{
    AnyChild, AnyChildren, AnyDirectories, AnyDirectory, AnyDirectoryError, AnyListing, AnyNode,
    DriveChanges, DriveDirectory, DriveNews, Drives, Removal, Trash, Trashed, TrashedChild,
    UsedDrive,
};
pub use foolscap::Furl;
pub use helper::HelperConnection;
pub use history::{DownloadOperation, History, MutableOperation, UploadOperation};
pub use mutable::{ContentsUpload, MutableDownload};
pub use tahoe_crypto::{RsaError, RsaPrivateKey, StorageIndex};
pub use tahoe_directory::{
    Child, ChildName, Children, DeepStats, Directories, Directory, DirectoryError, EditError,
    EntryError, Listing, MAX_TABLE_SIZE, Metadata, NewChild, Node, Replace, TableError, Visit,
    Walk,
};
pub use tahoe_immutable::{
    BadSegmentSize, CheckOptions, DownloadError, DownloadEvents, EventTimes, QuestionEvent,
    ReadEvent, RequestEvent, SegmentEvent, UploadError, UploadParameters, UploadProgress,
    UploadStage, UploadTimings,
};
pub use tahoe_introducer::{
    IntroducerLimits, IntroducerService, IntroducerStatus, PublishedAnnouncement,
    SubscriberDescription,
};
pub use tahoe_mutable::{
    Contents, MutableFacts, MutableKind, MutableRepairError, MutableStage, MutableStatus,
    MutableTransfer, OpenVersion, PublishError, ReadError, ReadStream, ReadyKeys, ServerAnswers,
    ServermapMode, Version, Written,
};
pub use tahoe_share::EncodingParameters;
pub use tahoe_storage_http::Nurl;
pub use tahoe_vdrive::{DriveError, DriveStatus};
pub use transfers::{Download, Room, Stored, TransferLimits, Upload};
