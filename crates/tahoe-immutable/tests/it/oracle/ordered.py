"""Sets whose order is known, and the modules of Tahoe-LAFS that must use them.

What the original decides depends on the order of Python's sets of byte strings, which is random.
"""

from allmydata.immutable import happiness_upload, upload


class OrderedSet(set):
    """Iterates in insertion order, or ascending if it holds numbers."""

    def __init__(self, items=()):
        self._order = dict.fromkeys(items)
        super().__init__(self._order)

    def __iter__(self):
        items = list(self._order)
        return iter(sorted(items) if all(isinstance(i, int) for i in items) else items)

    def __sub__(self, other):
        return OrderedSet(i for i in self._order if i not in other)

    def __or__(self, other):
        return OrderedSet([*self._order, *other])

    __ior__ = __or__

    def add(self, item):
        self._order[item] = None
        super().add(item)

    def discard(self, item):
        self._order.pop(item, None)
        super().discard(item)

    def remove(self, item):
        super().remove(item)
        del self._order[item]

    def pop(self):
        item = next(iter(self))
        self.remove(item)
        return item


def use_ordered_sets():
    happiness_upload.set = OrderedSet
    upload.set = OrderedSet


def use_real_sets():
    happiness_upload.__dict__.pop("set", None)
    upload.__dict__.pop("set", None)
