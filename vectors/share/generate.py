"""Writes share.json: what Tahoe-LAFS itself computes for chosen files and trees.

Run with the Python of an environment that has tahoe-lafs 1.20.0:
    python generate.py > share.json
"""

import hashlib
import json
import sys

from allmydata import hashtree, uri
from allmydata.codec import CRSEncoder
from allmydata.immutable import layout
from allmydata.immutable.encode import Encoder
from allmydata.util.hashutil import tagged_hash
from allmydata.util.mathutil import next_multiple

MIB = 1 << 20

# (k, N, file size, largest segment)
FILES = [
    (1, 1, 1, MIB),
    (1, 1, 56, MIB),
    (3, 10, 56, MIB),
    (3, 10, 100_000, MIB),
    (3, 10, 131_071, 131_072),
    (3, 10, 131_072, 131_072),
    (3, 10, 131_073, 131_072),
    (3, 10, 131_074, 131_072),
    (3, 5, 10 * MIB + 1, MIB),
    (7, 10, 1_000_000, 1000),
    (25, 100, 5_000_000, 131_072),
    (60, 100, 56, MIB),
    (101, 256, 4 * MIB, 131_072),
    (256, 256, 3 * MIB, MIB),
    (1, 1, 2**32 - 1 - 0x24 - 3 * 32 - 34, 2**40),
    (1, 1, 2**32 - 0x24 - 3 * 32 - 34, 2**40),
    (3, 10, 3 * 2**32, MIB),
    (3, 10, 20 * 2**30, 131_072),
]


def hashes(tree):
    return [h.hex() for h in tree]


def leaves(count):
    return [tagged_hash(b"test leaf", b"%d" % i) for i in range(count)]


def chain_order(shares, share):
    tree = hashtree.IncompleteHashTree(shares)
    complete = hashtree.HashTree.__new__(hashtree.HashTree)
    complete[:] = list(tree)
    complete.first_leaf_num = tree.first_leaf_num
    return list(complete.needed_hashes(share, include_leaf=True))


def file_vector(k, n, size, largest):
    segment = next_multiple(min(largest, size), k)
    encoder = Encoder()
    encoder.file_size = size
    encoder._got_all_encoding_parameters((k, 1, n, segment))
    data = dict(encoder.uri_extension_data)
    data["crypttext_hash"] = b"\x01" * 32
    data["crypttext_root_hash"] = b"\x02" * 32
    data["share_root_hash"] = b"\x03" * 32
    proxy = layout.make_write_bucket_proxy(
        None,
        None,
        encoder.get_param("share_size"),
        encoder.get_param("block_size"),
        encoder.get_param("num_segments"),
        len(chain_order(n, 0)),
        encoder.get_uri_extension_size(),
    )
    return {
        "shares_needed": k,
        "shares_total": n,
        "file_size": size,
        "max_segment_size": largest,
        "header": proxy._offset_data.hex(),
        "allocated_size": proxy.get_allocated_size(),
        "uri_extension": uri.pack_extension(data).hex(),
    }


def chain_orders_digest():
    digest = hashlib.sha256()
    for shares in range(1, 257):
        for share in range(shares):
            order = ",".join(map(str, chain_order(shares, share)))
            digest.update(f"{shares} {share}: {order}\n".encode())
    return digest.hexdigest()


json.dump(
    {
        "hash_trees": [hashes(hashtree.HashTree(leaves(count))) for count in range(1, 18)],
        "chain_orders": [
            {"shares": n, "share": s, "nodes": chain_order(n, s)}
            for n, s in [(1, 0), (2, 1), (5, 4), (10, 3), (16, 15), (17, 0), (100, 77), (256, 255)]
        ],
        "all_chain_orders_sha256": chain_orders_digest(),
        "files": [file_vector(*f) for f in FILES],
    },
    sys.stdout,
    indent=1,
)
print()
