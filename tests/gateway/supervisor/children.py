"""Programs that a supervisor may meet.

Run as `python children.py NAME DIRECTORY`; `DIRECTORY/ready` means ready.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fluxlit.supervisor.lifeline import Lifeline

name, directory = sys.argv[1], Path(sys.argv[2])
if name == "dies-at-start":
    print("cannot find the moon", file=sys.stderr)
    sys.exit(7)

lifeline = Lifeline.adopt()
greeting = lifeline.read_line()
with (directory / "greetings").open("a") as greetings:
    greetings.write(greeting + "\n")
(directory / "pid.new").write_text(str(os.getpid()))
(directory / "pid.new").rename(directory / "pid")  # who sees it can read it

if name == "dies-once" and not (directory / "died").exists():
    (directory / "died").touch()
    (directory / "ready").touch()
    while not (directory / "die").exists():
        time.sleep(0.005)
    (directory / "ready").unlink()
    sys.exit(3)
if name == "ignores-sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if name in {"forks", "forks-and-prints", "leaves-a-daemon"}:
    sleeping = [sys.executable, "-c", "import time; time.sleep(300)"]
    grandchild = subprocess.Popen(sleeping, start_new_session=name == "leaves-a-daemon")
    (directory / "grandchild").write_text(str(grandchild.pid))
if name == "prints":
    for number in range(20_000):
        print("line", number)
    print("x" * 300_000, flush=True)
if name == "grabs-the-interpreter":
    (directory / "ready").touch()
    import ctypes

    ctypes.PyDLL(None).sleep(300)  # PyDLL keeps the interpreter lock: no thread of this process runs
if name == "stops-itself":
    (directory / "ready").touch()
    os.kill(os.getpid(), signal.SIGSTOP)
if name != "never-ready":
    (directory / "ready").touch()
lifeline.watch(lambda line: lifeline.send_line(f"heard {line}"))
print("waiting", flush=True)
while name == "forks-and-prints":
    print("printing", flush=True)
    time.sleep(0.005)
while True:
    time.sleep(300)
