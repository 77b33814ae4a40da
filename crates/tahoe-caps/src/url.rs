//! Capabilities inside the URLs of a gateway's web API.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Takes the capability out of a gateway's URL (`http://…/uri/CAP`); any other text is returned
/// as it is.
///
/// People copy capabilities from the address bar, where colons may be spelled `%3A`. As in the
/// reference, what follows `/uri/` up to a `;`, `?` or `#` is taken whole. A text that begins with
/// `http` and isn't such a URL gives `None`.
pub fn cap_text_of_argument(argument: &str) -> Option<Cow<'_, str>> {
    if !argument.starts_with("http") {
        return Some(Cow::Borrowed(argument));
    }
    let (_, after_scheme) = argument.split_once("://")?;
    let path_at = after_scheme.find(['/', '?', '#'])?;
    let (_, path) = after_scheme.split_at_checked(path_at)?;
    let encoded = path.strip_prefix("/uri/")?;
    let end = encoded.find(['?', '#']).unwrap_or(encoded.len());
    let (encoded, _) = encoded.split_at_checked(end)?;
    Some(percent_decode_str(without_parameters(encoded)).decode_utf8_lossy())
}

/// Drops the `;parameters` of a path's last component.
fn without_parameters(path: &str) -> &str {
    let last = path.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    let (_, component) = path.split_at_checked(last).unwrap_or(("", path));
    match component.find(';') {
        Some(at) => path
            .split_at_checked(last.saturating_add(at))
            .map_or(path, |(kept, _)| kept),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: &str = "URI:DIR2-RO:key:fingerprint";

    #[test]
    fn finds_the_cap_in_a_url() {
        for url in [
            "http://127.0.0.1:3456/uri/URI:DIR2-RO:key:fingerprint",
            "http://127.0.0.1:3456/uri/URI%3ADIR2-RO%3Akey%3Afingerprint",
            "https://gateway.example/uri/URI%3ADIR2-RO%3akey:fingerprint?t=json&x=/uri/",
            "http://[::1]:3456/uri/URI:DIR2-RO:key:fingerprint#here?",
            "http://localhost/uri/URI:DIR2-RO:key:fingerprint;a=b?c",
        ] {
            assert_eq!(cap_text_of_argument(url).as_deref(), Some(CAP), "{url}");
        }
    }

    #[test]
    fn takes_any_other_text_as_it_is() {
        for text in ["", CAP, "imm.x%3A", "ftp://x/uri/y", "ünknown"] {
            assert_eq!(cap_text_of_argument(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn keeps_what_follows_the_cap_in_the_path() {
        let url = "http://localhost/uri/URI%3ADIR2:a:b/sub;v=1/na%20me;p";
        assert_eq!(
            cap_text_of_argument(url).as_deref(),
            Some("URI:DIR2:a:b/sub;v=1/na me")
        );
    }

    #[test]
    fn refuses_other_urls() {
        for url in [
            "http",
            "http://",
            "http://localhost",
            "http://localhost/",
            "http://localhost/file/URI:CHK:x",
            "http://localhost/x/uri/URI:CHK:x",
            "http://localhost?x=/uri/URI:CHK:x",
        ] {
            assert_eq!(cap_text_of_argument(url), None, "{url}");
        }
    }
}
