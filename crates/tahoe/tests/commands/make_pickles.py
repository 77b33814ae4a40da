"""Writes the state of crawlers as releases before 1.18 kept it: directory, protocol of pickle."""

import os
import pickle
import sys

storage, protocol = sys.argv[1], int(sys.argv[2])


def dump(name, state):
    with open(os.path.join(storage, name), "wb") as f:
        pickle.dump(state, f, protocol)


place = {
    "version": 1,
    "last-cycle-finished": 7,
    "current-cycle": 8,
    "current-cycle-start-time": 1600000000.25,
    "last-complete-prefix": "3b",
    "last-complete-bucket": "3bx7ssd5kcdmzzmtqv3zlcmv3a",
}
space = {"examined-buckets": 2 ** 40, "examined-shares-mutable": 3}
dump("bucket_counter.state", dict(
    place,
    **{"last-complete-bucket-count": 5,
       "bucket-counts": {7: {"22": 1, "zz": 2}, 8: {"22": 0}},
       "storage-index-samples": {"22": (8, ["22abc"])}}))
dump("lease_checker.state", dict(
    place,
    **{"cycle-to-date": {
        "corrupt-shares": [("3bx7ssd5kcdmzzmtqv3zlcmv3a", 4)],
        "space-recovered": space,
        "lease-age-histogram": {(0, 86400): 3, (86400, 172800): 1},
        "leases-per-share-histogram": {1: 2, 3: 4},
        "expiration-enabled": True,
        "configured-expiration-mode": ("age", None, None, ("mutable", "immutable")),
    }}))
dump("lease_checker.history", {
    number: {
        "cycle-start-finish-times": (1600000000.25, 1600000001),
        "expiration-enabled": False,
        "configured-expiration-mode": ("cutoff-date", None, 1500000000, ("mutable",)),
        "lease-age-histogram": [(0, 86400, 3)],
        "leases-per-share-histogram": {1: 2},
        "corrupt-shares": [],
        "space-recovered": space,
    } for number in (6, 7)})
