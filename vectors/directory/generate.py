"""Writes directory.json; see README.md."""

import copy
import json

from allmydata import dirnode, uri
from allmydata.deep_stats import DeepStats
from allmydata.nodemaker import NodeMaker
from allmydata.util import hashutil
from allmydata.util.netstring import netstring

maker = NodeMaker(None, None, None, None, None, {"k": 3, "n": 10, "happy": 7}, None, None)


def key(word, length=16):
    return hashutil.tagged_hash(b"directory vectors", word.encode())[:length]


chk = uri.CHKFileURI(key("chk"), key("ueb", 32), 3, 10, 12345).to_string()
lit = uri.LiteralFileURI(b"hello").to_string()
ssk = uri.WriteableSSKFileURI(key("ssk"), key("ssk fp", 32))
mdmf = uri.WriteableMDMFFileURI(key("mdmf"), key("mdmf fp", 32))
subdir = uri.DirectoryURI(uri.WriteableSSKFileURI(key("dir"), key("dir fp", 32)))
subdir_mdmf = uri.MDMFDirectoryURI(uri.WriteableMDMFFileURI(key("mdir"), key("mdir fp", 32)))
dir_chk = uri.ImmutableDirectoryURI(uri.CHKFileURI(key("dchk"), key("dueb", 32), 1, 1, 99)).to_string()
dir_lit = b"URI:DIR2-LIT:"
future_write = b"x-tahoe-future:write"
future_read = b"x-tahoe-future:read"


def ro(cap):
    return cap.get_readonly().to_string()


def verify(cap):
    return cap.get_verify_cap().to_string()


OBJECTS = {
    "chk": (None, chk),
    "chk in the write slot": (chk, None),
    "lit": (None, lit),
    "ssk": (ssk.to_string(), ro(ssk)),
    "ssk alone": (ssk.to_string(), None),
    "ssk read-only": (None, ro(ssk)),
    "ssk in the read slot": (None, ssk.to_string()),
    "mdmf": (mdmf.to_string(), ro(mdmf)),
    "mdmf read-only": (None, ro(mdmf)),
    "directory": (subdir.to_string(), ro(subdir)),
    "directory read-only": (None, ro(subdir)),
    "mdmf directory": (subdir_mdmf.to_string(), ro(subdir_mdmf)),
    "immutable directory": (None, dir_chk),
    "literal directory": (None, dir_lit),
    "unknown": (future_write, future_read),
    "unknown ro.": (None, b"ro." + future_read),
    "unknown ro. in the write slot": (b"ro." + future_read, None),
    "unknown imm.": (None, b"imm." + future_read),
    "unknown imm. in the write slot": (b"imm." + future_read, None),
    "unknown without prefix": (None, future_read),
    "unknown with imm. reader": (future_write, b"imm." + future_read),
    "unknown writer alone": (future_write, None),
    "ro. writer": (None, b"ro." + ssk.to_string()),
    "ro. reader": (None, b"ro." + ro(ssk)),
    "imm. mutable": (None, b"imm." + ro(ssk)),
    "imm. immutable": (None, b"imm." + chk),
    "nothing": (None, None),
    "verifier": (None, verify(ssk)),
    "malformed": (None, b"URI:CHK:oops"),
}
NAMES = ["", " ", "a", "B", "a/b", "caf\u00e9", "cafe\u0301", "\u1112\u1161\u11ab", "\ufb01",
         "\u05e9\u05dc\u05d5\u05dd", "\u4f60\u597d", "\U0001f600", "\uffee", "line\nfeed", "\x00", "'\"<&>"]
METADATA = [{}, {"a": 1}, {"tahoe": {"linkcrtime": 1.5, "linkmotime": 1717150148.123456}},
            {"\u00e9\U0001f600\x7f": [None, True, 1e16, 1.5e-7, 0.1, -3, {"x": []}], "s": "a/b\"\\\n"},
            {"no-write": True}]


def text(value):
    return None if value is None else value.decode("latin-1")


def outcome(function):
    try:
        return function()
    except Exception as error:
        return {"error": error.__class__.__name__}


def pack(children, write_key):
    def work():
        nodes = {}
        for (name, write, read, metadata) in children:
            node = maker.create_from_cap(write, read, deep_immutable=write_key is None, name=name)
            nodes[name] = (node, metadata)
        return dirnode.pack_children(nodes, write_key, deep_immutable=write_key is None).hex()
    return outcome(work)


WRITE_KEY = key("parent")
FINGERPRINT = key("parent fp", 32)
mutable = uri.DirectoryURI(uri.WriteableSSKFileURI(WRITE_KEY, FINGERPRINT))
PARENTS = {
    "write": maker.create_from_cap(mutable.to_string()),
    "read": maker.create_from_cap(ro(mutable)),
    "immutable": maker.create_from_cap(dir_chk),
}


