//! Changes in the text of tahoe.cfg that leave everything else in it, comments too, as it is.

/// Sets an option, whose value is written as given: percent signs are already doubled.
///
/// The first line that sets it is replaced with the lines that continue it; a new option comes at
/// the end of its section, a new section at the end of the file.
pub(crate) fn with_option(text: &str, section: &str, option: &str, value: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let header = format!("[{section}]");
    let line = format!("{option} = {value}");
    let Some(start) = lines.iter().rposition(|line| line.trim_end() == header) else {
        let gap = if lines.last().is_none_or(|line| line.is_empty()) {
            ""
        } else {
            "\n"
        };
        return format!("{}{gap}{header}\n{line}\n", with_line_ends(&lines));
    };
    let start = start.saturating_add(1);
    let rest = lines.get(start..).unwrap_or_default();
    let length = rest
        .iter()
        .take_while(|line| !line.starts_with('['))
        .count();
    let body = rest.get(..length).unwrap_or_default();
    if let Some(at) = body.iter().position(|line| sets(line, option)) {
        let after = body.get(at.saturating_add(1)..).unwrap_or_default();
        let continued = after.iter().take_while(|line| continues(line)).count();
        let first = start.saturating_add(at);
        let end = first.saturating_add(continued).saturating_add(1);
        lines.splice(first..end, [line.as_str()]);
    } else {
        let used = body.iter().rposition(|line| !line.trim().is_empty());
        let used = used.map_or(0, |last| last.saturating_add(1));
        lines.insert(start.saturating_add(used), line.as_str());
    }
    with_line_ends(&lines)
}

fn sets(line: &str, option: &str) -> bool {
    let name = line.split(['=', ':']).next().unwrap_or_default();
    !line.starts_with([' ', '\t', '#', ';']) && name.trim().eq_ignore_ascii_case(option)
}

fn continues(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim().is_empty()
}

fn with_line_ends(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_option_changes() {
        let text = "# mine\n[a]\nx = 1\n  more\n#y = 2\n\n[b]\nx = 3";
        let check = |section, option, expected| {
            assert_eq!(with_option(text, section, option, "9"), expected);
        };
        check("a", "x", "# mine\n[a]\nx = 9\n#y = 2\n\n[b]\nx = 3\n");
        check("a", "X", "# mine\n[a]\nX = 9\n#y = 2\n\n[b]\nx = 3\n");
        check(
            "a",
            "y",
            "# mine\n[a]\nx = 1\n  more\n#y = 2\ny = 9\n\n[b]\nx = 3\n",
        );
        check(
            "b",
            "z",
            "# mine\n[a]\nx = 1\n  more\n#y = 2\n\n[b]\nx = 3\nz = 9\n",
        );
        check("c", "z", &format!("{text}\n\n[c]\nz = 9\n"));
        assert_eq!(with_option("", "c", "z", "9"), "[c]\nz = 9\n");
    }
}
