//! What is said before TLS: the client asks for a tub, the server agrees.

use super::NegotiationError;
use crate::TubId;

/// What the server answers before it begins TLS.
pub const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: TLS/1.0, PB/1.0\r\nConnection: Upgrade\r\n\r\n";

/// The bytes with which every Foolscap client begins.
pub const REQUEST_START: &[u8] = b"GET /id/";

/// Writes the client's request for a tub; `host` is what the hint said.
pub fn request(tub_id: &TubId, host: &str) -> Vec<u8> {
    format!(
        "GET /id/{tub_id} HTTP/1.1\r\nHost: {host}\r\nUpgrade: TLS/1.0\r\n\
         Connection: Upgrade\r\n\r\n"
    )
    .into_bytes()
}

/// Reads a client's request and says which tub it wants.
pub fn parse_request(header: &[u8]) -> Result<TubId, NegotiationError> {
    let header = std::str::from_utf8(header).map_err(|_| NegotiationError::NotFoolscap)?;
    let first = header.split("\r\n").next().unwrap_or_default();
    let mut words = first.split(' ').filter(|word| !word.is_empty());
    let (Some("GET"), Some(path), Some(_), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NegotiationError::NotFoolscap);
    };
    let id = path
        .strip_prefix("/id/")
        .ok_or(NegotiationError::NotFoolscap)?;
    id.parse()
        .map_err(|_| NegotiationError::UnknownTub(id.to_owned()))
}

/// Checks that the server agrees.
pub fn parse_response(header: &[u8]) -> Result<(), NegotiationError> {
    let header = String::from_utf8_lossy(header);
    let first = header.split("\r\n").next().unwrap_or_default();
    if first.split(' ').nth(1) == Some("101") && header.contains("Upgrade: TLS/1.0") {
        Ok(())
    } else {
        Err(NegotiationError::NotSwitching(first.to_owned()))
    }
}

/// Writes the server's refusal.
pub fn refusal(error: &NegotiationError) -> Vec<u8> {
    format!("HTTP/1.1 500 Internal Server Error: {error}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let tub = TubId::from_bytes([9; 20]);
        let written = request(&tub, "host");
        assert!(written.starts_with(REQUEST_START));
        let header = written.strip_suffix(b"\r\n\r\n").unwrap();
        assert_eq!(parse_request(header), Ok(tub));
        assert_eq!(parse_response(SWITCHING), Ok(()));
        let refused = parse_response(&refusal(&NegotiationError::NotFoolscap));
        assert!(matches!(refused, Err(NegotiationError::NotSwitching(_))));
        for other in [
            "GET / HTTP/1.1",
            "GET /id/",
            "PUT /id/x y",
            "GET /id/a b c",
            "",
        ] {
            assert!(parse_request(other.as_bytes()).is_err(), "{other:?}");
        }
    }
}
