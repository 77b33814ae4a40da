"""Writes parsed.json: what Tahoe-LAFS makes of chosen capability texts.

Run with the Python of an environment that has tahoe-lafs 1.20.0:
    python generate.py > parsed.json
"""

import json
import sys

from allmydata import uri, unknown
from allmydata.util.base32 import b2a
from allmydata.util.hashutil import tagged_hash


def secret(word, length):
    return tagged_hash(b"test vector", word)[:length]


WRITE_KEY = secret(b"write key", 16)
FINGERPRINT = secret(b"fingerprint", 32)
READ_KEY = secret(b"read key", 16)
UEB_HASH = secret(b"ueb", 32)

K16, K32 = b2a(READ_KEY).decode(), b2a(UEB_HASH).decode()


def good_texts():
    chk = uri.CHKFileURI(READ_KEY, UEB_HASH, 3, 10, 12345)
    huge = uri.CHKFileURI(READ_KEY, UEB_HASH, 1, 256, 2**64 - 1)
    ssk = uri.WriteableSSKFileURI(WRITE_KEY, FINGERPRINT)
    mdmf = uri.WriteableMDMFFileURI(WRITE_KEY, FINGERPRINT)
    literals = [uri.LiteralFileURI(secret(b"content", n)) for n in (0, 1, 2, 3, 4, 5, 55)]
    files = [chk, huge, ssk, ssk.get_readonly(), mdmf, mdmf.get_readonly()] + literals
    for file in files:
        yield file.to_string()
        yield uri.wrap_dirnode_cap(file).to_string()
        if file.get_verify_cap() is not None:
            yield file.get_verify_cap().to_string()
    for verifier, wrapper in [
        (ssk.get_verify_cap(), uri.DirectoryURIVerifier),
        (mdmf.get_verify_cap(), uri.MDMFDirectoryURIVerifier),
        (chk.get_verify_cap(), uri.ImmutableDirectoryURIVerifier),
    ]:
        yield wrapper(verifier).to_string()


def variants(text):
    yield text
    yield text + "\n"
    yield text + "\n\n"
    yield text + ":more"
    yield text + "more"
    yield text + " "
    yield " " + text
    yield text[:-1]
    yield text.upper()
    yield "ro." + text
    yield "imm." + text
    yield "ro.imm." + text
    yield "imm.ro." + text
    yield text.replace(":", "%3A")
    prefix, rest = text.split(":", 2)[:2], text.split(":", 2)[2]
    yield ":".join(prefix) + ":"
    yield ":".join(prefix)
    yield ":".join(prefix) + ":" + rest.replace(":", "::")
    yield ":".join(prefix) + ":" + rest[1:]
    yield ":".join(prefix) + ":a" + rest


