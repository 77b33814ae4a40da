"""Drives a storage server with the client of the reference.

Usage: drive.py NURL. Checks every operation of the client and prints "done" at the end; a failed
check is a traceback and exit code 1.
"""

import os
import sys

from hyperlink import DecodedURL
from twisted.internet import reactor, task
from twisted.internet.defer import ensureDeferred, gatherResults

from allmydata.storage.http_client import (
    ClientException,
    ReadVector,
    StorageClientFactory,
    StorageClientGeneral,
    StorageClientImmutables,
    StorageClientMutables,
    TestVector,
    TestWriteVectors,
    WriteVector,
)

RENEW, CANCEL, UPLOAD, ENABLER = b"r" * 32, b"c" * 32, b"u" * 20, b"w" * 32
LARGE = os.urandom(3_000_001)


async def refused(code, deferred):
    try:
        result = await deferred
    except ClientException as error:
        assert error.code == code, (error, code)
    else:
        raise AssertionError((code, result))


async def immutables(client):
    shares = StorageClientImmutables(client)
    index = os.urandom(16)
    assert await shares.list_shares(index) == set()
    created = await shares.create(index, {1, 2, 200}, 100, UPLOAD, RENEW, CANCEL)
    assert (created.already_have, created.allocated) == (set(), {1, 2, 200}), created
    data = bytes(range(100))
    progress = await shares.write_share_chunk(index, 1, UPLOAD, 20, data[20:40])
    assert not progress.finished
    assert [(r.start, r.stop) for r in progress.required.ranges()] == [(0, 20), (40, 100)]
    await refused(409, shares.write_share_chunk(index, 1, UPLOAD, 30, b"x" * 10))
    await refused(401, shares.write_share_chunk(index, 1, b"x" * 20, 0, data[:20]))
    await refused(404, shares.write_share_chunk(index, 7, UPLOAD, 0, data[:20]))
    await refused(404, shares.read_share_chunk(index, 1, 0, 10))
    await shares.write_share_chunk(index, 1, UPLOAD, 0, data[:20])
    progress = await shares.write_share_chunk(index, 1, UPLOAD, 40, data[40:])
    assert progress.finished and progress.required.empty
    await refused(401, shares.abort_upload(index, 2, b"x" * 20))
    await shares.abort_upload(index, 2, UPLOAD)
    await refused(404, shares.abort_upload(index, 2, UPLOAD))
    await refused(405, shares.abort_upload(index, 1, UPLOAD))
    assert await shares.list_shares(index) == {1}
    for offset, length in [(0, 100), (0, 1), (99, 1), (10, 1000), (50, 20)]:
        read = await shares.read_share_chunk(index, 1, offset, length)
        assert read == data[offset : offset + length], (offset, length)
    assert await shares.read_share_chunk(index, 1, 100, 5) == b""
    await refused(404, shares.read_share_chunk(index, 7, 0, 10))
    await shares.advise_corrupt_share(index, 1, "böse")
    await refused(404, shares.advise_corrupt_share(index, 7, "bad"))
    await refused(400, shares.advise_corrupt_share(index, 1, ""))
    again = await shares.create(index, {1, 3}, 100, b"v" * 20, RENEW, CANCEL)
    assert (again.already_have, again.allocated) == ({1}, {3}), again


async def large_shares(client):
    shares = StorageClientImmutables(client)
    index = os.urandom(16)
    numbers = set(range(5))
    await shares.create(index, numbers, len(LARGE), UPLOAD, RENEW, CANCEL)

    async def upload(number):
        for start in range(0, len(LARGE), 1_000_000):
            piece = LARGE[start : start + 1_000_000]
            progress = await shares.write_share_chunk(index, number, UPLOAD, start, piece)
        assert progress.finished
        read = await shares.read_share_chunk(index, number, 0, len(LARGE) + 10)
        assert read == LARGE, number

    await gatherResults([ensureDeferred(upload(number)) for number in numbers])
    assert await shares.list_shares(index) == numbers


async def mutables(client):
    slots = StorageClientMutables(client)
    index = os.urandom(16)

    def change(vectors, reads=(), enabler=ENABLER):
        return slots.read_test_write_chunks(
            index, enabler, RENEW, CANCEL, vectors, list(reads)
        )

    assert await slots.list_shares(index) == set()
    outcome = await change({0: TestWriteVectors(), 3: TestWriteVectors(write_vectors=[WriteVector(0, b"three")])})
    assert (outcome.success, outcome.reads) == (True, {}), outcome
    assert await slots.list_shares(index) == {0, 3}
    vectors = TestWriteVectors([TestVector(0, 5, b"three")], [WriteVector(5, b"!")])
    outcome = await change({3: vectors}, [ReadVector(0, 100), ReadVector(4, 1)])
    assert outcome.success
    assert outcome.reads == {0: [b"", b""], 3: [b"three", b"e"]}, outcome
    outcome = await change({3: vectors, 0: TestWriteVectors([TestVector(0, 1, b"x")])}, [ReadVector(0, 10)])
    assert not outcome.success
    assert outcome.reads[3] == [b"three!"], outcome
    assert await slots.read_share_chunk(index, 3, 1, 3) == b"hre"
    assert await slots.read_share_chunk(index, 3, 6, 3) == b""
    await refused(404, slots.read_share_chunk(index, 9, 0, 3))
    await refused(401, change({3: vectors}, enabler=b"x" * 32))
    await change({3: TestWriteVectors(write_vectors=[WriteVector(0, LARGE)], new_length=2_000_000)})
    outcome = await change({}, [ReadVector(1_000_000, 5_000_000)])
    assert outcome.reads == {0: [b""], 3: [LARGE[1_000_000:2_000_000]]}
    assert await slots.read_share_chunk(index, 3, 0, 5_000_000) == LARGE[:2_000_000]
    await change({0: TestWriteVectors(new_length=0)})
    assert await slots.list_shares(index) == {3}
    await slots.advise_corrupt_share(index, 3, "bad")
    await refused(404, slots.advise_corrupt_share(index, 0, "bad"))
    many = TestWriteVectors([TestVector(0, 1, b"")] * 31)
    await refused(400, change({1: many}))
    return index


async def main(reactor, nurl):
    nurl = DecodedURL.from_text(nurl)
    factory = StorageClientFactory({"tcp": "tcp"}, None)
    client = await factory.create_storage_client(nurl, reactor)
    general = StorageClientGeneral(client)
    version = await general.get_version()
    assert version[b"application-version"], version
    sizes = version[b"http://allmydata.org/tahoe/protocols/storage/v1"]
    assert sizes[b"available-space"] > 0, version
    await immutables(client)
    await large_shares(client)
    slot = await mutables(client)
    await general.add_or_renew_lease(slot, RENEW, CANCEL)
    await refused(404, general.add_or_renew_lease(os.urandom(16), RENEW, CANCEL))
    wrong = nurl.replace(path=("wrongswissnum",))
    stranger = await factory.create_storage_client(wrong, reactor)
    await refused(401, StorageClientGeneral(stranger).get_version())
    await client.shutdown()
    await stranger.shutdown()
    print("done")


task.react(lambda reactor: ensureDeferred(main(reactor, sys.argv[1])))
