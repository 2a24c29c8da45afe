"""Asks HTTP servers inside a network namespace. Argument: its name (`ip netns`). Reads one JSON object a line, {"id", "url", "timeout_s"},
answers {"id", "status"}; status is null where nobody answered."""

import ctypes
import json
import sys
import urllib.error
import urllib.request

CLONE_NEWNET = 0x40000000

with open(f"/run/netns/{sys.argv[1]}") as namespace:
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
        sys.exit(f"netns_probe: setns: {ctypes.get_errno()}")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for line in sys.stdin:
    asked = json.loads(line)
    try:
        with opener.open(asked["url"], timeout=asked["timeout_s"]) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        status = None
    print(json.dumps({"id": asked["id"], "status": status}), flush=True)
