"""Selects servers as Tahoe-LAFS does, among servers that answer as told: JSON line for JSON line."""

import json
import sys

from twisted.internet import defer, task

from allmydata.immutable import encode, upload
from allmydata.interfaces import UploadUnhappinessError

from ordered import OrderedSet, use_ordered_sets

V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"


class Server:
    def __init__(self, told, clock):
        self.told = told
        self.clock = clock
        self.name = told["name"].encode()
        self.asked = 0

    def get_serverid(self):
        return self.name

    def get_name(self):
        return self.name

    def get_lease_seed(self):
        return b"x" * 20

    def get_version(self):
        return {V1: {b"maximum-immutable-share-size": 2**40 if self.told["writable"] else 0}}

    def get_storage_server(self):
        return self

    def get_buckets(self, storage_index):
        return self.answer({share: None for share in self.told["shares"]})

    def answer(self, result):
        # Not at once, for the original changes lists that it is iterating over.
        gone = self.told["dead"]
        return task.deferLater(self.clock, 1, fail if gone else lambda: result)

    def allocate_buckets(self, index, renew, cancel, shares, size, canary):
        self.asked += 1
        have = OrderedSet(self.told["shares"])
        new = OrderedSet(shares) - have
        if not self.told["writable"] or self.told["full"]:
            new = OrderedSet()
        return self.answer((have, {share: Bucket() for share in new}))


def fail():
    raise ConnectionError("gone")


class Bucket:
    def callRemote(self, *args):
        return defer.succeed(None)


class Broker:
    def __init__(self, servers):
        self.servers = servers

    def get_servers_for_psi(self, storage_index, for_upload=False):
        return self.servers


class Secrets:
    def get_renewal_secret(self):
        return b"r" * 32

    get_cancel_secret = get_renewal_secret


def select(question):
    clock = task.Clock()
    servers = [Server(told, clock) for told in question["servers"]]
    selector = upload.Tahoe2ServerSelector(
        "test", upload_status=upload.UploadStatus(), reactor=clock
    )
    answer, failures = {}, []

    def selected(result):
        trackers, existing = result
        answer["allocated"] = {
            tracker.get_serverid().decode(): sorted(tracker.buckets) for tracker in trackers
        }
        answer["existing"] = len(existing)

    def failed(failure):
        failure.trap(UploadUnhappinessError)
        answer["error"] = str(failure.value)

    k, happy, n = question["k"], question["happy"], question["n"]
    selector.get_shareholders(
        Broker(servers), Secrets(), b"i" * 16, 100, 100, 1, n, k, happy, 400
    ).addCallbacks(selected, failed).addErrback(lambda failure: failures.append(failure))
    clock.pump([1] * 50)
    for failure in failures:
        failure.raiseException()
    answer["rounds"] = max(server.asked for server in servers)
    return answer


use_ordered_sets()
for line in sys.stdin:
    print(json.dumps(select(json.loads(line))), flush=True)
