"""Answers share placements and happiness as Tahoe-LAFS computes them: a JSON line for a JSON line.

With {"real_sets": true} Python's own sets are used, whose order is random.
"""

import json
import sys

from allmydata.immutable import happiness_upload
from allmydata.util.happinessutil import failure_message, servers_of_happiness

from ordered import OrderedSet, use_ordered_sets, use_real_sets


def place(question):
    kind = set if question["real_sets"] else OrderedSet
    (use_real_sets if question["real_sets"] else use_ordered_sets)()
    names = lambda key: kind(name.encode() for name in question[key])
    existing = {name.encode(): kind(shares) for name, shares in question["existing"]}
    placed = happiness_upload.share_placement(
        names("writable"),
        names("read_only"),
        kind(range(question["shares_total"])),
        existing,
    )
    return {str(share): server.decode() for share, server in placed.items()}


def happiness(question):
    sharemap = {int(share): set(on) for share, on in question["shares"].items()}
    reached = servers_of_happiness(sharemap)
    servers = len(set().union(*sharemap.values()))
    k, happy = question["shares_needed"], question["shares_happy"]
    return {"happiness": reached, "sentence": failure_message(servers, k, happy, reached)}


for line in sys.stdin:
    question = json.loads(line)
    answer = happiness(question) if "shares" in question else place(question)
    print(json.dumps(answer), flush=True)
