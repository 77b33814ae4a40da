//! Walks from a directory along the parts of a URL.

use crate::directory::{below, missing};
use crate::error::WebError;
use crate::failures;
use crate::file::check_access;
use crate::python_text::quoted;
use crate::request::Call;
use http::{Method, StatusCode};
use tahoe_caps::UnknownSlots;
use tahoe_client::{
    ChildName, Children, Directory, DirectoryError, EditError, Metadata, NewChild, Node, Replace,
};

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Place {
    /// What is there.
    pub(super) what: What,
    /// Through which link it was reached, or could be; none for the directory of the capability.
    pub(super) link: Option<Link>,
}

/// What is at the end of a path.
#[derive(Debug)]
pub(super) enum What {
    Directory(Directory),
    File(Node, Metadata),
    Unknown(UnknownSlots, Metadata),
    /// Nothing; the link says where it could be.
    Nothing,
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) directory: Directory,
    pub(super) name: ChildName,
}

/// What a path is walked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// Whether missing directories on the way are made.
    makes_directories: bool,
}

impl Purpose {
    /// To read, or to change what is there.
    pub(super) const LOOKING: Self = Self {
        makes_directories: false,
    };

    /// What a method with this `t` may do on the way.
    pub(crate) fn of(method: &Method, t: &str) -> Self {
        let changes = method == Method::PUT || method == Method::POST;
        let looks = matches!(t, "delete" | "rename" | "rename-form" | "check");
        Self {
            makes_directories: changes && !looks,
        }
    }

    /// A file has nothing below it.
    pub(crate) fn no_children(self, part: &[u8]) -> WebError {
        let name = quoted(part);
        let (status, title) = if self.makes_directories {
            let reason = "because its parent is a file, not a directory";
            let title = format!("Cannot create directory {name}, {reason}");
            (StatusCode::CONFLICT, title)
        } else {
            let title = format!("Files have no children named {name}");
            (StatusCode::BAD_REQUEST, title)
        };
        WebError::page(status, title, "no details")
    }
}

/// Walks along the path of a request.
pub(super) async fn find(
    call: &Call,
    root: &Directory,
    purpose: Purpose,
) -> Result<Place, WebError> {
    check_access(call, root.storage_index()).await?;
    let mut place = Place {
        what: What::Directory(root.clone()),
        link: None,
    };
    let parts = below(call);
    for (number, part) in parts.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        let directory = match place.what {
            What::Directory(directory) if part.is_empty() && is_last => {
                return Ok(Place {
                    what: What::Directory(directory),
                    ..place
                });
            }
            What::Directory(directory) => directory,
            What::File(..) => return Err(purpose.no_children(part)),
            What::Unknown(..) | What::Nothing => return Err(WebError::not_found()),
        };
        place = step(call, directory, part, is_last, purpose).await?;
    }
    Ok(place)
}

async fn step(
    call: &Call,
    directory: Directory,
    part: &[u8],
    is_last: bool,
    purpose: Purpose,
) -> Result<Place, WebError> {
    let bad = |text: &str| WebError::page(StatusCode::BAD_REQUEST, "Error", text);
    if part.is_empty() {
        let text = "The webapi does not allow empty pathname components, i.e. a double slash";
        return Err(bad(text));
    }
    let name = std::str::from_utf8(part).map_err(|_| bad("a name in the path isn't UTF-8"))?;
    let link = Link {
        directory,
        name: ChildName::new(name),
    };
    let directories = call.client().directories();
    let what = match directories.child(&link.directory, &link.name).await {
        Ok(child) => {
            check_access(call, child.node.storage_index()).await?;
            What::of(child.node, child.metadata)
        }
        Err(error) if missing(&error) && is_last => What::Nothing,
        Err(error) if missing(&error) && purpose.makes_directories => {
            let made = make_directory(call, &link).await;
            What::Directory(made.map_err(|error| failures::directory(&error).into_page())?)
        }
        Err(error) => return Err(failures::directory(&error).into_page()),
    };
    let is_in_the_way = !matches!(what, What::Directory(_) | What::Nothing);
    if is_in_the_way && !is_last && purpose.makes_directories {
        let name = quoted(part);
        let title = format!("Unable to create directory {name}: a file was in the way");
        return Err(WebError::page(StatusCode::CONFLICT, title, "no details"));
    }
    let link = Some(link);
    Ok(Place { what, link })
}

/// Makes a directory on the way. If somebody else makes it at the same time, theirs is taken.
async fn make_directory(call: &Call, link: &Link) -> Result<Directory, DirectoryError> {
    let client = call.client();
    let directories = client.directories();
    if !link.directory.is_writable() {
        return Err(DirectoryError::NotWritable);
    }
    let format = client.config().mutable_format;
    let made = directories.create(format, None, Children::new()).await?;
    let child = NewChild {
        node: made.to_node(),
        metadata: None,
    };
    let name = link.name.clone();
    let linked = directories.link(&link.directory, name, child, Replace::Nothing);
    let Err(error) = linked.await else {
        return Ok(made);
    };
    if let DirectoryError::Edit(EditError::ChildExists(_)) = error {
        let other = directories.child(&link.directory, &link.name).await?;
        return Directory::of(&other.node).ok_or(error);
    }
    Err(error)
}

impl What {
    fn of(node: Node, metadata: Metadata) -> Self {
        match (Directory::of(&node), node) {
            (Some(directory), _) => Self::Directory(directory),
            (None, Node::Unknown(slots)) => Self::Unknown(slots, metadata),
            (None, node) => Self::File(node, metadata),
        }
    }
}
