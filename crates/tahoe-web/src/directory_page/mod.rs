//! The page of a directory, wherever it is kept: its entries, and what can be done with them.
//!
//! Everything works by links and forms; the scripts in `assets/` make it quicker: many files at once,
//! dialogs instead of pages. Both send the same requests of the web API to the page's own path.

mod entries;
mod view;

pub(crate) use entries::{Entry, EntryKind};
use view::Counts;
pub(crate) use view::{MOST_SHOWN, View};

use crate::format::moment;
use crate::html::{self, Html};
use crate::redirect::quote;
use std::time::SystemTime;

/// What the page is about.
#[derive(Debug)]
pub(crate) struct DirectoryPage {
    pub(crate) title: String,
    /// Its name.
    pub(crate) heading: String,
    /// Path of the page, with a slash at the end: changes are sent there and below.
    pub(crate) here: String,
    /// Names and paths of the directories that lead here, this one last.
    pub(crate) trail: Vec<(String, String)>,
    /// How moves name it: by its capability, or by a path of a shared drive.
    pub(crate) as_target: String,
    /// Whether entries may be changed.
    pub(crate) is_writable: bool,
    /// Whether it is on the grid, where it can be checked and repaired.
    pub(crate) is_on_grid: bool,
    /// When the entries were so, if nobody can be asked whether they still are.
    pub(crate) old_since: Option<SystemTime>,
    /// Further pages about the directory: what the link says, and where it leads.
    pub(crate) links: Vec<(&'static str, String)>,
    /// Where it is told what can be restored; of a shared drive only.
    pub(crate) trash: Option<String>,
    pub(crate) entries: Vec<Entry>,
}

impl DirectoryPage {
    /// The page, with the entries that `view` has chosen.
    pub(crate) fn html(self, view: &View, counts: &Counts) -> String {
        let mut body = Html::default();
        self.trail(&mut body);
        body.raw("<div id=\"state\" role=\"status\">");
        if let Some(since) = self.old_since {
            body.raw(
                "<p class=\"summary warn\">The vdrive server isn't connected. This is \
                      what was here at ",
            );
            body.text(&moment(since));
            body.raw("; files can be downloaded, nothing can be changed.</p>\n");
        }
        body.raw("</div>\n");
        self.toolbar(&mut body, view);
        if self.is_writable {
            view.undo(&mut body, &self);
            body.raw(UPLOADS);
        }
        entries::table(&mut body, &self, view, counts);
        if self.is_writable {
            self.forms(&mut body);
            body.raw(MOVE_DIALOG);
        } else {
            body.raw("<p>No upload forms: directory is read-only</p>");
        }
        html::page_with_scripts(&self.title, &self.heading, &["directory.js"], &body)
    }

    /// The page of a directory that can't be read.
    pub(crate) fn unreadable(&self, reason: &str) -> String {
        let mut body = Html::default();
        self.trail(&mut body);
        body.raw("<p class=\"summary bad\"><strong>Error reading directory:</strong> ");
        body.text(reason).raw("</p>\n<section>");
        body.element("h2", "What you can do");
        let needed = match self.is_on_grid {
            true => "enough storage servers are connected",
            false => "the vdrive server is connected",
        };
        body.raw("<ul><li><a href=\"/\">Look whether ")
            .raw(needed)
            .raw("</a>, then ");
        body.raw("<a href=\"")
            .text(&self.here)
            .raw("\">try again</a>.</li>\n");
        if self.is_on_grid {
            body.raw("<li><a href=\"").text(&self.here);
            body.raw("?t=info\">Check and repair it</a>.</li>");
        }
        body.raw("</ul></section>");
        body.raw("<p>No upload forms: directory is unreadable</p>");
        html::page_with_heading(&self.title, &self.heading, &body)
    }

    fn trail(&self, body: &mut Html) {
        body.raw("<nav aria-label=\"Directories\"><ol class=\"trail\">");
        for (number, (name, path)) in self.trail.iter().enumerate() {
            let is_last = number + 1 == self.trail.len();
            body.raw("<li><a href=\"").text(path);
            body.raw(if is_last {
                "\" aria-current=\"page\">"
            } else {
                "\">"
            });
            body.text(name).raw("</a></li>");
        }
        body.raw("</ol></nav>\n");
    }

    fn toolbar(&self, body: &mut Html, view: &View) {
        body.raw("<div class=\"toolbar\">");
        if self.is_writable {
            body.raw("<a class=\"button\" href=\"#upload\">Upload</a>");
            body.raw("<a class=\"button quiet\" href=\"#mkdir\">New directory</a>");
        }
        for (label, target) in &self.links {
            body.raw("<a class=\"button quiet\" href=\"").text(target);
            body.raw("\" data-dialog>").text(label).raw("</a>");
        }
        if let Some(trash) = &self.trash {
            body.raw("<a class=\"button quiet\" href=\"").text(trash);
            body.raw("\">Trash</a>");
        }
        body.raw("<form class=\"find\" role=\"search\" action=\"")
            .text(&self.here);
        body.raw(
            "\"><label class=\"hidden\" for=\"find\">Find in this directory</label>\
             <input id=\"find\" type=\"search\" name=\"find\" placeholder=\"Find in this directory\" \
             autocomplete=\"off\" value=\"",
        );
        body.text(view.find()).raw("\">");
        body.raw("<button class=\"quiet\" type=\"submit\">Find</button></form></div>\n");
    }

