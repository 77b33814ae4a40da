//! The text of tahoe.cfg: sections of options, read exactly as Python's `configparser` reads them.
//!
//! As the reference sets it up: `=` or `:` ends an option's name, names are lower-cased, a deeper
//! indented line continues the value above it, lines that begin with `#` or `;` are comments, a
//! repeated section or option replaces what came before, `%` introduces interpolation, and options
//! of `[DEFAULT]` appear in every section.

/// The section whose options are seen in every other one.
const DEFAULT_SECTION: &str = "DEFAULT";
/// How deep a value may refer to values that refer to others.
const MAX_INTERPOLATION_DEPTH: usize = 10;
/// How many references one value may come to, those of the values that it refers to included.
const MAX_REFERENCES: usize = 1000;

/// The text isn't a configuration file, or a value refers to something that isn't there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IniError {
    /// An option stands before any section.
    #[error("line {line}: an option before the first [section]")]
    NoSection {
        /// Counted from 1.
        line: usize,
    },
    /// A line is neither a section nor an option.
    #[error("line {line} is neither a [section] nor an \"option = value\"")]
    BadLine {
        /// The first such line, counted from 1.
        line: usize,
    },
    /// A value has a `%` that isn't doubled and doesn't begin `%(name)s`.
    #[error("a '%' must be written as '%%', or as '%(option)s' to insert another option's value")]
    BadInterpolation,
    /// `%(name)s` names no option of the section.
    #[error("refers to option '{0}', which isn't there")]
    MissingReference(String),
    /// Values refer to each other in a circle or too deeply.
    #[error("refers to other options more than {MAX_INTERPOLATION_DEPTH} levels deep")]
    TooDeep,
    /// A value comes to too many references.
    #[error("comes to more than {MAX_REFERENCES} references to other options")]
    TooManyReferences,
}

type Options = Vec<(String, String)>;

/// A configuration file as text: nothing in it has a meaning yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    defaults: Options,
    sections: Vec<(String, Options)>,
}

impl Ini {
    /// Reads a whole file; a byte order mark at its start is skipped.
    pub fn parse(text: &str) -> Result<Self, IniError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut parser = Parser::default();
        for (index, line) in text.split('\n').enumerate() {
            parser.line(index.saturating_add(1), line)?;
        }
        parser.finish()
    }

    /// The names of all sections in order of appearance, `DEFAULT` excepted.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// The names of a section's options, those of `DEFAULT` included; none if there is no such section.
    pub fn options(&self, section: &str) -> Vec<&str> {
        let Some(own) = self.section(section) else {
            return Vec::new();
        };
        let inherited = self
            .defaults
            .iter()
            .filter(|(name, _)| find(own, name).is_none());
        own.iter()
            .chain(inherited)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// An option's value with its references filled in; `None` if section or option isn't there.
    pub fn get(&self, section: &str, option: &str) -> Result<Option<String>, IniError> {
        let Some(own) = self.section(section) else {
            return Ok(None);
        };
        let Some(raw) = self.raw(own, &option.to_lowercase()) else {
            return Ok(None);
        };
        let mut value = String::new();
        self.interpolate(own, raw, 1, &mut value, &mut 0)?;
        Ok(Some(value))
    }

    fn section(&self, name: &str) -> Option<&Options> {
        let (_, options) = self.sections.iter().find(|(found, _)| found == name)?;
        Some(options)
    }

    fn raw<'a>(&'a self, own: &'a Options, option: &str) -> Option<&'a str> {
        find(own, option).or_else(|| find(&self.defaults, option))
    }

    fn interpolate(
        &self,
        own: &Options,
        mut rest: &str,
        depth: usize,
        out: &mut String,
        references: &mut usize,
    ) -> Result<(), IniError> {
        if depth > MAX_INTERPOLATION_DEPTH {
            return Err(IniError::TooDeep);
        }
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let (name, after) = after
                .strip_prefix('(')
                .and_then(|reference| reference.split_once(')'))
                .and_then(|(name, after)| Some((name, after.strip_prefix('s')?)))
                .filter(|(name, _)| !name.is_empty())
                .ok_or(IniError::BadInterpolation)?;
            *references = references.saturating_add(1);
            if *references > MAX_REFERENCES {
                return Err(IniError::TooManyReferences);
            }
            let name = name.to_lowercase();
            let Some(value) = self.raw(own, &name) else {
                return Err(IniError::MissingReference(name));
            };
            self.interpolate(own, value, depth.saturating_add(1), out, references)?;
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }
}

fn find<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    let (_, value) = options.iter().find(|(found, _)| found == name)?;
    Some(value)
}

/// What Python's `str.strip` takes for white space: a few control characters more than Unicode's.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Which options the lines being read belong to.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    Defaults,
    Section(usize),
}

