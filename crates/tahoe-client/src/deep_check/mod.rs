//! Checks and repairs of everything that can be reached from a directory.
//!
//! The walk's order is kept, but many objects are looked at at once, so that a grid's capacity is
//! used. Memory doesn't grow with the number of objects: [`Client::deep_check`] hands each report on
//! and forgets it, and [`DeepCheckResults`] keep them in a temporary file.

mod results;
mod spool;

use crate::Client;
use crate::checks::{CheckReport, Checkable, RepairReport};
use futures_util::stream::{self, Stream, StreamExt as _};
use std::sync::Arc;
use tahoe_directory::{ChildName, Directory, DirectoryError, Node, Visit};
use tahoe_immutable::CheckOptions;
use tokio::task::JoinHandle;

pub use results::{DeepCheckCounts, DeepCheckResults, DeepCheckState};
pub use spool::SpooledReport;

/// Objects that are looked at at once.
const OBJECTS_AT_A_TIME: usize = 32;
/// The same, if all of their shares are read or they are repaired.
const LARGE_OBJECTS_AT_A_TIME: usize = 12;

/// What is done with each object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeepCheckOptions {
    /// How it is checked.
    pub check: CheckOptions,
    /// Whether it is repaired if it isn't healthy.
    pub repair: bool,
}

/// A step of a deep check.
#[derive(Debug, Clone)]
pub enum DeepStep {
    /// An object was looked at.
    Object(Box<CheckedObject>),
    /// The directory that was told of last was read.
    Entered {
        /// Bytes of its file.
        size: u64,
        /// How many children it lists.
        children: u64,
    },
}

/// An object on the way.
#[derive(Debug, Clone)]
pub struct CheckedObject {
    /// Names from the root; none for the root itself.
    pub path: Vec<ChildName>,
    /// What it is.
    pub node: Node,
    /// What was found.
    pub outcome: Outcome,
}

/// What was found of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in its capability, or nobody knows what it is: there are no shares to be checked.
    NoShares,
    /// It was checked.
    Checked(CheckReport),
    /// It was checked and, if need be, repaired.
    Repaired(Box<RepairReport>),
}

/// A check that runs by itself; dropping it ends it.
struct Running(JoinHandle<Outcome>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Checks everything that can be reached from a directory, in the order of the walk.
    ///
    /// It ends with the first directory that can't be read; a repair that fails is in its report.
    /// Dropping the stream ends all that is under way.
    pub fn deep_check(
        self: &Arc<Self>,
        root: &Directory,
        options: DeepCheckOptions,
    ) -> impl Stream<Item = Result<DeepStep, DirectoryError>> + Send + use<> {
        let client = Arc::clone(self);
        let at_once = match options.check.verify || options.repair {
            true => LARGE_OBJECTS_AT_A_TIME,
            false => OBJECTS_AT_A_TIME,
        };
        let walk = self.directories().walk(root);
        let visits = stream::try_unfold(walk, |mut walk| async move {
            let visit = walk.next().await?;
            Ok(visit.map(|visit| (visit, walk)))
        });
        let steps = visits.map(move |visit: Result<Visit, DirectoryError>| {
            let client = Arc::clone(&client);
            async move {
                Ok(match visit? {
                    Visit::Entered { size, children } => DeepStep::Entered { size, children },
                    Visit::Node { path, node } => {
                        let outcome = client.look_at_node(&node, options).await;
                        DeepStep::Object(Box::new(CheckedObject {
                            path,
                            node,
                            outcome,
                        }))
                    }
                })
            }
        });
        steps.buffered(at_once)
    }

    async fn look_at_node(self: &Arc<Self>, node: &Node, options: DeepCheckOptions) -> Outcome {
        let Some(object) = node.cap().as_ref().and_then(Checkable::of) else {
            return Outcome::NoShares;
        };
        let client = Arc::clone(self);
        let look = async move { client.outcome_of(&object, options).await };
        let mut running = Running(tokio::spawn(look));
        match (&mut running.0).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn outcome_of(&self, object: &Checkable, options: DeepCheckOptions) -> Outcome {
        let found = if options.repair {
            let repaired = self.check_and_try_to_repair(object, options.check).await;
            repaired.map(|report| Outcome::Repaired(Box::new(report)))
        } else {
            let checked = self.check(object, options.check).await;
            checked.map(Outcome::Checked)
        };
        found.unwrap_or_else(|error| {
            // No file can have such a capability; it must not hide the rest of the tree.
            let report = CheckReport::of_nothing(object.storage_index());
            tracing::info!(storage_index = %report.storage_index, %error, "impossible object");
            match options.repair {
                true => Outcome::Repaired(Box::new(RepairReport::unrepaired(report))),
                false => Outcome::Checked(report),
            }
        })
    }
}
