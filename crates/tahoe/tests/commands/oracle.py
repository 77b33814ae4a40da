"""Runs many commands of the original in one process.

Reads a JSON list of [argument list, standard input as Latin-1] from standard input; writes a JSON
list of [exit code, standard output, standard error]. Only for commands that need no reactor.
"""

import contextlib
import io
import json
import sys
import traceback

from allmydata.scripts import cli, runner
from twisted.internet.defer import maybeDeferred


def stream(content=b""):
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", write_through=True)


def dispatch(config, stdin, out, err):
    if config.subCommand not in cli.dispatch:
        failures = []
        deferred = maybeDeferred(runner.dispatch, config, None, stdout=out, stderr=err)
        deferred.addErrback(failures.append)
        failures[0].raiseException()
    # These would run in a thread.
    options = config.subOptions
    options.stdin, options.stderr = stdin, err
    options.stdout = io.StringIO() if config["quiet"] else out
    return cli.dispatch[config.subCommand](options)


def run(arguments, standard_input):
    out, err = stream(), stream()
    try:
        with contextlib.redirect_stdout(out):
            config = runner.parse_or_exit(runner.Options(), ["tahoe"] + arguments, out, err)
            code = dispatch(config, stream(standard_input.encode("latin-1")), out, err)
    except SystemExit as end:
        code = end.code or 0
    except Exception:
        traceback.print_exc(file=err)
        code = 1
    texts = [buffer.buffer.getvalue().decode("utf-8", "replace") for buffer in (out, err)]
    return [code % 256] + texts


json.dump([run(*command) for command in json.load(sys.stdin)], sys.stdout)
