//! Pictures in pages: bars in rows, for timelines and comparisons, and shares on servers.
//!
//! Labels are text beside the bars, so that pictures can be read on a phone and by a screen reader.

use crate::html::Html;
use std::collections::BTreeMap;

/// Bars are drawn on a scale of so many units.
const SCALE: f64 = 1000.0;
/// Narrower bars couldn't be seen.
const NARROWEST: f64 = 4.0;

/// A row with a name, bars and what they mean in words.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) text: String,
}

/// A bar; from and to are in the unit of the chart's `whole`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) kind: Kind,
}

/// What a bar or a share tells by its colour, and by words beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    Bad,
    /// Not over yet.
    Open,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
        }
    }
}

/// Draws rows on a scale from 0 to `whole`.
pub(crate) fn bars(body: &mut Html, whole: f64, rows: &[Row]) {
    let place = |value: f64| (value / whole.max(f64::MIN_POSITIVE) * SCALE).clamp(0.0, SCALE);
    body.raw("<ul class=\"chart\">\n");
    for row in rows {
        body.raw("<li>").element("span class=label", &row.label);
        body.raw("<svg viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        for bar in &row.bars {
            let from = place(bar.from).min(SCALE - NARROWEST);
            let width = (place(bar.to) - from).max(NARROWEST);
            body.raw("<rect class=\"").raw(bar.kind.class());
            body.raw("\" y=\"2\" height=\"16\" x=\"")
                .text(&format!("{from:.1}"));
            body.raw("\" width=\"")
                .text(&format!("{width:.1}"))
                .raw("\"/>");
        }
        body.raw("</svg>")
            .element("span class=value", &row.text)
            .raw("</li>\n");
    }
    body.raw("</ul>\n");
}

/// Which shares servers hold: by a server's name, shares with what is known of each.
pub(crate) type Placement = BTreeMap<String, Vec<(String, Kind)>>;

/// Draws servers with their shares.
pub(crate) fn shares(body: &mut Html, placement: &Placement) {
    body.raw("<ul class=\"servers\">\n");
    for (server, shares) in placement {
        body.raw("<li>")
            .element("span class=label", server)
            .raw("<span>");
        if shares.is_empty() {
            body.classed("span", "hint", "no share");
        }
        for (share, kind) in shares {
            let class = format!("share {}", kind.class());
            let words = match kind {
                Kind::Bad => format!("{share} corrupt"),
                Kind::Good | Kind::Open => share.clone(),
            };
            body.classed("span", &class, &words).raw(" ");
        }
        body.raw("</span></li>\n");
    }
    body.raw("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_picture() {
        let bar = |from, to| Bar {
            from,
            to,
            kind: Kind::Good,
        };
        let row = Row {
            label: "<a>".to_owned(),
            bars: vec![bar(0.0, 5.0), bar(10.0, 10.0), bar(-3.0, 99.0)],
            text: "b".to_owned(),
        };
        let mut body = Html::default();
        bars(&mut body, 10.0, std::slice::from_ref(&row));
        let drawn = body.as_str();
        assert!(drawn.contains("x=\"0.0\" width=\"500.0\""), "{drawn}");
        assert!(drawn.contains("x=\"996.0\" width=\"4.0\""), "{drawn}");
        assert!(drawn.contains("x=\"0.0\" width=\"1000.0\""), "{drawn}");
        assert!(drawn.contains("&lt;a&gt;"));
        let mut body = Html::default();
        bars(&mut body, 0.0, &[row]);
        assert!(!body.as_str().contains("NaN"));
    }

    #[test]
    fn corrupt_shares_are_told_in_words_too() {
        let mut placement = Placement::new();
        placement.insert("one".to_owned(), vec![("0".to_owned(), Kind::Bad)]);
        placement.insert("two".to_owned(), Vec::new());
        let mut body = Html::default();
        shares(&mut body, &placement);
        assert!(
            body.as_str()
                .contains("<span class=\"share bad\">0 corrupt</span>")
        );
        assert!(body.as_str().contains("no share"));
    }
}
