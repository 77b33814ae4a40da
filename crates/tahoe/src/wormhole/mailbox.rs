//! The connection with a mailbox server: JSON messages over a WebSocket.

use super::{Result, WormholeError};
use data_encoding::HEXLOWER_PERMISSIVE;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Largest message of the server.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Most messages of the other side that are kept until they are asked for.
const MAX_PENDING: usize = 32;

/// A mailbox that two sides share.
pub(super) struct Mailbox {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    side: String,
    nameplate: Option<String>,
    name: Option<String>,
    /// What the other side sent and nobody has asked for yet.
    pending: Vec<FromPeer>,
}

/// A message of the other side.
#[derive(Debug, Clone)]
pub(super) struct FromPeer {
    pub(super) side: String,
    phase: String,
    pub(super) body: Vec<u8>,
}

impl Mailbox {
    /// Connects and says which application this is.
    pub(super) async fn connect(url: &str, app_id: &str) -> Result<Self> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        // It is large, with TLS in it.
        let connecting = Box::pin(connect_async_with_config(url, Some(config), true));
        let (socket, _) = connecting.await.map_err(lost)?;
        let mut mailbox = Self {
            socket,
            side: data_encoding::HEXLOWER.encode(&super::secrets::random::<5>()?),
            nameplate: None,
            name: None,
            pending: Vec::new(),
        };
        let welcome = mailbox.answer("welcome").await?;
        if let Some(error) = welcome["welcome"]["error"].as_str() {
            return Err(WormholeError::Refused(error.to_owned()));
        }
        let side = mailbox.side.clone();
        mailbox
            .tell(json!({"type": "bind", "appid": app_id, "side": side}))
            .await?;
        Ok(mailbox)
    }

    /// By what the server tells the two sides apart.
    pub(super) fn side(&self) -> &str {
        &self.side
    }

    /// Has the server choose a nameplate.
    pub(super) async fn allocate(&mut self) -> Result<String> {
        self.tell(json!({"type": "allocate"})).await?;
        let answer = self.answer("allocated").await?;
        let nameplate = answer["nameplate"].as_str();
        let nameplate = nameplate.ok_or(WormholeError::BadServer("no nameplate"))?;
        Ok(nameplate.to_owned())
    }

    /// Opens the mailbox of a nameplate.
    pub(super) async fn open(&mut self, nameplate: String) -> Result<()> {
        self.tell(json!({"type": "claim", "nameplate": nameplate}))
            .await?;
        self.nameplate = Some(nameplate);
        let answer = self.answer("claimed").await?;
        let name = answer["mailbox"].as_str();
        let name = name
            .ok_or(WormholeError::BadServer("no mailbox"))?
            .to_owned();
        self.tell(json!({"type": "open", "mailbox": name})).await?;
        self.name = Some(name);
        Ok(())
    }

    /// Lets others have the nameplate; the mailbox stays.
    pub(super) async fn release(&mut self) -> Result<()> {
        let Some(nameplate) = self.nameplate.take() else {
            return Ok(());
        };
        self.tell(json!({"type": "release", "nameplate": nameplate}))
            .await?;
        self.answer("released").await.map(drop)
    }

    /// Puts a message into the mailbox.
    pub(super) async fn add(&mut self, phase: &str, body: &[u8]) -> Result<()> {
        let body = data_encoding::HEXLOWER.encode(body);
        self.tell(json!({"type": "add", "phase": phase, "body": body}))
            .await
    }

    /// Waits for the other side's message of a phase.
    pub(super) async fn message(&mut self, phase: &str) -> Result<FromPeer> {
        loop {
            if let Some(at) = self
                .pending
                .iter()
                .position(|message| message.phase == phase)
            {
                return Ok(self.pending.swap_remove(at));
            }
            self.next().await?;
        }
    }

    /// Leaves the mailbox, in this mood, and the server.
    pub(super) async fn close(&mut self, mood: &str) -> Result<()> {
        self.release().await?;
        if let Some(name) = self.name.take() {
            self.tell(json!({"type": "close", "mailbox": name, "mood": mood}))
                .await?;
            self.answer("closed").await?;
        }
        self.socket.close(None).await.map_err(lost)
    }

    async fn tell(&mut self, message: Value) -> Result<()> {
        let message = Message::text(message.to_string());
        self.socket.send(message).await.map_err(lost)
    }

    /// Waits for a message of the server's own of this kind.
    async fn answer(&mut self, kind: &str) -> Result<Value> {
        loop {
            let message = self.next().await?;
            if message["type"] == kind {
                return Ok(message);
            }
        }
    }

    /// Takes the next message; one of the other side is kept as well.
    async fn next(&mut self) -> Result<Value> {
        let message = loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => break text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => break bytes.to_vec(),
                Some(Ok(Message::Close(_))) | None => return Err(lost(Error::ConnectionClosed)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(error)),
            }
        };
        let message: Value = serde_json::from_slice(&message)
            .map_err(|_| WormholeError::BadServer("a message isn't JSON"))?;
        match message["type"].as_str() {
            Some("error") => {
                let error = message["error"].as_str().unwrap_or("no reason given");
                Err(WormholeError::Refused(error.to_owned()))
            }
            Some("message") => {
                self.keep(&message)?;
                Ok(message)
            }
            _ => Ok(message),
        }
    }

    fn keep(&mut self, message: &Value) -> Result<()> {
        let text = |key: &str| message[key].as_str();
        let (Some(side), Some(phase), Some(body)) = (text("side"), text("phase"), text("body"))
        else {
            return Err(WormholeError::BadServer("a message isn't whole"));
        };
        if side == self.side {
            return Ok(());
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(WormholeError::BadPeer);
        }
        let body = HEXLOWER_PERMISSIVE.decode(body.as_bytes());
        self.pending.push(FromPeer {
            side: side.to_owned(),
            phase: phase.to_owned(),
            body: body.map_err(|_| WormholeError::BadPeer)?,
        });
        Ok(())
    }
}

fn lost(error: Error) -> WormholeError {
    WormholeError::Server(Box::new(error))
}
