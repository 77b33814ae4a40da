"""Drives a storage server with the client of the reference.

Usage: drive.py FURL. Checks every operation of the client and prints "done" at the end; a failed
check is a traceback and exit code 1. With a size as second argument, measures instead: uploads and
downloads so many bytes in pieces of 128 KiB and prints the two times in seconds.
"""

import os
import re
import sys
import time

from foolscap.api import Referenceable, RemoteException, Tub
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

from allmydata.storage_client import _StorageServer

RENEW, CANCEL, ENABLER = b"r" * 32, b"c" * 32, b"w" * 32
LARGE = os.urandom(3_000_001)
PIECE = 128 << 10


async def refused(words, deferred):
    try:
        result = await deferred
    except RemoteException as error:
        assert words in repr(error), (words, error)
    else:
        raise AssertionError((words, result))


def allocate(server, index, shares, size):
    return server.allocate_buckets(index, RENEW, CANCEL, set(shares), size, Referenceable())


async def immutables(server):
    index = os.urandom(16)
    assert await server.get_buckets(index) == {}
    got, writers = await allocate(server, index, [1, 2, 200], 100)
    assert (got, set(writers)) == (set(), {1, 2, 200})
    data = bytes(range(100))
    await writers[1].callRemote("write", 20, data[20:40])
    await writers[1].callRemote("write", 30, data[30:50])
    await refused("ConflictingWrite", writers[1].callRemote("write", 30, b"x" * 10))
    await refused("DataTooLarge", writers[1].callRemote("write", 95, b"x" * 10))
    await writers[1].callRemote("write", 0, data[:20])
    await writers[1].callRemote("write", 50, data[50:])
    # Complete, but not closed: it isn't there yet.
    assert await server.get_buckets(index) == {}
    await writers[1].callRemote("close")
    await writers[2].callRemote("write", 0, data)
    await writers[2].callRemote("abort")
    # Closed before it is complete: what is missing are zeros, or isn't there.
    await writers[200].callRemote("write", 0, data[:50])
    await writers[200].callRemote("close")
    readers = await server.get_buckets(index)
    assert set(readers) == {1, 200}, readers
    assert await readers[1].callRemote("read", 0, 100) == data
    assert await readers[1].callRemote("read", 90, 1000) == data[90:]
    assert await readers[1].callRemote("read", 1000, 10) == b""
    short = await readers[200].callRemote("read", 0, 100)
    assert short.rstrip(b"\x00") == data[:50], short
    got, writers = await allocate(server, index, [1, 2], 100)
    assert 1 in got and set(writers) == {2}, (got, writers)
    await server.add_lease(index, RENEW, CANCEL)
    await server.add_lease(os.urandom(16), RENEW, CANCEL)
    await readers[1].callRemote("advise_corrupt_share", b"a reason")
    await server.advise_corrupt_share(b"immutable", index, 1, b"a reason")
    await server.advise_corrupt_share(b"immutable", index, 99, b"a reason")


async def large(server):
    index = os.urandom(16)
    got, writers = await allocate(server, index, [0], len(LARGE))
    pieces = range(0, len(LARGE), PIECE)
    await gatherResults([
        writers[0].callRemote("write", at, LARGE[at:at + PIECE]) for at in pieces
    ])
    await writers[0].callRemote("close")
    readers = await server.get_buckets(index)
    read = await gatherResults([readers[0].callRemote("read", at, PIECE) for at in pieces])
    assert b"".join(read) == LARGE
    assert await readers[0].callRemote("read", 0, len(LARGE)) == LARGE


