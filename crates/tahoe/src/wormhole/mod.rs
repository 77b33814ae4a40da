//! Magic wormhole: two programs whose users share a short code exchange messages that nobody else
//! can read.
//!
//! A mailbox server passes the messages on. The code begins with the number of the mailbox's
//! nameplate; as a whole it is the password of a key exchange (SPAKE2), which gives a stranger one
//! guess. `https://magic-wormhole.readthedocs.io` has the protocol; this is its client-to-client part
//! for small messages, as the reference's `tahoe invite` and `--join` use it.

mod mailbox;
mod secrets;
mod words;

use mailbox::Mailbox;
use secrets::{KeyExchange, SessionKey};
use std::time::Duration;
use tokio::time::timeout;

/// How long the server, or the other side once it is there, may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A wormhole can't be opened, or breaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WormholeError {
    /// The code isn't one.
    #[error("{0:?} is not an invite code, which looks like 4-purple-sausages")]
    BadCode(String),
    /// The server can't be reached, or the connection was lost.
    #[error("the wormhole server cannot be reached")]
    Server(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The server refuses.
    #[error("the wormhole server refuses: {0}")]
    Refused(String),
    /// The server says what makes no sense.
    #[error("the wormhole server does not keep to the protocol: {0}")]
    BadServer(&'static str),
    /// The other side used another code, or somebody tried to listen in.
    #[error("the other side has another code: check it, and make a new invitation")]
    WrongCode,
    /// The other side says what makes no sense.
    #[error("the other side does not keep to the protocol")]
    BadPeer,
    /// Nothing came in time.
    #[error("nothing was heard for {} seconds", PATIENCE.as_secs())]
    TimedOut,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
}

type Result<T> = std::result::Result<T, WormholeError>;

/// A connection with the server, before the other side is there.
pub(crate) struct Opened {
    mailbox: Mailbox,
    code: String,
    app_id: String,
}

/// A connection with the other side.
pub(crate) struct Wormhole {
    mailbox: Mailbox,
    key: SessionKey,
    sent: u32,
    received: u32,
}

/// Connects to a server, for an application; the first half of either side.
pub(crate) async fn connect(url: &str, app_id: &str) -> Result<Connected> {
    let mailbox = in_time(Mailbox::connect(url, app_id)).await?;
    let app_id = app_id.to_owned();
    Ok(Connected { mailbox, app_id })
}

/// A connection with the server, without a code.
pub(crate) struct Connected {
    mailbox: Mailbox,
    app_id: String,
}

impl Connected {
    /// Makes a code for somebody else.
    pub(crate) async fn allocate_code(mut self) -> Result<Opened> {
        let nameplate = in_time(self.mailbox.allocate()).await?;
        let code = format!("{nameplate}-{}", words::choose()?);
        self.open(code, nameplate).await
    }

    /// Takes the code that somebody else made.
    pub(crate) async fn use_code(self, code: &str) -> Result<Opened> {
        let nameplate = nameplate_of(code)?;
        self.open(code.to_owned(), nameplate).await
    }

    async fn open(mut self, code: String, nameplate: String) -> Result<Opened> {
        in_time(self.mailbox.open(nameplate)).await?;
        Ok(Opened {
            mailbox: self.mailbox,
            code,
            app_id: self.app_id,
        })
    }
}

/// The number at the beginning of a code.
fn nameplate_of(code: &str) -> Result<String> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let nameplate = code.split_once('-').map(|(nameplate, _)| nameplate);
    match nameplate.filter(is_number) {
        Some(nameplate) if !code.contains(char::is_whitespace) => Ok(nameplate.to_owned()),
        _ => Err(WormholeError::BadCode(code.to_owned())),
    }
}

impl Opened {
    /// The code that both sides have.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Waits for the other side, however long that takes, and makes sure that it has the code.
    pub(crate) async fn other_side(mut self) -> Result<Wormhole> {
        let exchange = KeyExchange::begin(&self.code, &self.app_id);
        self.mailbox.add("pake", &exchange.message()).await?;
        let theirs = self.mailbox.message("pake").await?;
        let key = exchange.finish(&theirs.body);
        let result = match key {
            Some(key) => in_time(self.confirm(key)).await,
            None => Err(WormholeError::WrongCode),
        };
        match result {
            Ok(key) => Ok(Wormhole {
                mailbox: self.mailbox,
                key,
                sent: 0,
                received: 0,
            }),
            Err(error) => {
                // The other side is told as well; what went wrong is known already.
                drop(in_time(self.mailbox.close("scary")).await);
                Err(error)
            }
        }
    }

    /// Exchanges what only who has the code can read.
    async fn confirm(&mut self, key: SessionKey) -> Result<SessionKey> {
        let versions = key.encrypt(self.mailbox.side(), "version", br#"{"app_versions": {}}"#)?;
        self.mailbox.add("version", &versions).await?;
        let theirs = self.mailbox.message("version").await?;
        let readable = key.decrypt(&theirs.side, "version", &theirs.body);
        readable.ok_or(WormholeError::WrongCode)?;
        self.mailbox.release().await?;
        Ok(key)
    }
}

impl Wormhole {
    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<()> {
        let phase = self.sent.to_string();
        self.sent = self.sent.saturating_add(1);
        let side = self.mailbox.side();
        let sealed = self.key.encrypt(side, &phase, message)?;
        in_time(self.mailbox.add(&phase, &sealed)).await
    }

    /// Waits for the next message.
    pub(crate) async fn receive(&mut self) -> Result<Vec<u8>> {
        let phase = self.received.to_string();
        self.received = self.received.saturating_add(1);
        let message = in_time(self.mailbox.message(&phase)).await?;
        let opened = self.key.decrypt(&message.side, &phase, &message.body);
        opened.ok_or(WormholeError::BadPeer)
    }

    /// Says that all went well; what was sent is on the server then.
    pub(crate) async fn close(mut self) -> Result<()> {
        in_time(self.mailbox.close("happy")).await
    }
}

async fn in_time<T>(doing: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(PATIENCE, doing).await {
        Ok(done) => done,
        Err(_) => Err(WormholeError::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_begin_with_a_number() {
        assert_eq!(nameplate_of("17-purple-sausages").unwrap(), "17");
        for bad in ["", "17", "-a", "a-b", "1 7-a", "17-a b", "١-a"] {
            assert!(nameplate_of(bad).is_err(), "{bad:?}");
        }
    }
}
