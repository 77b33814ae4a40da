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
}

impl View {
    pub(crate) fn of(args: &Args) -> Self {
        let text = |name: &str| {
            let value = args.first(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let sort = SORTS.iter().find(|(_, word, _)| *word == text("sort"));
        let deleted = Some((text("deleted"), text("cap")));
        Self {
            sort: sort.map_or(Sort::Name, |(sort, ..)| *sort),
            is_descending: text("order") == "down",
            find: text("find"),
            deleted: deleted.filter(|(name, _)| !name.is_empty()),
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
            _ if !page.is_on_grid => format!(".?deleted={name}"),
            Some(cap) => format!(".?deleted={name}&cap={}", quote(cap.as_bytes())),
            None => ".".to_owned(),
        }
    }

    /// Offers to restore or to link again what was deleted.
    pub(super) fn undo(&self, body: &mut Html, page: &DirectoryPage) {
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
        body.raw("<form class=\"inline summary good\" method=\"post\" action=\"");
        body.text(&page.here).raw("\">");
        body.raw("<span>“").text(name).raw("” was deleted.</span>");
        for &(field, value) in fields {
            body.raw("<input type=\"hidden\" name=\"")
                .raw(field)
                .raw("\" value=\"");
            body.text(value).raw("\">");
        }
        body.raw("<button type=\"submit\">Undo</button></form>\n");
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
        page.is_on_grid = false;
        let after = View::after_deletion(&page, &gone);
        assert_eq!(after, ".?deleted=a%20b");
        assert!(form(&page, &after).contains("value=\"restore\""));
    }
}
