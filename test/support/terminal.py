"""Runs a program on a terminal of its own. Standard input gives lines of JSON: {"send": text} is typed, {"await": text} waits until
the text was shown since the last that was awaited. Prints what was shown, and how the program ended, as JSON."""

import json
import os
import pty
import select
import sys
import time

PATIENCE_S = 15


def main() -> None:
    steps = [json.loads(line) for line in sys.stdin]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(sys.argv[1], sys.argv[1:])
    shown = ""
    seen = 0
    missing = None
    deadline = time.monotonic() + PATIENCE_S

    def read() -> bool:
        nonlocal shown
        if not select.select([terminal], [], [], 0.1)[0]:
            return True
        try:
            part = os.read(terminal, 65536)
        except OSError:
            return False
        shown += part.decode(errors="replace")
        return part != b""

    for step in steps:
        if "send" in step:
            os.write(terminal, step["send"].encode())
            continue
        while (at := shown.find(step["await"], seen)) < 0:
            if time.monotonic() > deadline or not read():
                missing = step["await"]
                break
        if missing is not None:
            break
        seen = at + len(step["await"])
    while missing is None and time.monotonic() < deadline and read():
        pass
    if missing is not None or time.monotonic() >= deadline:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    print(json.dumps({"shown": shown, "missing": missing, "code": os.waitstatus_to_exitcode(status)}))


main()
