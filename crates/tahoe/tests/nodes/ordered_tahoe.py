"""Tahoe-LAFS with a known order of servers when shares are placed.

The original keeps servers in sets of byte strings, whose order changes from one process to the next,
and learns of existing shares in the order in which answers happen to arrive. Here both are in the
permuted order, in which the original asks the servers; share numbers are in ascending order.
"""

import sys

from allmydata.immutable import happiness_upload, upload
from allmydata.scripts.runner import run


class OrderedSet:
    def __init__(self, items=()):
        self._items = dict.fromkeys(items)

    def __iter__(self):
        items = list(self._items)
        return iter(sorted(items) if all(isinstance(i, int) for i in items) else items)

    def __len__(self):
        return len(self._items)

    def __contains__(self, item):
        return item in self._items

    def __eq__(self, other):
        return isinstance(other, OrderedSet) and list(self) == list(other)

    def __sub__(self, other):
        return OrderedSet(i for i in self if i not in other)

    def __rsub__(self, other):
        return OrderedSet(i for i in other if i not in self)

    def add(self, item):
        self._items[item] = None

    def remove(self, item):
        del self._items[item]

    def pop(self):
        return self._items.popitem()[0]


class OrderedSelector(upload.PeerSelector):
    def __init__(self, *args):
        super().__init__(*args)
        self.peers, self.readonly_peers, self.bad_peers = OrderedSet(), OrderedSet(), OrderedSet()
        self.order = []

    def add_peer(self, peerid):
        self.order.append(peerid)
        super().add_peer(peerid)

    def get_share_placements(self):
        existing = self.existing_shares
        self.existing_shares = {
            peer: OrderedSet(sorted(existing[peer])) for peer in self.order if peer in existing
        }
        return super().get_share_placements()


happiness_upload.set = OrderedSet
upload.PeerSelector = OrderedSelector
sys.exit(run())
