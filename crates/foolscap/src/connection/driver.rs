//! The task of a connection: reads, writes, and passes on what each means.

use super::deliveries::{Deliveries, Finished, Refs};
use super::{Command, Reply, Shared};
use crate::object::{LocalHandle, address};
use crate::tub::{Inner, Names};
use crate::{
    BoxStream, CallError, ConnectionLost, Reference, RemoteFailure, RemoteReference, Value,
};
use bytes::{Buf as _, Bytes, BytesMut};
use foolscap_proto::{
    Broker, BrokerSettings, CallFailure, Clid, Event, IdleStep, Outgoing, ProtocolError,
};
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// How much is read before anything else is looked at, at most, in bytes.
const READ_BYTES: usize = 256 << 10;
/// No further call of ours is taken while so many bytes wait to be sent.
const SEND_BACKLOG: usize = 1 << 20;
/// No further call of the peer is begun while so many bytes wait to be sent.
const ANSWER_BACKLOG: usize = 4 << 20;
/// How long the last bytes may take when a connection is closed.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What a connection's task needs of its tub.
pub(crate) struct Tools {
    pub(crate) tub: Weak<Inner>,
    pub(crate) names: Arc<Names>,
    pub(crate) accept_gifts: bool,
}

/// Drives one connection.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    broker: Broker<LocalHandle>,
    reader: ReadHalf<BoxStream>,
    writer: WriteHalf<BoxStream>,
    /// What is being written; what comes after it is in the broker.
    chunk: Bytes,
    unflushed: bool,
    commands: mpsc::Receiver<Command>,
    replies: HashMap<u64, Reply>,
    deliveries: Deliveries,
    names: Arc<Names>,
    /// References to third tubs' objects that the peer may still fetch, by address.
    gifts: HashMap<usize, RemoteReference>,
    next_idle: Option<Instant>,
}

/// What happened next.
enum Happened {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Flushed(io::Result<()>),
    Command(Option<Command>),
    Finished(Option<Finished>),
    Lost(ConnectionLost),
    Woken,
    Time,
}

