"""A parent that supervises `children.py NAME`.

`python parent.py NAME DIRECTORY`. It cleans nothing up itself.
"""

import asyncio
import signal
import sys
from pathlib import Path

from fluxlit.supervisor.driver import Supervisor
from fluxlit.supervisor.spawn import Command

name, directory = sys.argv[1], Path(sys.argv[2])
# A shell starts what runs in the background deaf to SIGINT, and nohup what it runs to SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


async def main() -> None:
    async def ready() -> bool:
        return (directory / "ready").exists()

    command = Command([sys.executable, str(Path(__file__).with_name("children.py")), name, str(directory)])
    await Supervisor("child", command, probe=ready, greeting="hello").start()
    print("up", flush=True)
    if directory.joinpath("raise").exists():
        raise RuntimeError("an exception in the parent")
    await asyncio.Event().wait()


asyncio.run(main())
