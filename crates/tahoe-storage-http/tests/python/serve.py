"""A storage server of the reference at an HTTPS port of its own.

Usage: serve.py DIRECTORY SWISSNUM. Prints the NURL, serves until standard input ends. The
certificate is made as a node makes it, by foolscap.
"""

import os
import sys
import threading

from foolscap.api import Tub
from twisted.internet import endpoints, reactor
from twisted.python.filepath import FilePath

from allmydata.storage.http_server import HTTPServer, listen_tls
from allmydata.storage.server import StorageServer


def main():
    directory, swissnum = sys.argv[1:]
    pem = FilePath(os.path.join(directory, "node.pem"))
    Tub(certFile=pem.path)
    storage = StorageServer(os.path.join(directory, "storage"), b"\x01" * 20)
    server = HTTPServer(reactor, storage, swissnum.encode("ascii"))
    endpoint = endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    listening = listen_tls(server, "127.0.0.1", endpoint, pem, pem)
    listening.addCallback(lambda result: print(result[0].to_text(), flush=True))
    listening.addErrback(fail)

    def stop_at_end_of_input():
        sys.stdin.read()
        reactor.callFromThread(reactor.stop)

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    reactor.run()


def fail(failure):
    failure.printTraceback()
    reactor.stop()


main()
