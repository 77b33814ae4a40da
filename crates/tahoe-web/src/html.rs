//! Writing HTML: text is escaped unless it is said to be markup.

/// Markup that is being written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// Adds markup as it is.
    pub(crate) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, for an element or a quoted attribute.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds what prints, as text.
    pub(crate) fn display(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.text(&value.to_string())
    }

    /// Adds an element with this text.
    pub(crate) fn element(&mut self, tag: &str, text: &str) -> &mut Self {
        self.raw("<").raw(tag).raw(">").text(text);
        let name = tag.split(' ').next().unwrap_or(tag);
        self.raw("</").raw(name).raw(">")
    }

    /// Adds an element of this class with this text.
    pub(crate) fn classed(&mut self, tag: &str, class: &str, text: &str) -> &mut Self {
        self.raw("<")
            .raw(tag)
            .raw(" class=\"")
            .raw(class)
            .raw("\">");
        self.text(text).raw("</").raw(tag).raw(">")
    }

    /// Adds a name and a value to a list of facts (`<dl class="facts">`).
    pub(crate) fn fact(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw("<div>")
            .element("dt", name)
            .element("dd", value)
            .raw("</div>\n")
    }

    /// Adds other markup.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.raw(&other.0)
    }

    /// The markup.
    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A whole page whose heading is its title.
pub(crate) fn page(title: &str, body: &Html) -> String {
    page_with_heading(title, title, body)
}

/// A whole page.
pub(crate) fn page_with_heading(title: &str, heading: &str, body: &Html) -> String {
    page_with_scripts(title, heading, &[], body)
}

/// A whole page that scripts of ours improve, by their names below `/assets/`.
pub(crate) fn page_with_scripts(
    title: &str,
    heading: &str,
    scripts: &[&str],
    body: &Html,
) -> String {
    let navigation = "<a href=\"/\">Grid</a> <a href=\"/status\">Operations</a> \
                      <a href=\"/statistics\">Statistics</a>";
    whole_page(title, heading, navigation, scripts, body)
}

/// A whole page of a node that has other pages than most; `navigation` is markup.
pub(crate) fn page_with_navigation(
    title: &str,
    heading: &str,
    navigation: &str,
    body: &Html,
) -> String {
    whole_page(title, heading, navigation, &[], body)
}

/// What all pages have.
///
/// Their forms tell us that they are ours, which browsers do only if the page lets them tell where
/// they come from; no other site is told.
fn whole_page(
    title: &str,
    heading: &str,
    navigation: &str,
    scripts: &[&str],
    body: &Html,
) -> String {
    let mut page = Html::default();
    page.raw(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"same-origin\">\n",
    );
    page.element("title", title);
    page.raw(
        "\n<link rel=\"stylesheet\" href=\"/tahoe.css\">\n\
         <link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n",
    );
    for script in scripts {
        page.raw("<script type=\"module\" src=\"/assets/");
        page.raw(script).raw("\"></script>\n");
    }
    page.raw(
        "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
         <header><a class=\"brand\" href=\"/\"><img src=\"/icon.svg\" alt=\"\" width=\"28\" \
         height=\"28\">Tahoe-LAFS</a><nav aria-label=\"Main\">",
    );
    page.raw(navigation)
        .raw("</nav></header>\n<main id=\"main\">\n");
    page.element("h1", heading).raw("\n");
    page.append(body);
    page.raw("\n</main>\n</body>\n</html>\n");
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut html = Html::default();
        html.raw("<a title=\"")
            .text("\"x\" <&> 'y'")
            .raw("\">")
            .element("b class=c", "<");
        assert_eq!(
            html.as_str(),
            "<a title=\"&quot;x&quot; &lt;&amp;&gt; &#39;y&#39;\"><b class=c>&lt;</b>"
        );
    }

    #[test]
    fn pages_hold_no_scripts_and_nothing_external() {
        let page = page("a<b", &Html::default());
        assert!(page.contains("<title>a&lt;b</title>"));
        assert!(!page.contains("<script") && !page.contains("//"), "{page}");
        assert!(!page.contains("style=\""));
    }
}
