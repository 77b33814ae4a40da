"""A storage server of the reference behind a tub.

Usage: serve.py DIRECTORY. Prints the FURL, serves until standard input ends.
"""

import os
import socket
import sys
import threading

from foolscap.api import Tub
from twisted.internet import reactor

from allmydata.storage.server import FoolscapStorageServer, StorageServer


def main():
    directory = sys.argv[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tub = Tub(certFile=os.path.join(directory, "node.pem"))
    tub.listenOn("tcp:%d:interface=127.0.0.1" % port)
    tub.setLocation("tcp:127.0.0.1:%d" % port)
    tub.startService()
    storage = StorageServer(os.path.join(directory, "storage"), b"\x01" * 20)
    server = FoolscapStorageServer(storage)
    print(tub.registerReference(server), flush=True)

    def stop_at_end_of_input():
        sys.stdin.read()
        reactor.callFromThread(reactor.stop)

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    reactor.run()


main()
