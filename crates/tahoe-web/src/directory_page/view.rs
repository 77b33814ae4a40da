//! How a directory's page is to be shown: `sort=`, `order=`, `find=`, and what was deleted last.

use super::{DirectoryPage, Entry};
use crate::args::Args;
use crate::html::Html;
use crate::redirect::quote;
use std::cmp::Ordering;
use std::time::SystemTime;

/// Most entries that a page shows; others are on further pages.
pub(crate) const MOST_SHOWN: usize = 1000;

/// What an entry is found and sorted by.
#[derive(Debug)]
pub(crate) struct SortKey {
    pub(crate) is_file: bool,
    /// In lower case.
    pub(crate) name: String,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) changed: Option<SystemTime>,
}

/// The entries of a page.
#[derive(Debug)]
pub(crate) struct Chosen<T> {
    pub(crate) names: Vec<T>,
    pub(crate) counts: Counts,
}

/// How many entries there are, and which page of them is shown.
#[derive(Debug)]
pub(crate) struct Counts {
    /// All entries.
    pub(crate) total: usize,
    /// Those that are looked for.
    pub(crate) found: usize,
    /// The number of the page, from 0.
    page: usize,
}

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
    /// The number of the page, from 0.
    page: usize,
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
            page: text("page")
                .parse::<usize>()
                .map_or(0, |page| page.saturating_sub(1)),
            deleted: deleted.filter(|(name, _)| !name.is_empty()),
            renamed: both("renamed", "as"),
            moved: both("moved", "to_dir"),
        }
    }

    pub(super) fn find(&self) -> &str {
        &self.find
    }

    /// Leaves out what isn't looked for, sorts the rest, directories first, and takes a page of it:
    /// the last if there are not as many.
    pub(crate) fn choose<T>(&self, entries: impl Iterator<Item = (SortKey, T)>) -> Chosen<T> {
        let wanted = self.find.to_lowercase();
        let mut total = 0;
        let mut found = Vec::new();
        for (key, name) in entries {
            total += 1;
            if key.name.contains(&wanted) {
                found.push((key, name));
            }
        }
        found.sort_by(|(one, _), (other, _)| self.compare(one, other));
        let counts = Counts {
            total,
            found: found.len(),
            page: self.page.min(found.len().saturating_sub(1) / MOST_SHOWN),
        };
        let page = found.into_iter().skip(counts.page * MOST_SHOWN);
        let names = page.take(MOST_SHOWN).map(|(_, name)| name).collect();
        Chosen { names, counts }
    }

    fn compare(&self, one: &SortKey, other: &SortKey) -> Ordering {
        let by_name = || one.name.cmp(&other.name);
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
        one.is_file.cmp(&other.is_file).then(order)
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
            self.find_argument(body);
            body.raw("\">").text(title).raw("</a></th>");
        }
    }

    /// Links to the other pages of the same view, if there are any.
    pub(super) fn pages(&self, body: &mut Html, counts: &Counts) {
        if counts.found <= MOST_SHOWN {
            return;
        }
        let first = counts.page * MOST_SHOWN;
        let end = counts.found.min(first + MOST_SHOWN);
        body.raw("<nav class=\"actions\" aria-label=\"Pages\">");
        if counts.page > 0 {
            self.page_link(body, 1, "First");
            self.page_link(body, counts.page, "Previous");
        }
        let text = format!("Entries {} to {end} of {}", first + 1, counts.found);
        body.element("span", &text);
        if end < counts.found {
            self.page_link(body, counts.page + 2, "Next");
            self.page_link(body, counts.found.div_ceil(MOST_SHOWN), "Last");
        }
        body.raw("</nav>");
    }

    fn page_link(&self, body: &mut Html, page: usize, word: &str) {
        let sort = SORTS.iter().find(|(sort, ..)| *sort == self.sort);
        body.raw("<a href=\"?page=").display(page);
        body.raw("&amp;sort=")
            .raw(sort.map_or("", |(_, sort, _)| sort));
        body.raw("&amp;order=");
        body.raw(if self.is_descending { "down" } else { "up" });
        self.find_argument(body);
        body.raw("\">").text(word).raw("</a>");
    }

    fn find_argument(&self, body: &mut Html) {
        if !self.find.is_empty() {
            body.raw("&amp;find=").text(&quote(self.find.as_bytes()));
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
    use super::super::EntryKind;
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
        let entries = [
            entry("b", EntryKind::File, Some(1)),
            entry("Z", EntryKind::Directory, None),
            entry("A", EntryKind::File, Some(2)),
            entry("c", EntryKind::Directory, None),
        ];
        let view = View::of(&Args::parse(query.as_bytes()));
        let entries = entries.into_iter().map(|entry| (entry.key(), entry.name));
        view.choose(entries).names
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
    fn many_entries_have_several_pages() {
        let page = |query: &str| {
            let key = |number: u64| SortKey {
                is_file: true,
                name: format!("{number:04}"),
                size_bytes: Some(number),
                changed: None,
            };
            let view = View::of(&Args::parse(query.as_bytes()));
            let chosen = view.choose((0..2500).map(|number| (key(number), number)));
            let mut links = Html::default();
            view.pages(&mut links, &chosen.counts);
            (chosen.names, links.as_str().to_owned())
        };
        let numbers = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
        let (first, links) = page("");
        assert_eq!(first, numbers(0..1000));
        assert!(links.contains("Entries 1 to 1000 of 2500"), "{links}");
        assert!(links.contains("?page=2&amp;sort=name&amp;order=up\">Next"));
        assert!(links.contains("?page=3&amp;") && !links.contains("Previous"));
        let (second, links) = page("page=2&sort=size&order=down&find=0");
        assert!(second.is_sorted_by(|one, other| one > other));
        assert!(links.contains("?page=1&amp;sort=size&amp;order=down&amp;find=0\">Previous"));
        assert_eq!(page("page=2").0, numbers(1000..2000));
        for last in ["page=3", "page=4", "page=18446744073709551615"] {
            let (last, links) = page(last);
            assert_eq!(last, numbers(2000..2500));
            assert!(!links.contains("Next"), "{links}");
        }
        assert_eq!(page("find=00").1, "", "one page has no links");
        assert_eq!(page("page=x").0, first);
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
