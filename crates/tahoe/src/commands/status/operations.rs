//! Tables of the operations of a node, with bars for those under way.

use crate::python::decimal_size;
use serde_json::Value;

/// Cells of a progress bar.
const BAR_WIDTH: u32 = 15;

/// The table of what is under way.
pub(super) fn active(status: &Value) -> Vec<String> {
    let operations = list(status, "active");
    if operations.is_empty() {
        return vec!["No active operations.".to_owned()];
    }
    let mut lines = vec![
        "Active operations:".to_owned(),
        header("progress", 22),
        format!("╟─{}", rule("╫", 22)),
    ];
    lines.extend(operations.iter().map(active_line));
    lines.push(format!("╙─{}", rule("╨", 22)));
    lines
}

fn active_line(operation: &Value) -> String {
    let number = |name| operation.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let (total, bar) = match text(operation, "type") {
        "upload" => {
            let steps = [
                "progress-hash",
                "progress-ciphertext",
                "progress-encode-push",
            ];
            let percent = steps.map(number).iter().sum::<f64>() / 3.0 * 100.0;
            (format!("{percent:3.0}"), bar(percent))
        }
        "download" => {
            let progress = operation.get("progress");
            let progress = progress.map(Value::to_string).unwrap_or_default();
            (progress, bar(number("progress") * 100.0))
        }
        _ => ("???".to_owned(), String::new()),
    };
    let (kind, index, status) = common(operation);
    format!("║ {kind} ║ {index} ║ {bar:<15} ({total}%) ║ {status}")
}

/// A bar that is so full; its last cell in eighths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's cast saturates"
)]
fn bar(percent: f64) -> String {
    let cells = percent / 100.0 * f64::from(BAR_WIDTH);
    let full = cells as u32;
    let eighths = ((cells - f64::from(full)) * 8.0) as u32;
    let last = char::from_u32(0x258f_u32.saturating_sub(eighths)).filter(|_| percent < 100.0);
    let last = last.map(String::from).unwrap_or_default();
    let rest = BAR_WIDTH.saturating_sub(full + 1) as usize;
    format!("{}{last}{}", "█".repeat(full as usize), " ".repeat(rest))
}

/// The table of what was done; reads and writes of mutable files only if asked for.
pub(super) fn recent(status: &Value, verbose: bool) -> Vec<String> {
    let operations = list(status, "recent");
    let mut lines = Vec::new();
    if operations.is_empty() {
        lines.push("No recent operations.".to_owned());
    }
    let is_transfer = |operation: &&Value| matches!(text(operation, "type"), "upload" | "download");
    let shown: Vec<&Value> = match verbose {
        true => operations.iter().collect(),
        false => operations.iter().filter(is_transfer).collect(),
    };
    lines.push("\nRecent operations:".to_owned());
    if verbose || !shown.is_empty() {
        lines.push(header("size", 10));
        lines.extend(shown.iter().map(|operation| recent_line(operation)));
        lines.push(format!("╙─{}", rule("╨", 10)));
    }
    let skipped = operations.len() - shown.len();
    if skipped > 0 {
        lines.push(format!(
            "   Skipped {skipped} non-upload/download operations; use --verbose to see"
        ));
    }
    lines
}

fn recent_line(operation: &Value) -> String {
    let size = match text(operation, "type") {
        "mapupdate" => text(operation, "mode").to_owned(),
        _ => match operation.get("total-size").and_then(Value::as_u64) {
            Some(bytes) => decimal_size(bytes),
            None => "unknown".to_owned(),
        },
    };
    let (kind, index, status) = common(operation);
    format!("║ {kind} ║ {index} ║ {size:<10} ║ {status}")
}

fn header(what: &str, width: usize) -> String {
    let (kind, index) = ("type", "storage index");
    format!("╓ {kind:<5} ╥ {index:<26} ╥ {what:<width$} ╥ status message")
}

fn rule(crossing: &str, width: usize) -> String {
    let widths = [5, 26, width, 20];
    let lines = widths.map(|width| "─".repeat(width));
    lines.join(&format!("─{crossing}─"))
}

fn common(operation: &Value) -> (&'static str, &str, &str) {
    let kind = match text(operation, "type") {
        "upload" => " put ",
        "download" => " get ",
        "retrieve" => "retr ",
        "publish" => " pub ",
        "mapupdate" => "mapup",
        _ => " ??? ",
    };
    let index = text(operation, "storage-index-string");
    (kind, index, text(operation, "status"))
}

fn list<'a>(status: &'a Value, name: &str) -> &'a [Value] {
    let list = status.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(operation: &'a Value, name: &str) -> &'a str {
    operation
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are what the reference's pretty_progress gives.
    #[test]
    fn bars() {
        assert_eq!(bar(0.0), format!("▏{}", " ".repeat(14)));
        assert_eq!(
            bar(50.0),
            format!("███████▋{}", " ".repeat(7)).replace('▋', "▋")
        );
        assert_eq!(bar(100.0), "█".repeat(15));
    }
}
