"""Drives the storage server of Tahoe-LAFS with commands from standard input.

Each line is a JSON object with the name of a command in "do"; each answer is a line of JSON. Byte
strings are in hexadecimal. An exception is answered as {"error": CLASS NAME}.
"""

import json
import sys
import time

from allmydata.storage import immutable_schema, mutable_schema
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile
from allmydata.storage.server import StorageServer
from allmydata.util import time_format
from twisted.internet.task import Clock

NODE_ID = b"\x07" * 20


class Driver:
    def open(self, directory, seconds):
        # A clock of its own: the timeouts of a server before must not strike.
        self.clock = Clock()
        self.clock.rightNow = seconds
        time_format.iso_utc.__defaults__ = (None, "_", self.clock.seconds)
        self.server = StorageServer(directory, NODE_ID, clock=self.clock)
        self.writers = {}
        # As the HTTP server does, forget uploads that end.
        self.server.register_bucket_writer_close_handler(self.forget)

    def forget(self, writer):
        self.writers = {k: w for (k, w) in self.writers.items() if w is not writer}

    def advance(self, seconds):
        self.clock.advance(seconds)

    def allocate(self, index, shares, size, renew, cancel):
        already, writers = self.server.allocate_buckets(
            index, renew, cancel, set(shares), size)
        for share, writer in writers.items():
            self.writers[index, share] = writer
        return {"already": sorted(already), "allocated": sorted(writers)}

    def write(self, index, share, offset, data):
        writer = self.writers[index, share]
        if writer.write(offset, data):
            writer.close()
            return "complete"
        ranges = writer.required_ranges().ranges()
        return [[r.start, r.stop] for r in ranges]

    def abort(self, index, share):
        self.writers[index, share].abort()

    def add_lease(self, index, renew, cancel):
        if not list(self.server.get_shares(index)):
            raise KeyError(index)
        self.server.add_lease(index, renew, cancel)

    def list(self, index):
        return sorted(self.server.get_buckets(index))

    def read(self, index, share, offset, length):
        return self.server.get_buckets(index)[share].read(offset, length).hex()

    def read_slot(self, index, share, offset, length):
        return self.server.slot_readv(index, [share], [(offset, length)])[share][0].hex()

    def change(self, index, enabler, renew, cancel, vectors, reads):
        unhexed = {}
        for share, tests, writes, new_length in vectors:
            tests = [(o, n, b"eq", bytes.fromhex(s)) for (o, n, s) in tests]
            writes = [(o, bytes.fromhex(d)) for (o, d) in writes]
            unhexed[share] = (tests, writes, new_length)
        success, data = self.server.slot_testv_and_readv_and_writev(
            index, (enabler, renew, cancel), unhexed, [tuple(r) for r in reads])
        data = [[share, [d.hex() for d in found]] for share, found in sorted(data.items())]
        return {"success": success, "data": data}

    def advise(self, kind, index, share, reason):
        self.server.advise_corrupt_share(
            kind.encode("ascii"), index, share, reason.encode("utf-8"))

    def crawl(self, directory, now, policy, until_first):
        """Lets both crawlers make a round of a directory, or its part until there is something."""
        time.time = lambda: now
        server = StorageServer(
            directory, NODE_ID, clock=Clock(),
            expiration_enabled=policy["enabled"],
            expiration_mode=policy["mode"],
            expiration_override_lease_duration=policy["duration"],
            expiration_cutoff_date=policy["cutoff"],
            expiration_sharetypes=tuple(policy["kinds"]))
        answers = []
        for crawler in (server.bucket_counter, server.lease_checker):
            crawler.running = True
            crawler.cpu_slice = -1 if until_first else 1e9
            crawler.start_slice()
            crawler.timer.cancel()
            while until_first and crawler is server.lease_checker:
                crawler.start_slice()
                crawler.timer.cancel()
                if crawler.state["last-complete-bucket"]:
                    break
            answers += [crawler.get_state(), crawler.get_progress()]
        return answers

    def make_v1_immutable(self, path, data, leases):
        schema = immutable_schema.schema_from_version(1)
        share = ShareFile(path, max_size=len(data), create=True, schema=schema)
        share.write_share_data(0, data)
        for lease in self.leases(leases):
            share.add_lease(lease)

    def make_v1_mutable(self, path, enabler, data, leases):
        [schema] = [s for s in mutable_schema.ALL_SCHEMAS if s.version == 1]
        share = MutableShareFile(path, self.server, schema)
        share.create(NODE_ID, enabler)
        share.writev([(0, data)], None)
        for lease in self.leases(leases):
            share.add_lease(2 ** 40, lease)

    def leases(self, leases):
        for owner, renew, cancel, expires in leases:
            renew, cancel = bytes.fromhex(renew), bytes.fromhex(cancel)
            yield LeaseInfo(owner, renew, cancel, expires, NODE_ID)


def main():
    driver = Driver()
    unhex = {"index", "renew", "cancel", "enabler", "data"}
    for line in sys.stdin:
        command = json.loads(line)
        method = getattr(driver, command.pop("do"))
        arguments = {k: bytes.fromhex(v) if k in unhex else v for k, v in command.items()}
        try:
            answer = {"answer": method(**arguments)}
        except Exception as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), flush=True)


main()
