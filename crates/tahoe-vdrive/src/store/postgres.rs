//! PostgreSQL: one database, any number of servers.
//!
//! Servers take turns at writing by a lock that lasts as long as a transaction, and tell each other
//! by `NOTIFY` what has changed. A connection that is lost is made again for the next transaction,
//! or the next read.

use super::sql::{Cell, Database, Reader, Row};
use super::{Changed, DatabaseError};
use crate::ids::DirectoryId;
use async_trait::async_trait;
use bytes::{BufMut as _, BytesMut};
use futures_util::{StreamExt as _, future, stream};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinSet;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Statement};

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After how much silence of another machine a connection is taken for lost.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the one who listens waits before it connects again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// Most directories that one announcement names; PostgreSQL takes 8000 bytes.
const MAX_ANNOUNCED: usize = 200;
/// The lock is the drive's own, whatever else the database is used for.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(8389187293520258149)";
const LISTEN: &str = "LISTEN tahoe_vdrive";
const NOTIFY: &str = "SELECT pg_notify('tahoe_vdrive', encode($1, 'escape'))";

/// A server of a drive, among others.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    /// Tells its own announcements from those of others.
    name: String,
}

impl Server {
    pub(super) fn new(parameters: &str) -> Result<Self, DatabaseError> {
        let mut config: Config = parameters.parse()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // Or a database that is no more there would be waited for.
        config.keepalives_idle(SILENCE);
        config.tcp_user_timeout(SILENCE);
        let name = format!("{:016x}", rand::random::<u64>());
        Ok(Self { config, name })
    }

    async fn connect(&self) -> Result<Connected, DatabaseError> {
        let (client, connection) = self.config.connect(NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection with the drive's database was lost");
            }
        });
        client.batch_execute("SET synchronous_commit = on").await?;
        Ok(Connected {
            client,
            statements: Mutex::default(),
            _driver: driver,
        })
    }
}

/// A connection, with the statements that it has prepared.
struct Connected {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Ends with the connection.
    _driver: JoinSet<()>,
}

impl Connected {
    async fn query(
        &self,
        statement: &'static str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, DatabaseError> {
        let statement = self.prepare(statement).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|cell| cell as &(dyn ToSql + Sync))
            .collect();
        let rows = self.client.query(&statement, &parameters).await?;
        rows.iter().map(cells).collect()
    }

    async fn prepare(&self, text: &'static str) -> Result<Statement, DatabaseError> {
        let mut statements = self.statements.lock().await;
        if let Some(statement) = statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text).await?;
        statements.insert(text, statement.clone());
        Ok(statement)
    }
}

/// The writer's connection.
pub(super) struct Postgres {
    server: Server,
    connected: Connected,
}

impl Postgres {
    pub(super) async fn connect(server: Server) -> Result<Self, DatabaseError> {
        let connected = server.connect().await?;
        Ok(Self { server, connected })
    }
}

#[async_trait]
impl Database for Postgres {
    async fn begin(&mut self) -> Result<(), DatabaseError> {
        if self.connected.client.is_closed() {
            self.connected = self.server.connect().await?;
        }
        Ok(self.connected.client.batch_execute(BEGIN).await?)
    }

    async fn query(
        &mut self,
        statement: &'static str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.connected.query(statement, parameters).await
    }

    async fn announce(&mut self, changed: &[Changed]) -> Result<(), DatabaseError> {
        let announcement = write_announcement(&self.server.name, changed);
        let parameters = [Cell::bytes(announcement.as_bytes())];
        self.connected.query(NOTIFY, &parameters).await.map(drop)
    }
}

/// A connection that reads, and one that listens.
pub(super) struct Readers {
    server: Server,
    connected: Mutex<Option<Arc<Connected>>>,
    /// Ends with the store.
    _listening: JoinSet<()>,
}

impl Readers {
    pub(super) fn start(server: &Server, changes: broadcast::Sender<Changed>) -> Self {
        let mut listening = JoinSet::new();
        listening.spawn(listen(server.clone(), changes));
        Self {
            server: server.clone(),
            connected: Mutex::new(None),
            _listening: listening,
        }
    }

