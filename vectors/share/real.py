"""Writes real.json: shares made by a real Tahoe-LAFS node and what `tahoe debug dump-share` says.

Runs an introducer and one node with a storage server on 127.0.0.1 in a temporary directory, uploads
a few files and keeps the payload of one share of each. Keys are random, so every run differs.

    python real.py > real.json      (the Python of an environment that has tahoe-lafs 1.20.0)
"""

import base64
import configparser
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from allmydata import uri
from allmydata.storage.immutable import ShareFile
from allmydata.storage.mutable import MutableShareFile
from allmydata.storage.common import storage_index_to_dir
from allmydata.util.base32 import b2a

TAHOE = [os.path.join(os.path.dirname(sys.executable), "tahoe")]
NEEDED, TOTAL, SHARE = 20, 22, 3


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            result = condition()
            if result:
                return result
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError(what)


def tahoe(*arguments):
    done = subprocess.run([*TAHOE, *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def create(kind, directory, **sections):
    port = free_port()
    listen = ["--port", f"tcp:{port}:interface=127.0.0.1", "--location", f"tcp:127.0.0.1:{port}"]
    arguments = [f"create-{kind}", "--basedir", str(directory), *listen]
    tahoe(*arguments)
    config = configparser.RawConfigParser(strict=False)
    path = directory / "tahoe.cfg"
    config.read(path)
    for section, values in sections.items():
        for key, value in values.items():
            config.set(section, key, value)
    with path.open("w") as f:
        config.write(f)


def run(directory, log):
    return subprocess.Popen(
        [*TAHOE, "run", str(directory)], stdin=subprocess.PIPE, stdout=log, stderr=log
    )


def upload(web, query, data):
    request = urllib.request.Request(f"{web}/uri{query}", data=data, method="PUT")
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def share_of(node, cap_text):
    cap = uri.from_string(cap_text)
    index = cap.get_storage_index()
    path = node / "storage" / "shares" / storage_index_to_dir(index) / str(SHARE)
    with path.open("rb") as f:
        mutable = MutableShareFile.is_valid_header(f.read(32))
    if mutable:
        container = MutableShareFile(str(path))
        with path.open("rb") as f:
            length = container._read_data_length(f)
        payload = container.readv([(0, length)])[0]
    else:
        container = ShareFile(str(path))
        payload = container.read_share_data(0, container._lease_offset)
    return path, index, payload


def about_payload(lines):
    """Leaves out the path, the leases and the write enabler, which belong to the container."""
    starts = ("             version:", " SDMF contents:", " MDMF contents:")
    first = next(i for i, line in enumerate(lines) if line.startswith(starts))
    return [line for line in lines[first:] if not line.startswith(" Lease #")]


def described(name, node, cap_text):
    path, index, payload = share_of(node, cap_text)
    os.chdir(path.parent.parent)
    shown = tahoe("debug", "dump-share", "--offsets", f"{path.parent.name}/{path.name}")
    return {
        "name": name,
        "cap": cap_text,
        "storage_index": b2a(index).decode(),
        "share_number": SHARE,
        "payload": base64.b64encode(payload).decode(),
        "dump_share": about_payload(shown.splitlines()),
    }


def main(root):
    introducer, node = root / "introducer", root / "node"
    log = (root / "log").open("wb")
    create("introducer", introducer)
    processes = [run(introducer, log)]
    try:
        furl = introducer / "private" / "introducer.furl"
        wait_for("introducer", furl.exists)
        web_port = free_port()
        create(
            "node",
            node,
            node={"web.port": f"tcp:{web_port}:interface=127.0.0.1"},
            client={
                "shares.needed": str(NEEDED),
                "shares.happy": "1",
                "shares.total": str(TOTAL),
                "shares._max_immutable_segment_size_for_testing": "1000",
            },
        )
        (node / "private" / "introducers.yaml").write_text(
            f"introducers:\n  only:\n    furl: {furl.read_text().strip()}\n"
        )
        processes.append(run(node, log))
        web = f"http://127.0.0.1:{web_port}"

        def connected():
            with urllib.request.urlopen(f"{web}/?t=json") as response:
                servers = json.load(response)["servers"]
            return any(s["connection_status"] == "connected" for s in servers)

        wait_for("node", connected)
        small = bytes(range(256)) * 10
        large = bytes(range(251)) * 560
        files = [
            ("chk one segment", upload(web, "", small[:999])),
            ("chk three segments", upload(web, "", small)),
            ("sdmf", upload(web, "?format=sdmf", small)),
            ("sdmf empty", upload(web, "?format=sdmf", b"")),
            ("mdmf one segment", upload(web, "?format=mdmf", small)),
            ("mdmf two segments", upload(web, "?format=mdmf", large)),
            ("mdmf empty", upload(web, "?format=mdmf", b"")),
        ]
        json.dump([described(name, node, cap) for name, cap in files], sys.stdout, indent=1)
        print()
    finally:
        for process in processes:
            process.stdin.close()
            process.terminate()
            process.wait()


if __name__ == "__main__":
    root = pathlib.Path(tempfile.mkdtemp())
    try:
        main(root)
    finally:
        shutil.rmtree(root)
