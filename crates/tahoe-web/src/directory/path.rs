//! Walks from a directory along the parts of a URL.

use crate::directory::listing::which;
use crate::directory::location::{below, drive_url_path};
use crate::error::WebError;
use crate::failures;
use crate::file::check_access;
use crate::html::Html;
use crate::python_text::quoted;
use crate::request::Call;
use http::{Method, StatusCode};
use tahoe_caps::UnknownSlots;
use tahoe_client::{
    AnyDirectory, AnyDirectoryError, AnyNode, ChildName, Children, Metadata, Node, Replace,
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
    Directory(AnyDirectory),
    File(Node, Metadata),
    Unknown(UnknownSlots, Metadata),
    /// Nothing; the link says where it could be.
    Nothing,
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) directory: AnyDirectory,
    pub(super) name: ChildName,
}

/// What a path is walked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// Whether missing directories on the way are made.
    makes_directories: bool,
    /// Whether what is at the end need not be as it should.
    removes: bool,
}

impl Purpose {
    /// To read, or to change what is there.
    pub(super) const LOOKING: Self = Self {
        makes_directories: false,
        removes: false,
    };
    /// To remove what is there.
    pub(super) const REMOVING: Self = Self {
        removes: true,
        ..Self::LOOKING
    };

    /// What a method with this `t` may do on the way.
    pub(crate) fn of(method: &Method, t: &str) -> Self {
        let changes = method == Method::PUT || method == Method::POST;
        let looks = matches!(t, "delete" | "rename" | "rename-form" | "check" | "restore");
        Self {
            makes_directories: changes && !looks,
            ..Self::LOOKING
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
    root: &AnyDirectory,
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
    directory: AnyDirectory,
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
    let directories = call.client().any_directories();
    let what = match directories.child(&link.directory, &link.name).await {
        Ok(child) => {
            check_access(call, child.node.storage_index()).await?;
            What::of(child.node, child.metadata)
        }
        Err(error) if error.is_no_such_child() && is_last => What::Nothing,
        Err(error) if error.is_bad_entry() && is_last && purpose.removes => {
            let (write, read) = (None, None);
            What::Unknown(UnknownSlots { write, read }, Metadata::default())
        }
        Err(error) if error.is_no_such_child() && purpose.makes_directories => {
            let made = make_directory(call, &link).await;
            What::Directory(made.map_err(|error| failures::on_the_way(&error))?)
        }
        Err(error) if error.is_no_such_child() => {
            let missing = failures::on_the_way(&error);
            return Err(missing.advising(link.advice()));
        }
        Err(error) => return Err(failures::on_the_way(&error)),
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
async fn make_directory(call: &Call, link: &Link) -> Result<AnyDirectory, AnyDirectoryError> {
    let format = call.client().config().mutable_format;
    let (parent, name) = (&link.directory, link.name.clone());
    let (children, replace) = (Children::new(), Replace::Nothing);
    let directories = call.client().any_directories();
    let made = directories.make_directory(parent, name, format, children, replace);
    match made.await {
        Err(error) if error.is_child_exists() => {
            let other = directories.child(parent, &link.name).await?;
            AnyDirectory::of(&other.node).ok_or(error)
        }
        made => made,
    }
}

impl Link {
    /// What may help who finds nothing there; on the grid nothing is known that might.
    pub(super) fn advice(&self) -> Option<Html> {
        let AnyDirectory::Drive(directory) = &self.directory else {
            return None;
        };
        let path = drive_url_path(directory);
        let mut advice = Html::default();
        advice.raw("<p>It may have been removed, renamed or moved. Look into <a href=\"");
        advice.text(&path).raw("\">").text(&which(&self.directory));
        advice.raw("</a>, where it would be");
        if directory.is_writable() {
            advice.raw(", or into <a href=\"").text(&path);
            advice.raw("?t=trash\">its trash</a>: what was removed can be restored for 30 days");
        }
        advice.raw(".</p>");
        Some(advice)
    }
}

impl What {
    fn of(node: AnyNode, metadata: Metadata) -> Self {
        match (AnyDirectory::of(&node), node) {
            (Some(directory), _) => Self::Directory(directory),
            (None, AnyNode::Drive(directory)) => Self::Directory(AnyDirectory::Drive(directory)),
            (None, AnyNode::Grid(Node::Unknown(slots))) => Self::Unknown(slots, metadata),
            (None, AnyNode::Grid(node)) => Self::File(node, metadata),
        }
    }
}
