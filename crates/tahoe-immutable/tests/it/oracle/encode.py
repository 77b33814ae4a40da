"""Encodes files as Tahoe-LAFS does; answers with the capability and the shares or their hashes.

Reads one line with a list of questions, writes a line for each, in order.
"""

import base64
import hashlib
import json
import sys

from twisted.internet import defer, task

from allmydata import uri
from allmydata.hashtree import IncompleteHashTree
from allmydata.immutable import encode, layout, upload


class Bucket:
    """Collects what is written to a share."""

    def __init__(self):
        self.share = bytearray()

    def callRemote(self, name, *args):
        if name == "write":
            offset, data = args
            assert offset == len(self.share)
            self.share += data
        return defer.succeed(None)


class Server:
    def get_name(self):
        return b"server"

    get_serverid = get_name


@defer.inlineCallbacks
def encode_file(question):
    data = base64.b64decode(question["data"])
    k, n = question["k"], question["n"]
    uploadable = upload.Data(data, convergence=base64.b64decode(question["convergence"]))
    uploadable.set_default_encoding_parameters(
        {"k": k, "happy": 1, "n": n, "max_segment_size": question["segment_size"]}
    )
    encoder = encode.Encoder(upload_status=upload.UploadStatus())
    yield encoder.set_encrypted_uploadable(upload.EncryptAnUploadable(uploadable))
    proof_length = len(IncompleteHashTree(n).needed_hashes(0, include_leaf=True))
    buckets = {share: Bucket() for share in range(n)}
    layout.FORCE_V2 = question["v2"]
    writers = {
        share: layout.make_write_bucket_proxy(
            bucket,
            Server(),
            encoder.get_param("share_size"),
            encoder.get_param("block_size"),
            encoder.get_param("num_segments"),
            proof_length,
            encoder.get_uri_extension_size(),
        )
        for share, bucket in buckets.items()
    }
    encoder.set_shareholders(writers, {share: {b"server%d" % share} for share in buckets})
    verify = yield encoder.start()
    key = yield uploadable.get_encryption_key()
    read = uri.CHKFileURI(key, verify.uri_extension_hash, k, n, len(data))
    shares = [bucket.share for bucket in buckets.values()]
    if question["whole_shares"]:
        answer = [base64.b64encode(share).decode() for share in shares]
    else:
        answer = [hashlib.sha256(share).hexdigest() for share in shares]
    return {"cap": read.to_string().decode(), "shares": answer}


@defer.inlineCallbacks
def main(reactor):
    for question in json.loads(sys.stdin.readline()):
        answer = yield encode_file(question)
        print(json.dumps(answer), flush=True)


task.react(main)