    async fn connected(&self) -> Result<Arc<Connected>, DatabaseError> {
        let mut kept = self.connected.lock().await;
        match &*kept {
            Some(connected) if !connected.client.is_closed() => Ok(Arc::clone(connected)),
            _ => {
                let connected = Arc::new(self.server.connect().await?);
                *kept = Some(Arc::clone(&connected));
                Ok(connected)
            }
        }
    }
}

#[async_trait]
impl Reader for Readers {
    async fn query(
        &self,
        statement: &'static str,
        parameters: Vec<Cell>,
    ) -> Result<Vec<Row>, DatabaseError> {
        let connected = self.connected().await?;
        connected.query(statement, &parameters).await
    }
}

/// Passes on what other servers announce, and that anything may have changed whenever announcements
/// may have been missed.
async fn listen(server: Server, changes: broadcast::Sender<Changed>) {
    loop {
        if let Err(error) = listen_once(&server, &changes).await {
            tracing::debug!(%error, "other servers of the drive can't be heard");
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn listen_once(
    server: &Server,
    changes: &broadcast::Sender<Changed>,
) -> Result<(), DatabaseError> {
    let (client, mut connection) = server.config.connect(NoTls).await?;
    let messages = stream::poll_fn(move |context| connection.poll_message(context));
    let listening = async {
        client.batch_execute(LISTEN).await?;
        tell(changes, Changed::All);
        // The connection lasts as long as its client.
        future::pending::<Result<(), DatabaseError>>().await
    };
    let hearing = messages.for_each(|message| {
        if let Ok(AsyncMessage::Notification(said)) = &message {
            for changed in read_announcement(&server.name, said.payload()) {
                tell(changes, changed);
            }
        }
        future::ready(())
    });
    tokio::select! {
        result = listening => result,
        () = hearing => Ok(()),
    }
}

fn tell(changes: &broadcast::Sender<Changed>, changed: Changed) {
    // Nobody may be listening.
    drop(changes.send(changed));
}

/// The announcing server, and directories, or `all`.
fn write_announcement(server: &str, changed: &[Changed]) -> String {
    let mut text = server.to_owned();
    if changed.len() > MAX_ANNOUNCED {
        text.push_str(" all");
        return text;
    }
    for changed in changed {
        text.push(' ');
        match changed {
            Changed::Directory(id) => text.push_str(&id.to_string()),
            Changed::All => text.push_str("all"),
        }
    }
    text
}

/// What is announced, unless by this server itself.
fn read_announcement(server: &str, text: &str) -> Vec<Changed> {
    let mut words = text.split(' ');
    if words.next() == Some(server) {
        return Vec::new();
    }
    let changed = |word: &str| match word.parse::<DirectoryId>() {
        Ok(id) => Changed::Directory(id),
        Err(_) => Changed::All,
    };
    words.map(changed).collect()
}

fn cells(row: &tokio_postgres::Row) -> Result<Row, DatabaseError> {
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            Ok(match *column.type_() {
                Type::INT8 => integer(row.try_get::<_, Option<i64>>(index)?),
                Type::INT4 => integer(row.try_get::<_, Option<i32>>(index)?.map(i64::from)),
                Type::BYTEA => match row.try_get::<_, Option<Vec<u8>>>(index)? {
                    Some(bytes) => Cell::Bytes(bytes),
                    None => Cell::Null,
                },
                // What a function returns that is called for what it does.
                _ => Cell::Null,
            })
        })
        .collect()
}

fn integer(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null, Cell::Integer)
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Integer(number) if *ty == Type::INT4 => out.put_i32(i32::try_from(*number)?),
            Self::Integer(number) => out.put_i64(*number),
            Self::Bytes(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4 | Type::BYTEA)
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_say_what_others_changed() {
        let some = Changed::Directory(DirectoryId::from_bytes([7; 16]));
        let text = write_announcement("me", &[some, Changed::All]);
        assert_eq!(read_announcement("you", &text), [some, Changed::All]);
        assert_eq!(read_announcement("me", &text), []);
        let many = write_announcement("me", &vec![some; MAX_ANNOUNCED + 1]);
        assert_eq!(read_announcement("you", &many), [Changed::All]);
        let most = write_announcement("0123456789abcdef", &vec![some; MAX_ANNOUNCED]);
        assert!(most.len() < 8000, "PostgreSQL takes no more");
    }
}
