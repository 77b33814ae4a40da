"""Adds numbers for others, or lets others add: adder.py serve, adder.py call FURL.

The same program as adder.rs, with Python's foolscap.
"""

import socket
import sys

from twisted.internet import reactor
from foolscap.api import Referenceable, Tub


class Adder(Referenceable):
    def remote_add(self, a, b):
        return a + b


def serve(tub):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tub.listenOn("tcp:%d:interface=127.0.0.1" % port)
    tub.setLocation("tcp:127.0.0.1:%d" % port)
    print(tub.registerReference(Adder()), flush=True)


def call(tub, furl):
    d = tub.getReference(furl)
    d.addCallback(lambda adder: adder.callRemote("add", a=1, b=2))
    d.addCallback(lambda total: print("1 + 2 =", total))
    d.addErrback(lambda failure: failure.printTraceback())
    d.addBoth(lambda _: reactor.stop())


tub = Tub()
tub.startService()
if sys.argv[1] == "serve":
    serve(tub)
else:
    call(tub, sys.argv[2])
reactor.run()
