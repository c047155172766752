"""A program that is a fork is what it would be if it were started."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forks import Libraries
from tests.support.processes import clean_environ

LOOK = """
import json, os, signal, stat, subprocess, sys

def look():
    descriptors = {}
    for number in range(512):
        try:
            descriptors[number] = stat.S_IFMT(os.fstat(number).st_mode)
        except OSError:
            pass
    return {
        "arguments": sys.argv,
        "path": sys.path[0],
        "folder": os.getcwd(),
        "environ": dict(os.environ),
        "shown": [open(f"/proc/self/{each}", "rb").read().decode() for each in ("cmdline", "environ")],
        "parent": os.getppid(),
        "leads a session": os.getsid(0) == os.getpid(),
        "descriptors": descriptors,
        "streams": [(each.line_buffering, each.write_through, each.errors) for each in (sys.stdout, sys.stderr)],
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "has json.tool": "json.tool" in sys.modules,
        "input": sys.stdin.read(),
        "main": __name__,
    }
"""
PARENT = f"""{LOOK}
if __name__ == "__main__":
    child = subprocess.run([sys.executable, "-m", "child"], capture_output=True, text=True, env=dict(os.environ))
    print(json.dumps([look(), json.loads(child.stdout), os.getpid()]))
    sys.exit(int(sys.argv[-1]))
"""
CHILD = f"{LOOK}\nprint(json.dumps(look()))"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start the program that looks at itself; all but the first are forks."""
    for name in ("_fork_exec", "_USE_POSIX_SPAWN"):
        monkeypatch.setattr(subprocess, name, getattr(subprocess, name))
    libraries = Libraries(["json"], ["parent"], {}, children=["json.tool"], known_children=["child"])
    for name, text in (("parent", PARENT), ("child", CHILD)):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    def started(*arguments: str, **environ: str) -> tuple[int, list[Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "parent", *arguments],
            cwd=tmp_path,
            env=clean_environ(**environ),
            input="typed",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    yield started
    libraries.channel.close()


@pytest.mark.skipif(sys.platform != "linux", reason="there are no forks elsewhere")
def test_it_and_its_child_see_what_a_program_sees(start: Any) -> None:
    own, fork = start("a b", "3", ANSWER="42"), start("a b", "3", ANSWER="42")
    for code, (program, child, pid) in (own, fork):
        assert code == 3
        assert child.pop("parent") == pid
        assert list(program["descriptors"]) == list(child["descriptors"]) == ["0", "1", "2"]
    assert fork[1][1].pop("has json.tool")
    del own[1][1]["has json.tool"]
    assert own[1][:2] == fork[1][:2]


def test_an_unusual_one_is_started(start: Any) -> None:
    start("0")
    assert start("0", PYTHONHASHSEED="1")[0] == 0


def test_a_signal_ends_it(tmp_path: Path, start: Any) -> None:
    start("0")
    (tmp_path / "parent.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)")
    command = [sys.executable, "-m", "parent"]
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environ(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
