"""Stands for a program that runs as a fork; see `forked`."""

import json
import os
import signal
import socket
import sys

# No import that takes time: it would cost what a fork saves.
address, program, *arguments = sys.argv[1:]
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.connect(address)
request = [program, arguments, os.getcwd(), dict(os.environ)]  # noqa: PTH109
socket.send_fds(control, [json.dumps(request).encode()], [0, 1, 2])
control.recv(64)  # its process id
code = int(control.recv(64))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