async def mutables(server):
    index = os.urandom(16)
    secrets = (ENABLER, RENEW, CANCEL)
    change = server.slot_testv_and_readv_and_writev
    assert await server.slot_readv(index, [], [(0, 10)]) == {}
    wrote = await change(index, secrets, {3: ([(0, 1, b"")], [(0, b"hello")], None)}, [(0, 9)])
    assert wrote == (True, {}), wrote
    wrote = await change(index, secrets, {3: ([(0, 5, b"other")], [(0, b"J")], None)}, [(1, 3)])
    assert wrote == (False, {3: [b"ell"]}), wrote
    wrote = await change(index, secrets, {3: ([(0, 5, b"hello")], [(9, b"end")], None),
                                          4: ([], [(0, b"four")], None)}, [(0, 99)])
    assert wrote == (True, {3: [b"hello"]}), wrote
    read = await server.slot_readv(index, [], [(0, 7), (3, 99)])
    assert read == {3: [b"hello\0\0", b"lo\0\0\0\0end"], 4: [b"four", b"r"]}, read
    assert await server.slot_readv(index, [4, 9], [(0, 1)]) == {4: [b"f"]}
    bad = (b"x" * 32, RENEW, CANCEL)
    try:
        await change(index, bad, {3: ([], [], None)}, [])
    except RemoteException as error:
        kind = "allmydata.interfaces.BadWriteEnablerError"
        assert error.failure.check(kind), error.failure.parents
        text = "The write enabler was recorded by nodeid '[a-z2-7]{32}'[.]"
        assert re.fullmatch(text, error.failure.value), error.failure.value
    else:
        raise AssertionError("a wrong write enabler is taken")
    wrote = await change(index, secrets, {3: ([], [], 2), 4: ([], [], 0)}, [])
    assert wrote == (True, {3: [], 4: []}), wrote
    assert await server.slot_readv(index, [], [(0, 9)]) == {3: [b"he"]}
    data = {0: ([], [(0, LARGE)], None)}
    assert await change(os.urandom(16), secrets, data, []) == (True, {})
    await server.advise_corrupt_share(b"mutable", index, 3, b"a reason")


async def version(server):
    all = await server.get_version()
    assert all[b"application-version"].startswith(b"tahoe-"), all
    numbers = all[b"http://allmydata.org/tahoe/protocols/storage/v1"]
    assert numbers[b"maximum-mutable-share-size"] == 69_105 * 1000**4, numbers
    assert numbers[b"available-space"] > 0
    assert numbers[b"tolerates-immutable-read-overrun"] is True


async def lost(tub, furl, server):
    """Incomplete shares end with the connection."""
    index = os.urandom(16)
    got, writers = await allocate(server, index, [5], 100)
    await writers[5].callRemote("write", 0, b"x" * 100)
    disconnected = Deferred()
    server._rref.notifyOnDisconnect(disconnected.callback, None)
    server._rref.tracker.broker.transport.loseConnection()
    await disconnected
    for _ in range(600):
        again = _StorageServer(lambda rref=await tub.getReference(furl): rref)
        got, writers = await allocate(again, index, [5], 100)
        if 5 in writers:
            return
        assert got == set(), got
        await task.deferLater(reactor, 0.05, lambda: None)
    raise AssertionError("the upload isn't removed")


async def measure(server, size):
    index = os.urandom(16)
    data = os.urandom(PIECE)
    pieces = range(0, size, PIECE)
    began = time.monotonic()
    got, writers = await allocate(server, index, [0], len(pieces) * PIECE)
    pending = []
    for at in pieces:
        pending.append(writers[0].callRemote("write", at, data))
        if len(pending) >= 8:
            await pending.pop(0)
    await gatherResults(pending)
    await writers[0].callRemote("close")
    written = time.monotonic()
    readers = await server.get_buckets(index)
    pending = []
    for at in pieces:
        pending.append(readers[0].callRemote("read", at, PIECE))
        if len(pending) >= 8:
            assert len(await pending.pop(0)) == PIECE
    await gatherResults(pending)
    print(written - began, time.monotonic() - written, flush=True)


async def run(tub, furl, size):
    rref = await tub.getReference(furl)
    server = _StorageServer(lambda: rref)
    if size:
        return await measure(server, size)
    await version(server)
    await immutables(server)
    await large(server)
    await mutables(server)
    await lost(tub, furl, server)
    print("done", flush=True)


def main():
    tub = Tub()
    # As Tahoe's nodes have it.
    tub.setOption("expose-remote-exception-types", False)
    tub.startService()
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = []

    def fail(failure):
        failed.append(failure)
        failure.printTraceback(sys.stderr)

    d = task.deferLater(reactor, 0, lambda: ensureDeferred(run(tub, sys.argv[1], size)))
    d.addErrback(fail)
    d.addCallback(lambda _: tub.stopService())
    d.addBoth(lambda _: reactor.stop())
    reactor.run()
    sys.exit(1 if failed else 0)


main()