    fn forms(&self, body: &mut Html) {
        body.raw("<div class=\"cards\">\n");
        for form in FORMS {
            body.raw("<section id=\"")
                .raw(form.id)
                .raw("\">")
                .element("h2", form.title);
            body.raw("\n<form action=\"").text(&self.here);
            body.raw("\" method=\"post\" enctype=\"multipart/form-data\">\n");
            body.raw(form.fields);
            if self.is_on_grid {
                body.raw(form.grid_fields);
            }
            body.element("button type=\"submit\"", form.word)
                .raw("\n</form></section>\n");
        }
        body.raw("</div>\n");
    }
}

/// The way from a root to a directory below it, for [`DirectoryPage::trail`].
pub(crate) fn trail(root: (String, String), below: &[Vec<u8>]) -> Vec<(String, String)> {
    let (name, mut path) = root;
    let mut trail = vec![(name, path.clone())];
    for part in below.iter().filter(|part| !part.is_empty()) {
        path += &quote(part);
        path.push('/');
        trail.push((String::from_utf8_lossy(part).into_owned(), path.clone()));
    }
    trail
}

/// Where the scripts put files, and tell how far they are; useless without them.
const UPLOADS: &str = "\
<section id=\"drop\" class=\"scripted\" aria-labelledby=\"drop-title\">
<h2 id=\"drop-title\">Drop files and directories here</h2>
<p class=\"actions\"><label class=\"button\">Choose files<input id=\"choose-files\" type=\"file\" \
multiple class=\"hidden\"></label>
<label class=\"button quiet\">Choose a directory<input id=\"choose-directory\" type=\"file\" \
webkitdirectory class=\"hidden\"></label></p></section>
<section id=\"progress\" aria-labelledby=\"progress-title\" hidden>
<h2 id=\"progress-title\">Uploads</h2>
<progress id=\"progress-bar\" max=\"1\" value=\"0\" aria-labelledby=\"progress-title\"></progress>
<p id=\"progress-text\"></p>
<ul id=\"progress-files\" tabindex=\"0\" aria-label=\"Files that are uploaded\"></ul>
<p class=\"actions\"><button id=\"cancel-all\" class=\"quiet\" type=\"button\">Cancel all</button>
<button id=\"dismiss\" class=\"quiet\" type=\"button\" hidden>Close</button></p></section>
";

const MOVE_DIALOG: &str = "\
<dialog id=\"move\" aria-labelledby=\"move-title\"><form method=\"dialog\">
<h2 id=\"move-title\">Move to</h2>
<p id=\"move-place\"></p>
<ul id=\"move-places\" class=\"places\" tabindex=\"0\" aria-label=\"Directories\"></ul>
<p class=\"actions\"><button id=\"move-here\" value=\"move\" autofocus>Move here</button>
<button class=\"quiet\" value=\"\">Cancel</button></p></form></dialog>
";

/// A form below the entries.
struct Form {
    id: &'static str,
    title: &'static str,
    fields: &'static str,
    /// Fields that mean something only on the grid.
    grid_fields: &'static str,
    word: &'static str,
}

const FORMS: &[Form] = &[
    Form {
        id: "upload",
        title: "Upload a file to this directory",
        fields: "<input type=\"hidden\" name=\"t\" value=\"upload\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<label for=\"upload-format\">Kind</label>\n\
<select id=\"upload-format\" name=\"format\"><option value=\"chk\">Immutable</option>\
<option value=\"sdmf\">Mutable, small (SDMF)</option>\
<option value=\"mdmf\">Mutable, large (MDMF)</option></select>\n\
<label for=\"upload-file\">File</label>\n\
<input id=\"upload-file\" type=\"file\" name=\"file\" required>\n",
        grid_fields: "",
        word: "Upload",
    },
    Form {
        id: "mkdir",
        title: "Create a directory in this directory",
        fields: "<input type=\"hidden\" name=\"t\" value=\"mkdir\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<input type=\"hidden\" name=\"replace\" value=\"false\">\n\
<label for=\"mkdir-name\">Name</label>\n\
<input id=\"mkdir-name\" type=\"text\" name=\"name\" required autocomplete=\"off\">\n",
        grid_fields: "<label for=\"mkdir-format\">Kind</label>\n\
<select id=\"mkdir-format\" name=\"format\"><option value=\"sdmf\">SDMF</option>\
<option value=\"mdmf\">MDMF</option></select>\n",
        word: "Create",
    },
    Form {
        id: "link",
        title: "Link what is already in Tahoe-LAFS",
        fields: "<input type=\"hidden\" name=\"t\" value=\"uri\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<input type=\"hidden\" name=\"replace\" value=\"false\">\n\
<label for=\"attach-name\">Name</label>\n\
<input id=\"attach-name\" type=\"text\" name=\"name\" required autocomplete=\"off\">\n\
<label for=\"attach-uri\">Capability (URI:…)</label>\n\
<input id=\"attach-uri\" type=\"text\" name=\"uri\" required autocomplete=\"off\" \
spellcheck=\"false\">\n",
        grid_fields: "",
        word: "Link",
    },
];
