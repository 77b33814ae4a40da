"""What the original reads from texts of tahoe.cfg and from single values.

Reads {"files": [text, ...], "values": [text, ...]} as JSON; writes, for each file, its sections as
[[name, [[option, value or null if it cannot be had], ...]], ...], or null if it is refused; and for
each value what every kind of reader makes of it, null if it refuses.
"""

import json
import sys

from allmydata.util.abbreviate import parse_abbreviated_size
from allmydata.util.configutil import get_config_from_string
from allmydata.util.time_format import parse_duration


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception:
        return None


def read(text):
    config = get_config_from_string(text.removeprefix("\ufeff"))
    return [
        [section, [[option, attempt(config.get, section, option)] for option in config.options(section)]]
        for section in config.sections()
    ]


def boolean(text):
    config = get_config_from_string("[a]\n")
    return config._convert_to_boolean(text)


def readings(text):
    size = attempt(parse_abbreviated_size, text)
    return [
        attempt(int, text),
        attempt(boolean, text),
        size,
        attempt(parse_duration, text),
    ]


request = json.load(sys.stdin)
json.dump(
    {
        "files": [attempt(read, text) for text in request["files"]],
        "values": [readings(text) for text in request["values"]],
    },
    sys.stdout,
)
