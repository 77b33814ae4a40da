"""Puts the shares of vectors/share/real.json into containers, with the original's own code.

    python make_shares.py real.json DIRECTORY

Prints the path of each file it makes: DIRECTORY/VERSION/STORAGE-INDEX/NUMBER.
"""

import base64
import json
import pathlib
import sys
import time

from allmydata.storage import immutable_schema, mutable_schema
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile

NODE_ID = bytes(range(20))


def lease(number):
    expires = int(time.time()) + (number + 1) * 1_000_000
    return LeaseInfo(1, bytes([number]) * 32, bytes([number + 100]) * 32, expires, NODE_ID)


def make(share, leases, path, immutable, mutable):
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = base64.b64decode(share["payload"])
    if share["cap"].startswith("URI:CHK:"):
        container = ShareFile(str(path), len(payload), create=True, schema=immutable)
        container.write_share_data(0, payload)
    else:
        container = MutableShareFile(str(path), schema=mutable)
        container.create(NODE_ID, b"w" * 32)
        container.writev([(0, payload)], None)
    for number in range(leases):
        space = [] if isinstance(container, ShareFile) else [10**9]
        container.add_lease(*space, lease(number))
    print(path)


shares = json.load(open(sys.argv[1]))
for version in (1, 2):
    schemas = [
        [schema for schema in module.ALL_SCHEMAS if schema.version == version][0]
        for module in (immutable_schema, mutable_schema)
    ]
    for index, share in enumerate(shares):
        directory = pathlib.Path(sys.argv[2]) / str(version) / share["storage_index"]
        # None, one, and more than a mutable container has room for at its beginning.
        make(share, (0, 1, 6)[index % 3], directory / str(share["share_number"]), *schemas)
