//! Being told of what happens to a directory of a shared drive.

use super::directory::DriveDirectory;
use futures_util::future::select_all;
use tahoe_vdrive::Changes;

/// Something that happened, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveNews {
    /// Entries of the directory may have changed.
    Changed,
    /// The path by which it was reached doesn't lead to it any more.
    Gone,
}

/// Tells of changes of a directory's entries, and whether its path still leads to it. Many changes
/// may be told as one.
#[derive(Debug)]
pub struct DriveChanges {
    directory: DriveDirectory,
    own: Changes,
    /// Of the directories above it.
    above: Vec<Changes>,
    /// Whether its path may lead elsewhere.
    is_unsure: bool,
}

impl DriveChanges {
    pub(super) async fn of(directory: &DriveDirectory) -> Self {
        let mut above = Vec::with_capacity(directory.above().len());
        for one in directory.above() {
            above.push(one.subscribe().await);
        }
        Self {
            own: directory.directory().subscribe().await,
            directory: directory.clone(),
            above,
            // It was found before anybody was asked to tell.
            is_unsure: true,
        }
    }

    /// Waits until something may have happened since this was last waited for; also when the server
    /// is connected again. Nothing comes if the drive is no longer used. May be dropped before the
    /// end.
    pub async fn next(&mut self) -> Option<DriveNews> {
        loop {
            if self.is_unsure && !self.directory.is_at_its_path().await {
                return Some(DriveNews::Gone);
            }
            self.is_unsure = false;
            tokio::select! {
                biased;
                is_used = self.own.changed() => return is_used.then_some(DriveNews::Changed),
                () = any(&mut self.above) => self.is_unsure = true,
            }
        }
    }
}

/// Waits until one of them tells something.
async fn any(changes: &mut [Changes]) {
    if changes.is_empty() {
        std::future::pending::<()>().await;
    }
    let each = changes.iter_mut().map(|one| Box::pin(one.changed()));
    select_all(each).await;
}