struct Parser {
    ini: Ini,
    place: Place,
    /// The option whose value may go on in the next line, by its index in the current section.
    open_option: Option<usize>,
    indent: usize,
    first_bad_line: Option<usize>,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            ini: Ini::default(),
            place: Place::Nowhere,
            open_option: None,
            indent: 0,
            first_bad_line: None,
        }
    }
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), IniError> {
        let content = strip(line);
        if content.starts_with(['#', ';']) {
            return Ok(());
        }
        if content.is_empty() {
            self.continue_value("");
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if self.open_option.is_some() && indent > self.indent {
            self.continue_value(content);
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = section_header(content) {
            self.enter(name);
            return Ok(());
        }
        if matches!(self.place, Place::Nowhere) {
            return Err(IniError::NoSection { line: number });
        }
        match content.split_once(['=', ':']) {
            Some((name, value)) if !strip(name).is_empty() => {
                self.set(&strip(name).to_lowercase(), strip(value));
            }
            _ => {
                self.first_bad_line.get_or_insert(number);
                // As the original: a line that isn't an option leaves the one above open, one
                // without a name closes it. Either way the file is refused in the end.
            }
        }
        Ok(())
    }

    fn options(&mut self) -> Option<&mut Options> {
        match self.place {
            Place::Nowhere => None,
            Place::Defaults => Some(&mut self.ini.defaults),
            Place::Section(index) => self.ini.sections.get_mut(index).map(|(_, o)| o),
        }
    }

    fn continue_value(&mut self, content: &str) {
        let Some(index) = self.open_option else {
            return;
        };
        if let Some((_, value)) = self.options().and_then(|o| o.get_mut(index)) {
            value.push('\n');
            value.push_str(content);
        }
    }

    fn enter(&mut self, name: &str) {
        self.open_option = None;
        let known = self.ini.sections.iter().position(|(n, _)| n == name);
        self.place = match known {
            Some(index) => Place::Section(index),
            None if name == DEFAULT_SECTION => Place::Defaults,
            None => {
                self.ini.sections.push((name.to_owned(), Options::new()));
                Place::Section(self.ini.sections.len().saturating_sub(1))
            }
        };
    }

    fn set(&mut self, name: &str, value: &str) {
        let Some(options) = self.options() else {
            return;
        };
        let known = options.iter().position(|(n, _)| n == name);
        let index = known.unwrap_or(options.len());
        match options.get_mut(index) {
            Some((_, old)) => value.clone_into(old),
            None => options.push((name.to_owned(), value.to_owned())),
        }
        self.open_option = Some(index);
    }

    fn finish(mut self) -> Result<Ini, IniError> {
        if let Some(line) = self.first_bad_line {
            return Err(IniError::BadLine { line });
        }
        let sections = self.ini.sections.iter_mut().map(|(_, options)| options);
        for (_, value) in sections.chain([&mut self.ini.defaults]).flatten() {
            value.truncate(value.trim_end_matches(is_space).len());
        }
        Ok(self.ini)
    }
}

/// The name between the first `[` and the last `]` of a line that begins with `[`.
fn section_header(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, section: &str, option: &str, expected: &str) {
        let value = Ini::parse(text).unwrap().get(section, option).unwrap();
        assert_eq!(value.as_deref(), Some(expected), "{text:?}");
    }

    #[test]
    fn reads_values_as_configparser_does() {
        check("[a]\nb = c", "a", "b", "c");
        check("\u{feff}[a]\r\nB : c=d\r\n", "a", "b", "c=d");
        check("[a]\nb=1\nb=2\n[a]\nB=3", "a", "b", "3");
        check("[a]\nb = x\n  y\n\n  z\n\n", "a", "b", "x\ny\n\nz");
        check("[a]\nb = x\n# no\n  y", "a", "b", "x\ny");
        check("[a]\nb = x ; stays", "a", "b", "x ; stays");
        check("[a]\nb =\n", "a", "b", "");
        check("[DEFAULT]\nb = 1\n[a]\nc=2", "a", "b", "1");
        check("[a]b]\nc=1", "a]b", "c", "1");
        check("[a] trailing\nc=1", "a", "c", "1");
    }

    #[test]
    fn fills_in_references() {
        check("[a]\nb=%(c)s/%%x\nc=1", "a", "b", "1/%x");
        check("[DEFAULT]\nhome=/h\n[a]\nb=%(HOME)s", "a", "b", "/h");
        let ini = Ini::parse("[a]\nb=50%\nc=%(d)s\ne=%(e)s\nf=%()s").unwrap();
        assert_eq!(ini.get("a", "b"), Err(IniError::BadInterpolation));
        let missing = IniError::MissingReference("d".to_owned());
        assert_eq!(ini.get("a", "c"), Err(missing));
        assert_eq!(ini.get("a", "e"), Err(IniError::TooDeep));
        assert_eq!(ini.get("a", "f"), Err(IniError::BadInterpolation));
    }

    #[test]
    fn values_that_explode_are_refused() {
        let line = |name: char, next: char| format!("{name}={}\n", format!("%({next})s").repeat(9));
        let levels: String = ('b'..='h')
            .zip('c'..='i')
            .map(|(a, b)| line(a, b))
            .collect();
        let ini = Ini::parse(&format!("[a]\n{levels}i=x")).unwrap();
        assert_eq!(ini.get("a", "b"), Err(IniError::TooManyReferences));
        assert_eq!(
            ini.get("a", "g").unwrap().map(|value| value.len()),
            Some(81)
        );
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let error = |text: &str| Ini::parse(text).unwrap_err();
        assert_eq!(error("\nx = 1"), IniError::NoSection { line: 2 });
        assert_eq!(error("[a]\nnonsense\nmore"), IniError::BadLine { line: 2 });
        assert_eq!(error("[a]\n= 1"), IniError::BadLine { line: 2 });
        assert_eq!(error("[]\n"), IniError::NoSection { line: 1 });
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]a%()s=:;# \r\n\t]{0,80}") {
            if let Ok(ini) = Ini::parse(&text) {
                for section in ini.sections() {
                    for option in ini.options(section) {
                        let _ = ini.get(section, option).is_ok();
                    }
                }
            }
        }
    }
}
