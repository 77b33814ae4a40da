//! How a directory's page is to be shown: `sort=`, `order=`, `find=`, and what was deleted last.

use super::{DirectoryPage, Entry, EntryKind};
use crate::args::Args;
use crate::html::Html;
use crate::redirect::quote;
use std::cmp::Ordering;

/// By what entries are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Size,
    Changed,
}

const SORTS: &[(Sort, &str, &str)] = &[
    (Sort::Name, "name", "Name"),
    (Sort::Size, "size", "Size"),
    (Sort::Changed, "changed", "Changed"),
];

/// What the arguments of the page ask for; what they don't say has its default.
#[derive(Debug)]
pub(crate) struct View {
    sort: Sort,
    is_descending: bool,
    find: String,
    /// A name that was deleted, and the capability that was behind it; a shared drive has a trash and
    /// needs none.
    deleted: Option<(String, String)>,
    /// A name that was changed, and what it is now.
    renamed: Option<(String, String)>,
    /// A name that was moved, and what moves call the directory where it is.
    moved: Option<(String, String)>,
}

impl View {
    pub(crate) fn of(args: &Args) -> Self {
        let text = |name: &str| {
            let value = args.first(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let sort = SORTS.iter().find(|(_, word, _)| *word == text("sort"));
        let both = |one: &str, other: &str| {
            let both = Some((text(one), text(other)));
            both.filter(|(one, other)| !one.is_empty() && !other.is_empty())
        };
        let deleted = Some((text("deleted"), text("cap")));
        Self {
            sort: sort.map_or(Sort::Name, |(sort, ..)| *sort),
            is_descending: text("order") == "down",
            find: text("find"),
            deleted: deleted.filter(|(name, _)| !name.is_empty()),
            renamed: both("renamed", "as"),
            moved: both("moved", "to_dir"),
        }
    }

    pub(super) fn find(&self) -> &str {
        &self.find
    }

    /// Leaves out what isn't looked for, and sorts the rest: directories first.
    pub(super) fn arrange(&self, entries: &mut Vec<Entry>) {
        let wanted = self.find.to_lowercase();
        entries.retain(|entry| entry.name.to_lowercase().contains(&wanted));
        entries.sort_by(|one, other| self.compare(one, other));
    }

    fn compare(&self, one: &Entry, other: &Entry) -> Ordering {
        let is_file = |entry: &Entry| entry.kind != EntryKind::Directory;
        let by_name = || one.name.to_lowercase().cmp(&other.name.to_lowercase());
        let order = match self.sort {
            Sort::Name => by_name(),
            Sort::Size => one.size_bytes.cmp(&other.size_bytes).then_with(by_name),
            Sort::Changed => one.changed.cmp(&other.changed).then_with(by_name),
        };
        let order = if self.is_descending {
            order.reverse()
        } else {
            order
        };
        is_file(one).cmp(&is_file(other)).then(order)
    }

    /// The heads of the columns that can be sorted by; a second click turns the order around.
    pub(super) fn heads(&self, body: &mut Html) {
        for &(sort, word, title) in SORTS {
            let is_current = sort == self.sort;
            let state = match (is_current, self.is_descending) {
                (false, _) => "none",
                (true, false) => "ascending",
                (true, true) => "descending",
            };
            let order = if is_current && !self.is_descending {
                "down"
            } else {
                "up"
            };
            body.raw("<th scope=\"col\" aria-sort=\"")
                .raw(state)
                .raw("\"><a href=\"?sort=");
            body.raw(word).raw("&amp;order=").raw(order);
            if !self.find.is_empty() {
                body.raw("&amp;find=").text(&quote(self.find.as_bytes()));
            }
            body.raw("\">").text(title).raw("</a></th>");
        }
    }

    /// Where the form that deletes an entry leads: to a page that offers to undo it.
    pub(super) fn after_deletion(page: &DirectoryPage, entry: &Entry) -> String {
        let name = quote(entry.name.as_bytes());
        match &entry.cap {
            _ if entry.problem.is_some() => ".".to_owned(),
            _ if !page.is_on_grid => format!(".?deleted={name}"),
            Some(cap) => format!(".?deleted={name}&cap={}", quote(cap.as_bytes())),
            None => ".".to_owned(),
        }
    }

    /// Offers to undo what was done last.
    pub(super) fn undo(&self, body: &mut Html, page: &DirectoryPage) {
        self.undo_deletion(body, page);
        if let Some((old, new)) = &self.renamed {
            let fields = [
                ("t", "relink"),
                ("from_name", new.as_str()),
                ("to_name", old.as_str()),
                ("replace", "false"),
                ("when_done", "."),
            ];
            let text = format!("“{old}” was renamed to “{new}”.");
            undo_form(body, &text, &page.here, &fields);
        }
        if let Some((name, target)) = &self.moved {
            let fields = [
                ("t", "relink"),
                ("from_name", name.as_str()),
                ("to_dir", page.as_target.as_str()),
                ("replace", "false"),
                ("when_done", page.here.as_str()),
            ];
            let text = format!("“{name}” was moved.");
            undo_form(body, &text, &path_of_target(target), &fields);
        }
    }

    fn undo_deletion(&self, body: &mut Html, page: &DirectoryPage) {
        let Some((name, cap)) = &self.deleted else {
            return;
        };
        let link = [
            ("t", "uri"),
            ("uri", cap.as_str()),
            ("replace", "false"),
            ("name", name.as_str()),
            ("when_done", "."),
        ];
        let restore = [("t", "restore"), link[3], link[4]];
        let fields = match page.is_on_grid {
            true if cap.is_empty() => return,
            true => &link[..],
            false => &restore[..],
        };
        undo_form(body, &format!("“{name}” was deleted."), &page.here, fields);
    }
}

fn undo_form(body: &mut Html, text: &str, target: &str, fields: &[(&str, &str)]) {
    body.raw("<form class=\"inline summary good\" method=\"post\" action=\"");
    body.text(target).raw("\">").element("span", text);
    for &(field, value) in fields {
        body.raw("<input type=\"hidden\" name=\"")
            .raw(field)
            .raw("\" value=\"");
        body.text(value).raw("\">");
    }
    body.raw("<button type=\"submit\">Undo</button></form>\n");
}

/// The path of the page of a directory that `to_dir=` names; always one of ours.
fn path_of_target(target: &str) -> String {
    let parts = target.trim_end_matches('/').split('/');
    match target.starts_with("/vdrive") {
        true => format!("{}/", target.trim_end_matches('/')),
        false => {
            let quoted = parts.map(|part| format!("/{}", quote(part.as_bytes())));
            format!("/uri{}/", quoted.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind, size_bytes: Option<u64>) -> Entry {
        Entry {
            name: name.to_owned(),
            kind,
            word: "",
            size_bytes,
            changed: None,
            page: None,
            preview: None,
            download: None,
            share: None,
            details: String::new(),
            cap: Some("URI:x&y".to_owned()),
            problem: None,
        }
    }

    fn names(query: &str) -> Vec<String> {
        let mut entries = vec![
            entry("b", EntryKind::File, Some(1)),
            entry("Z", EntryKind::Directory, None),
            entry("A", EntryKind::File, Some(2)),
            entry("c", EntryKind::Directory, None),
        ];
        View::of(&Args::parse(query.as_bytes())).arrange(&mut entries);
        entries.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn entries_are_sorted_and_found() {
        assert_eq!(names(""), ["c", "Z", "A", "b"]);
        assert_eq!(names("order=down"), ["Z", "c", "b", "A"]);
        assert_eq!(names("sort=size"), ["c", "Z", "b", "A"]);
        assert_eq!(names("sort=frob&order=frob&find=a"), ["A"]);
        assert!(names("find=%ff").is_empty());
    }

    #[test]
    fn what_was_deleted_can_be_linked_again() {
        let gone = entry("a b", EntryKind::File, None);
        let mut page = DirectoryPage {
            title: String::new(),
            heading: String::new(),
            here: "/uri/x/".to_owned(),
            trail: Vec::new(),
            as_target: "URI:DIR2:x".to_owned(),
            is_writable: true,
            is_on_grid: true,
            old_since: None,
            links: Vec::new(),
            trash: None,
            entries: Vec::new(),
        };
        let form = |page: &DirectoryPage, query: &str| {
            let mut body = Html::default();
            let view = View::of(&Args::parse(query.trim_start_matches(".?").as_bytes()));
            view.undo(&mut body, page);
            body.as_str().to_owned()
        };
        let after = View::after_deletion(&page, &gone);
        assert_eq!(after, ".?deleted=a%20b&cap=URI%3Ax%26y");
        assert!(form(&page, &after).contains("value=\"URI:x&amp;y\""));
        assert_eq!(form(&page, "deleted=a"), "");
        let moved = form(&page, "moved=a&to_dir=URI:DIR2:y/b c");
        assert!(moved.contains("action=\"/uri/URI%3ADIR2%3Ay/b%20c/\""));
        assert!(moved.contains("value=\"URI:DIR2:x\""));
        assert!(
            form(&page, "moved=a&to_dir=/vdrive/b%2520c").contains("action=\"/vdrive/b%20c/\"")
        );
        assert!(
            form(&page, "moved=a&to_dir=//evil.example")
                .contains("action=\"/uri///evil.example/\"")
        );
        assert_eq!(form(&page, "moved=a&renamed=b"), "");
        page.is_on_grid = false;
        let after = View::after_deletion(&page, &gone);
        assert_eq!(after, ".?deleted=a%20b");
        assert!(form(&page, &after).contains("value=\"restore\""));
    }
}
