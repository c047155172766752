"""Stands for a program that runs as a fork; see `forks`."""

import json
import os
import signal
import socket
import sys

# No import that takes time: it would cost what a fork saves.
address, real, *arguments = sys.argv[1:]
is_module = arguments[:1] == ["-m"]
program = {
    "line": [sys.executable, *([] if is_module else [real]), *arguments],
    "module": arguments[1] if is_module else "",
    "script": "" if is_module else real,
    "arguments": arguments[2:] if is_module else arguments,
    "folder": os.getcwd(),  # noqa: PTH109
    "environ": dict(os.environ),
    "session": True,
    "numbers": [0, 1, 2],
}
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    control.connect(address)
    socket.send_fds(control, [json.dumps(program).encode()], [0, 1, 2])
    code = int(control.recv(64))
except (OSError, ValueError):  # no process can be forked here
    os.execv(real, [real, *arguments])
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
