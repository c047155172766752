"""A parent that supervises `children.py NAME`.

`python parent.py NAME DIRECTORY`. It cleans nothing up itself.
"""

import asyncio
import atexit
import signal
import sys
import time
from pathlib import Path

from fluxlit.supervisor.driver import Supervisor
from fluxlit.supervisor.spawn import Command

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.gateway.supervisor.processes import alive

name, directory = sys.argv[1], Path(sys.argv[2])
# A shell starts what runs in the background deaf to SIGINT, and nohup what it runs to SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_for_exit(pid: int) -> None:
    """Exit as late as on a busy machine: after a child without output."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.005)


async def main() -> None:
    async def ready() -> bool:
        return (directory / "ready").exists()

    command = Command([sys.executable, str(Path(__file__).with_name("children.py")), name, str(directory)])
    await Supervisor("child", command, probe=ready, greeting="hello").start()
    print("up", flush=True)
    if directory.joinpath("raise").exists():
        atexit.register(wait_for_exit, int((directory / "pid").read_text()))
        raise RuntimeError("an exception in the parent")
    await asyncio.Event().wait()


asyncio.run(main())
