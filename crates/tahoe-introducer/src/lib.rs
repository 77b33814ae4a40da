//! How nodes come to know each other: what servers announce, who vouches for it, who passes it on.
//!
//! - [`Announcement`], [`SignedAnnouncement`]: what a node says of its service, and the proof.
//! - [`AnnouncementIndex`]: which of several announcements of a server counts.
//! - [`IntroducerService`]: the introducer itself, an object for a Foolscap tub.
//! - [`IntroducerClient`]: one introducer as a node sees it.
//! - [`read_cache`], [`write_cache`]: what an introducer last said, for when it is down.
//! - [`grid_manager`]: certificates by which the manager of a grid says which storage servers may
//!   receive new shares, and the manager's own records.
//!
//! **Invariants:** whatever others signed is kept byte for byte, since a signature covers bytes and
//! not meanings; nothing unsigned is believed.

mod announcement;
mod cache;
mod client;
pub mod grid_manager;
mod index;
mod service;
mod wire;

pub use announcement::{Announcement, AnnouncementError, SignedAnnouncement};
pub use cache::{BadCache, MAX_CACHE_SIZE, read_cache, write_cache};
pub use client::{AnnouncementSink, IntroducerClient, IntroducerClientConfig, IntroducerStatus};
pub use index::{AnnouncementIndex, Change};
pub use service::{
    IntroducerLimits, IntroducerService, PublishedAnnouncement, SubscriberDescription,
};

/// The oldest version of the reference that understands us, as announcements say.
pub const OLDEST_SUPPORTED: &str = "1.0.0";
