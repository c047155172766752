"""A parent that supervises `children.py NAME`: `python parent.py NAME DIRECTORY`. It cleans nothing up itself."""

import asyncio
import signal
import sys
from pathlib import Path

from fluxlit.supervisor import Command, Supervisor

name, directory = sys.argv[1], Path(sys.argv[2])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background deaf to it


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