def listed(table, access):
    def work():
        children = PARENTS[access]._unpack_contents(table)
        return [[name, text(node.get_write_uri()), text(node.get_readonly_uri()), metadata]
                for name, (node, metadata) in sorted(children.items())]
    return outcome(work)


packed, tables = [], {"empty": b""}


def case(what, children):
    for write_key in (WRITE_KEY, None):
        table = pack(children, write_key)
        packed.append({
            "what": what,
            "write_key": write_key and write_key.hex(),
            "children": [[name, text(write), text(read), metadata]
                         for (name, write, read, metadata) in children],
            "table": table,
        })
        if isinstance(table, str):
            kind = "mutable" if write_key else "immutable"
            tables["%s, %s" % (what, kind)] = bytes.fromhex(table)


for what, (write, read) in OBJECTS.items():
    case(what, [("x", write, read, {})])
case("names", [(name, None, lit, {}) for name in NAMES])
case("metadata", [(str(i), None, chk, metadata) for i, metadata in enumerate(METADATA)])
case("many", [("%03d" % i, ssk.to_string(), None, {"i": i}) for i in range(20)])


def entry(name=b"x", read=chk, sealed=None, metadata=b"{}", more=b""):
    if sealed is None:
        sealed = dirnode._encrypt_rw_uri(WRITE_KEY, b"")
    return netstring(netstring(name) + netstring(read) + netstring(sealed) + netstring(metadata) + more)


seal = lambda cap: dirnode._encrypt_rw_uri(WRITE_KEY, cap)
tables.update({
    "trailing spaces": entry(read=chk + b"   ", sealed=seal(b"  "))
                       + entry(b"y", ro(ssk) + b" ", seal(ssk.to_string() + b"    ")),
    "a name twice": entry(b"x", chk) + entry(b"x", lit),
    "a name in two forms": entry("cafe\u0301".encode(), chk) + entry("caf\u00e9".encode(), lit),
    "not sorted": entry(b"b") + entry(b"a"),
    "no capability": entry(read=b"", sealed=seal(b"")),
    "a writer without reader": entry(read=b"", sealed=seal(ssk.to_string())),
    "a writer in the read slot": entry(read=ssk.to_string(), sealed=seal(b"")),
    "another's reader": entry(read=lit, sealed=seal(ssk.to_string())),
    "an unknown writer alone": entry(read=b"", sealed=seal(future_write)) + entry(b"y"),
    "a writer called ro.": entry(read=b"ro." + ssk.to_string(), sealed=seal(b"")) + entry(b"y"),
    "a mutable called imm.": entry(read=b"imm." + ro(ssk), sealed=seal(b"")) + entry(b"y"),
    "sealed too short": entry(sealed=b"short"),
    "sealed empty": entry(sealed=b""),
    "sealed with another MAC": entry(read=ro(ssk), sealed=seal(ssk.to_string())[:-1] + b"?"),
    "a mutable child in an immutable directory": entry(read=ro(ssk), sealed=b"") + entry(b"y", sealed=b""),
    "more fields": entry(more=netstring(b"more")),
    "junk after fields": entry(more=b"junk"),
    "old times": entry(metadata=b'{"ctime": 5, "mtime": 6.5}'),
    "cut short": entry()[:-1],
    "too few fields": netstring(netstring(b"x") + netstring(chk)),
    "not netstrings": b"hello",
    "a negative length": b"-1:,",
    "a name that isn't UTF-8": entry(name=b"\xff"),
})

old_and_new = [None, {}, {"a": 1}, {"ctime": 3}, {"ctime": 3, "mtime": 4, "b": [1]},
               {"tahoe": {"linkcrtime": 7, "linkmotime": 8, "other": 9}, "c": 0},
               {"tahoe": {}, "ctime": 3}, {"ctime": 2, "tahoe": {"linkcrtime": 7}}]

stats = DeepStats(None)
sizes = sorted({max(0, 10**i + j) for i in range(14) for j in (-1, 0, 1)}
               | {int(10**(i + 0.5)) + j for i in range(13) for j in (0, 1)})

print(json.dumps({
    "write_key": WRITE_KEY.hex(),
    "packed": packed,
    "unpacked": [{"what": what, "table": table.hex(),
                  "listed": {access: listed(table, access) for access in PARENTS}}
                 for what, table in tables.items()],
    "metadata": [{"old": old, "new": new,
                  "updated": dirnode.update_metadata(copy.deepcopy(old), copy.deepcopy(new), 1234.5)}
                 for old in old_and_new for new in old_and_new],
    "histogram": [[size, *stats.which_bucket(size)] for size in sizes],
}, indent=1))