ODD = [
    "",
    "URI:",
    "ro.",
    "imm.",
    "ro.URI:",
    "imm.URI:NEW:x",
    "ro.URI:NEW:x",
    "URI:NEW:x",
    "lafs://from-the-future",
    "x-tahoe-future-test-writeable:x",
    "ro.x-tahoe-future-test-writeable:x",
    "imm.x-tahoe-future-test-writeable:x",
    "x-tahoe-future-test-mutable:x",
    "ro.x-tahoe-future-test-mutable:x",
    "imm.x-tahoe-future-test-mutable:x",
    "ro.URI:SSK:garbage",
    "imm.URI:SSK-RO:garbage",
    "imm.URI:CHK:garbage",
    "URI:LIT:a",
    "URI:LIT:ab",
    "URI:LIT:abc",
    "URI:LIT:aaaaaa",
    "URI:LIT:aaaaaaab",
    "URI:LIT:aaaaaaa1",
    "URI:LIT:AA",
    "URI:LIT:aa======",
    f"URI:CHK:{K16}:{K32}:3:10:012345",
    f"URI:CHK:{K16}:{K32}:003:00010:0",
    f"URI:CHK:{K16}:{K32}:0:0:0",
    f"URI:CHK:{K16}:{K32}:300:2:1",
    f"URI:CHK:{K16}:{K32}:-3:10:1",
    f"URI:CHK:{K16}:{K32}:3:10:",
    f"URI:CHK:{K16}:{K32}:3:10",
    f"URI:CHK:{K16}:{K32}::10:1",
    f"URI:CHK:{K16}:{K32}:3:10:1:1",
    f"URI:CHK:{K16}:{K32}:3:10:1x",
    f"URI:CHK:{K16[:-1]}b:{K32}:3:10:1",
    f"URI:CHK:{K16[:-1]}:{K32}:3:10:1",
    f"URI:CHK:{K16}a:{K32}:3:10:1",
    f"URI:CHK:{K16}:{K32[:-1]}b:3:10:1",
    f"URI:CHK:{K16}:{K16}:3:10:1",
    f"URI:CHK-Verifier:{K16}:{K32}:3:10:1junk",
    f"URI:CHK-Verifier:{K16}:{K32}:3:10:1:junk",
    f"URI:DIR2-CHK-Verifier:{K16}:{K32}:3:10:1 junk",
    f"URI:CHK-Verifier:{K16}:{K32}:3:10:",
    f"URI:SSK:{K16}",
    f"URI:SSK:{K16}:",
    f"URI:MDMF:{K16}:{K32}:3:131073",
    f"URI:MDMF-RO:{K16}:{K32}::",
    f"URI:DIR2-MDMF-Verifier:{K16}:{K32}:EXTENSION:future",
    f"URI:MDMF:{K16}:{K32}\n:x",
    f"URI:SSK:\u00e9{K16[2:]}:{K32}",
]


def text_or_none(cap):
    return None if cap is None else cap.to_string().decode()


def parsed(text, deep_immutable):
    cap = uri.from_string(text, deep_immutable=deep_immutable)
    if isinstance(cap, uri.UnknownURI):
        error = cap.get_error()
        assert cap.to_string().decode() == text
        return {"class": None, "error": error and type(error).__name__}
    try:
        verify = text_or_none(cap.get_verify_cap())
    except AssertionError:
        # Two verifiers of directories can't print what they say is their own verifier.
        verify = cap.to_string().decode()
    index = cap.get_storage_index()
    return {
        "class": type(cap).__name__,
        "text": cap.to_string().decode(),
        "read_only": cap.get_readonly().to_string().decode(),
        "verify": verify,
        "storage_index": None if index is None else b2a(index).decode(),
        "is_mutable": cap.is_mutable(),
        "is_readonly": cap.is_readonly(),
    }


def vector(text):
    return {
        "given": text,
        "anywhere": parsed(text, False),
        "deep_immutable": parsed(text, True),
    }


def slots(write, read, deep_immutable):
    encode = lambda text: None if text is None else text.encode()
    node = unknown.UnknownNode(encode(write), encode(read), deep_immutable=deep_immutable)
    decode = lambda text: None if text is None else text.decode()
    return {
        "given_write": write,
        "given_read": read,
        "deep_immutable": deep_immutable,
        "write": decode(node.get_write_uri()),
        "read": decode(node.get_readonly_uri()),
        "error": node.error and type(node.error).__name__,
    }


def slot_vectors():
    dir_ro = uri.DirectoryURI(uri.WriteableSSKFileURI(WRITE_KEY, FINGERPRINT))
    known_read = dir_ro.get_readonly().to_string().decode()
    known_write = dir_ro.to_string().decode()
    slot = [None, "", "new", "ro.new", "imm.new", "URI:SSK:garbage", "imm.URI:CHK:garbage"]
    for deep_immutable in (False, True):
        for write in slot:
            for read in slot + [known_read, known_write, "ro." + known_write, "imm." + known_read]:
                yield slots(write, read, deep_immutable)


texts = []
for good in good_texts():
    texts.extend(variants(good.decode()))
texts.extend(ODD)
unique = list(dict.fromkeys(texts))
json.dump(
    {"parsed": [vector(t) for t in unique], "slots": list(slot_vectors())},
    sys.stdout,
    indent=0,
)
print()
