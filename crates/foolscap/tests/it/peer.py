"""A tub of Python's foolscap for the tests.

    peer.py serve PORT          offers an object, prints its FURL, runs until its input ends
    peer.py drive PORT FURL     calls an object of ours that is like the one here; exits with 0

TUB_PEM names a file with the tub's certificate and key; without it, new ones are made.
"""

import gc
import os
import sys
from decimal import Decimal

from OpenSSL import SSL
from twisted.internet import defer, reactor, stdio, task
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions
from foolscap.api import Copyable, Referenceable, RemoteCopy, RemoteException, Tub


class Point(Copyable, RemoteCopy):
    """An object that is passed by value."""
    typeToCopy = copytype = "test.Point"

    def __init__(self, x=None, y=None):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


class Unregistered(Copyable):
    typeToCopy = "test.Unregistered"


VALUES = [
    None, True, False, 0, 1, -1, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63, -2**100,
    0.0, 1.5, -2.5e300, b"", b"bytes", b"list", bytes(range(256)), "", "text", "\u20ac\U0001f600",
    Decimal("1.25"), [], [1, [2, [3]]], (), (1, b"two", "three"), set(), {1, 2}, frozenset([b"a"]),
    {}, {b"key": 1, b"two": [None]}, {1: b"one"}, {"a": {"b": {"c": ()}}}, b"x" * 100000,
]


class Held(Referenceable):
    count = 0

    def remote_add(self, number):
        self.count += number
        return self.count


class Echo(Referenceable):
    held = None

    def __init__(self, tub):
        self.tub = tub
        self.order = []

    def remote_echo(self, *args, **kwargs):
        if kwargs:
            return (list(args), kwargs)
        return args[0] if len(args) == 1 else list(args)

    def remote_shared(self):
        once = [1, 2]
        return [once, once, (once,)]

    def remote_fail(self, text):
        raise KeyError(text)

    def remote_unsendable(self):
        return Unsendable()

    def remote_unknown_copy(self):
        return [Unregistered()]

    def remote_point(self):
        return Point(3, "y")

    def remote_is_point(self, point):
        return point == Point(3, "y")

    def remote_length(self, data):
        return len(data)

    def remote_large(self, size):
        return b"z" * size

    def remote_wait(self, seconds):
        return task.deferLater(reactor, seconds, lambda: seconds)

    def remote_note(self, number):
        self.order.append(number)

    def remote_noted(self):
        return self.order

    def remote_make(self):
        return Held()

    def remote_hold(self, reference):
        self.held = reference

    def remote_use(self, *args):
        return self.held.callRemote("add", *args)

    def remote_drop(self):
        self.held = None
        gc.collect()

    def remote_same(self, one, other):
        return one is other

    def remote_mine(self, reference):
        return reference is self

    def remote_myself(self):
        return self

    @defer.inlineCallbacks
    def remote_fetch(self, furl):
        reference = yield self.tub.getReference(furl)
        return reference

    def remote_connections(self):
        return len(self.tub.brokers)


class Unsendable:
    pass


class UntilInputEnds(Protocol):
    def connectionLost(self, reason):
        reactor.stop()


@defer.inlineCallbacks
def drive(tub, furl):
    echo = yield tub.getReference(furl)
    for value in VALUES:
        back = yield echo.callRemote("echo", value)
        assert back == value and type(back) is type(value), (value, back)
    back = yield echo.callRemote("echo", 1, b=[2])
    assert back == ([1], {"b": [2]}), back
    once = [1]
    back = yield echo.callRemote("echo", [once, once, (once, once)])
    assert back == [[1], [1], ([1], [1])], back
    back = yield echo.callRemote("echo", Point([1], "b"))
    assert back == Point([1], "b")

    try:
        yield echo.callRemote("fail", "reason")
        assert False, "it should fail"
    except Exception as e:
        assert "reason" in str(e), repr(e)
    try:
        yield echo.callRemote("nosuch")
        assert False, "it should fail"
    except Exception as e:
        assert "Violation" in str(e) or "nosuch" in str(e), repr(e)

    length = yield echo.callRemote("length", b"x" * 20000000)
    assert length == 20000000
    large = yield echo.callRemote("large", 20000000)
    assert large == b"z" * 20000000

    slow = echo.callRemote("wait", 0.3)
    quick = yield echo.callRemote("echo", 5)
    assert quick == 5 and not slow.called
    yield slow
    for number in range(200):
        echo.callRemoteOnly("note", number)
    noted = yield echo.callRemote("noted")
    assert noted == list(range(200)), noted

    held = Held()
    yield echo.callRemote("hold", held)
    yield echo.callRemote("hold", held)
    total = yield echo.callRemote("use", 4)
    assert total == 4 == held.count
    same = yield echo.callRemote("same", held, held)
    assert same
    broker = echo.tracker.broker
    assert len(broker.myReferenceByCLID) == 1
    yield echo.callRemote("drop")
    yield until(lambda: not broker.myReferenceByCLID)

    made = yield echo.callRemote("make")
    total = yield made.callRemote("add", 7)
    assert total == 7
    mine = yield echo.callRemote("mine", echo)
    assert mine
    again = yield echo.callRemote("myself")
    assert again is echo
    print("ok", flush=True)


@defer.inlineCallbacks
def until(condition):
    for _ in range(600):
        if condition():
            return
        yield task.deferLater(reactor, 0.05, lambda: None)
    raise AssertionError("it didn't become true")


def lenient_context(method):
    """Today's OpenSSL shows no certificate of a key below 2048 bits unless it is told to."""
    context = SSL.Context(method)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=1")
    return context


def main():
    role, port = sys.argv[1:3]
    pem = os.environ.get("TUB_PEM")
    if pem:
        CertificateOptions._contextFactory = staticmethod(lenient_context)
    tub = Tub(certFile=pem) if pem else Tub()
    tub.setOption("expose-remote-exception-types", False)
    tub.listenOn("tcp:%s:interface=127.0.0.1" % port)
    tub.setLocation("tcp:127.0.0.1:" + port)
    tub.startService()
    if role == "serve":
        print(tub.registerReference(Echo(tub), "echo"), flush=True)
        stdio.StandardIO(UntilInputEnds())
        reactor.run()
        return
    failures = []

    def failed(failure):
        failures.append(failure)
        failure.printTraceback(sys.stderr)

    d = task.deferLater(reactor, 0, drive, tub, sys.argv[3])
    d.addErrback(failed)
    d.addCallback(lambda _: tub.stopService())
    d.addBoth(lambda _: reactor.stop())
    reactor.run()
    sys.exit(1 if failures else 0)


main()