impl Driver {
    /// Takes a stream on which `first` is to be sent and `rest` was received already.
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        stream: BoxStream,
        settings: BrokerSettings,
        (first, rest): (Vec<u8>, Vec<u8>),
        tools: Tools,
    ) -> Self {
        let now = Instant::now();
        let mut broker = Broker::new(settings, now);
        broker.receive(&rest, now);
        let (reader, writer) = tokio::io::split(stream);
        Self {
            shared,
            broker,
            reader,
            writer,
            chunk: Bytes::from(first),
            unflushed: true,
            commands,
            replies: HashMap::new(),
            deliveries: Deliveries::new(tools.tub, Arc::clone(&tools.names), tools.accept_gifts),
            names: tools.names,
            gifts: HashMap::new(),
            next_idle: None,
        }
    }

    /// Runs until the connection is lost.
    pub(crate) async fn run(mut self) {
        let why = loop {
            if let Err(why) = self.settle() {
                break why;
            }
            let happened = self.next().await;
            if let Err(why) = self.handle(happened) {
                break why;
            }
        };
        tracing::debug!(peer = %self.shared.peer(), "connection lost: {why}");
        if let ConnectionLost::Protocol(error) = &why {
            self.broker.report(error);
        }
        self.shared.close(why.clone());
        self.commands.close();
        for (_, reply) in self.replies.drain() {
            drop(reply.send(Err(why.clone().into())));
        }
        if let Ok(Err(error)) = tokio::time::timeout(CLOSE_TIME, self.close(&why)).await {
            tracing::trace!("closing: {error}");
        }
    }

    /// Tells the peer that it's over.
    async fn close(&mut self, why: &ConnectionLost) -> io::Result<()> {
        if matches!(why, ConnectionLost::Protocol(_)) {
            self.writer.write_all(&self.chunk).await?;
            while let Some(chunk) = self.broker.next_chunk() {
                self.writer.write_all(&chunk).await?;
            }
        }
        self.writer.shutdown().await
    }

    /// Works off what has arrived, and finds out what is to be sent and when to look again.
    fn settle(&mut self) -> Result<(), ConnectionLost> {
        for clid in self.shared.take_dropped() {
            self.broker.give_back(clid);
        }
        loop {
            self.begin_calls();
            if !self.deliveries.has_room() {
                break;
            }
            match self.broker.poll_event()? {
                Some(event) => self.event(event),
                None => break,
            }
        }
        match self.broker.poll_idle(Instant::now()) {
            IdleStep::Disconnect => return Err(ConnectionLost::Silent),
            IdleStep::Wait(until) => self.next_idle = until,
        }
        if self.chunk.is_empty() {
            self.chunk = self.broker.next_chunk().unwrap_or_default();
        }
        Ok(())
    }

    fn begin_calls(&mut self) {
        while self.broker.pending_bytes() < ANSWER_BACKLOG {
            let remote = |clid| remote(&self.shared, &self.broker, clid);
            let refs = Refs { remote: &remote };
            match self.deliveries.begin_next(&self.shared, &refs) {
                None => break,
                Some(None) => {}
                Some(Some((request, outcome))) => self.answer(request, outcome),
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let Self {
            shared,
            broker,
            reader,
            writer,
            chunk,
            ..
        } = self;
        let may_send = broker.pending_bytes() < SEND_BACKLOG;
        let may_read = self.deliveries.has_room();
        let next_idle = self.next_idle;
        let idle = async {
            match next_idle {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let unflushed = self.unflushed;
        let write = async {
            if !chunk.is_empty() {
                Happened::Wrote(writer.write(chunk).await)
            } else if unflushed {
                Happened::Flushed(writer.flush().await)
            } else {
                std::future::pending().await
            }
        };
        let buffer = broker.buffer();
        tokio::select! {
            happened = write => happened,
            read = read_available(reader, buffer), if may_read => Happened::Read(read),
            command = self.commands.recv(), if may_send => Happened::Command(command),
            Some(finished) = self.deliveries.running.join_next() => Happened::Finished(finished.ok()),
            lost = shared.lost() => Happened::Lost(lost),
            () = shared.wake.notified() => Happened::Woken,
            () = idle => Happened::Time,
        }
    }

    fn handle(&mut self, happened: Happened) -> Result<(), ConnectionLost> {
        match happened {
            Happened::Read(Ok(0)) => return Err(ConnectionLost::Closed),
            Happened::Read(Ok(_)) => {
                let now = Instant::now();
                self.broker.received(now);
                self.shared.received(now);
            }
            Happened::Wrote(Ok(0)) => return Err(ConnectionLost::Closed),
            Happened::Wrote(Ok(length)) => {
                self.chunk.advance(length);
                self.unflushed = true;
            }
            Happened::Flushed(Ok(())) => self.unflushed = false,
            Happened::Read(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ConnectionLost::Closed);
            }
            Happened::Read(Err(error))
            | Happened::Wrote(Err(error))
            | Happened::Flushed(Err(error)) => return Err(error.into()),
            Happened::Command(Some(command)) => self.command(command),
            Happened::Finished(Some(finished)) => self.finished(finished),
            Happened::Command(None) => return Err(ConnectionLost::Stopped),
            // A task of a call can't panic: the call is caught in it.
            Happened::Finished(None) | Happened::Woken | Happened::Time => {}
            Happened::Lost(why) => return Err(why),
        }
        Ok(())
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Call {
                target,
                method,
                arguments,
                reply,
            } => {
                let names = &self.names;
                let gifts = &mut self.gifts;
                let shared = &self.shared;
                let mut each = |reference| outgoing(reference, shared, names, gifts);
                let arguments = arguments.try_map(&mut each);
                let Ok(arguments) = arguments;
                match reply {
                    Some(reply) => {
                        let sent = self.broker.call(target.0.clid, &method, arguments);
                        self.expect(sent, reply);
                    }
                    None => {
                        let sent = self.broker.call_only(target.0.clid, &method, arguments);
                        if let Err(why) = sent {
                            tracing::debug!("a call can't be sent: {why}");
                        }
                    }
                }
            }
            Command::LookUp { name, reply } => {
                let sent = self.broker.look_up(&name);
                self.expect(sent, reply);
            }
        }
    }

    fn expect(&mut self, sent: Result<u64, foolscap_proto::Violation>, reply: Reply) {
        match sent {
            Ok(request) => {
                self.replies.insert(request, reply);
            }
            Err(violation) => {
                drop(reply.send(Err(violation.into())));
            }
        }
    }

    fn event(&mut self, event: Event<LocalHandle>) {
        match event {
            Event::Call {
                request,
                target,
                method,
                arguments,
            } => self.deliveries.push(request, target, method, arguments),
            Event::LookUp { request, name } => match self.deliveries.look_up(&name) {
                Ok(object) => {
                    let reference = foolscap_proto::Value::Reference(Outgoing::Ours(object));
                    self.broker.answer(request, reference);
                }
                Err(failure) => self.broker.fail(request, &failure),
            },
            Event::Answered { request, result } => {
                let Some(reply) = self.replies.remove(&request) else {
                    return;
                };
                match result {
                    Ok(value) => {
                        let remote = |clid| remote(&self.shared, &self.broker, clid);
                        self.deliveries
                            .answer(reply, value, &Refs { remote: &remote });
                    }
                    Err(failure) => {
                        drop(reply.send(Err(call_error(failure))));
                    }
                }
            }
            Event::GiftFetched { key } => {
                self.gifts.remove(&key);
            }
        }
    }

    fn finished(&mut self, finished: Finished) {
        match finished {
            Finished::Call {
                request,
                cost,
                outcome,
            } => {
                self.deliveries.returned(cost);
                self.answer(request, outcome);
            }
            Finished::Ready { call, gifts } => {
                gifts
                    .into_iter()
                    .for_each(|gift| self.broker.gift_fetched(gift));
                if let Some((request, outcome)) = self.deliveries.unblock(call, &self.shared) {
                    self.answer(request, outcome);
                }
            }
            Finished::Answer {
                reply,
                result,
                gifts,
            } => {
                gifts
                    .into_iter()
                    .for_each(|gift| self.broker.gift_fetched(gift));
                drop(reply.send(result));
            }
        }
    }

    fn answer(&mut self, request: u64, outcome: Result<Value, RemoteFailure>) {
        match outcome {
            Ok(value) => {
                let (shared, names, gifts) = (&self.shared, &self.names, &mut self.gifts);
                let Ok(value) =
                    value.try_map(&mut |reference| outgoing(reference, shared, names, gifts));
                self.broker.answer(request, value);
            }
            Err(failure) => self.broker.fail(request, &failure),
        }
    }
}

/// Waits for bytes, and takes those that are there, up to [`READ_BYTES`].
///
/// TLS gives out a record at a time; a large message would wake everything for each of them.
async fn read_available(
    reader: &mut ReadHalf<BoxStream>,
    buffer: &mut BytesMut,
) -> io::Result<usize> {
    buffer.reserve(READ_BYTES);
    let mut total = 0;
    poll_fn(|cx| {
        while total < READ_BYTES {
            let read = pin!(reader.read_buf(buffer)).poll(cx);
            match read {
                // An error or the end shows again at the next read.
                Poll::Ready(Ok(0) | Err(_)) | Poll::Pending if total > 0 => break,
                Poll::Ready(Ok(length)) if length > 0 => total += length,
                read => return read,
            }
        }
        Poll::Ready(Ok(total))
    })
    .await
}

/// The live reference to an object of the peer.
fn remote(shared: &Arc<Shared>, broker: &Broker<LocalHandle>, clid: Clid) -> RemoteReference {
    shared.remote(clid, broker.interface_of(clid), broker.url_of(clid))
}

/// How a reference goes over this connection.
fn outgoing(
    reference: Reference,
    shared: &Arc<Shared>,
    names: &Arc<Names>,
    gifts: &mut HashMap<usize, RemoteReference>,
) -> Result<Outgoing<LocalHandle>, std::convert::Infallible> {
    Ok(match reference {
        Reference::Local(object) => {
            debug_assert_ne!(address(&object), 0);
            let names = Arc::clone(names);
            Outgoing::Ours(LocalHandle { object, names })
        }
        Reference::Remote(remote) if remote.0.connection.number() == shared.number() => {
            Outgoing::Peers(remote.0.clid)
        }
        Reference::Remote(remote) => {
            let key = Arc::as_ptr(&remote.0).addr();
            let url = remote.url().unwrap_or_default().to_owned();
            gifts.insert(key, remote);
            Outgoing::Gift { key, url }
        }
    })
}

fn call_error(failure: CallFailure) -> CallError {
    match failure {
        CallFailure::Remote(failure) => failure.into(),
        CallFailure::Violation(violation) => violation.into(),
        _ => CallError::Lost(ConnectionLost::Protocol(ProtocolError::Unexpected(
            "an answer",
        ))),
    }
}
