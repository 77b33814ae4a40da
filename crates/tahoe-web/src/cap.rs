//! `/uri/CAP`, also called `/cap/CAP`: one file, or what little can be said of other capabilities.

use crate::directory::Purpose;
use crate::error::WebError;
use crate::file::File;
use crate::mutable_file::{self, MutableFile};
use crate::request::Call;
use crate::{directory, file, unknown};
use axum::body::Body;
use axum::response::Response;
use tahoe_caps::{Cap, ReadFileCap, Target, UnknownSlots, VerifyFileCap};
use tahoe_client::{AnyDirectory, Directory};

/// What a capability is to the web API.
pub(crate) enum Resource {
    /// An immutable file.
    File(File),
    /// Something that the capability only lets check, or nobody knows.
    Unknown(unknown::Unknown),
    /// A mutable file.
    Mutable(MutableFile),
    /// A directory.
    Directory(Directory),
}

impl Resource {
    /// What the text of a capability stands for; never fails.
    pub(crate) fn of(text: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(text) else {
            return Self::Unknown(unknown::Unknown::default());
        };
        match Cap::parse(text) {
            Cap::Read(cap) => match (cap.target, &cap.file) {
                (Target::File, ReadFileCap::Chk(file)) => Self::File(File::Chk(file.clone())),
                (Target::File, ReadFileCap::Literal(file)) => {
                    Self::File(File::Literal(file.clone()))
                }
                (Target::File, ReadFileCap::Mutable(file)) => {
                    Self::Mutable(MutableFile::read_only(file.clone()))
                }
                (Target::Directory, file) => Self::Directory(Directory::readable(file.clone())),
            },
            Cap::Write(cap) => match cap.target {
                Target::File => Self::Mutable(MutableFile::writable(cap.file)),
                Target::Directory => Self::Directory(Directory::writable(cap.file)),
            },
            Cap::Verify(cap) => match (cap.target, &cap.file) {
                (Target::File, VerifyFileCap::Chk(file)) => {
                    Self::Unknown(unknown::Unknown::verifier(file.clone()))
                }
                _ => Self::Unknown(unknown::Unknown::default()),
            },
            Cap::Unknown(cap) => {
                let slots = UnknownSlots::new(Some(text), None, false).ok();
                Self::Unknown(unknown::Unknown::slots(slots).because(cap.reason()))
            }
        }
    }
}

pub(crate) async fn answer(call: &Call, body: Body) -> Result<Response, WebError> {
    let resource = Resource::of(&call.path[1]);
    if let Resource::Directory(root) = resource {
        return directory::answer(call, body, AnyDirectory::Grid(root)).await;
    }
    let child = call.path.get(2).cloned();
    match (resource, child) {
        (Resource::File(file), Some(child)) => {
            file::check_access(call, file.storage_index()).await?;
            no_children(call, &child)
        }
        (Resource::File(file), None) => file::answer(call, body, file, None).await,
        (Resource::Unknown(_), Some(_)) => Err(WebError::not_found()),
        (Resource::Unknown(unknown), None) => unknown::answer(call, &unknown).await,
        (Resource::Mutable(file), Some(child)) => {
            file::check_access(call, file.storage_index()).await?;
            no_children(call, &child)
        }
        (Resource::Mutable(file), None) => mutable_file::answer(call, body, file, None).await,
        (Resource::Directory(_), _) => Err(WebError::not_found()),
    }
}

/// A file has nothing below it.
fn no_children(call: &Call, child: &[u8]) -> Result<Response, WebError> {
    let purpose = Purpose::of(&call.method, call.args.t()?);
    Err(purpose.no_children(child))
}
