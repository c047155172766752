"""Memory of the gateway's process: idle, and for each open session."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from harness import Bar, answers, fluxlit_run, free_port, report, table, until, workspace
from reruns import APP, LIGHT

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="ten sessions, to see that the benchmark runs")
    arguments = parser.parse_args()
    sessions = 10 if arguments.quick else arguments.sessions
    with workspace() as folder:
        (folder / "light.py").write_text(LIGHT)
        (folder / "app.py").write_text(APP.format(script="light"))
        port = free_port()
        with fluxlit_run(folder, port) as program:
            until(program, lambda: answers(f"http://127.0.0.1:{port}/api/readyz"))
            idle = program.memory()
            with_streamlit = "streamlit/" in Path(f"/proc/{program.process.pid}/maps").read_text()
            command = [sys.executable, str(HERE / "visitors.py"), f"http://127.0.0.1:{port}", "--hold", "--sessions"]
            crowd = subprocess.Popen([*command, str(sessions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert crowd.stdout is not None
            assert crowd.stdin is not None
            crowd.stdout.readline()
            full = program.memory()
            crowd.stdin.close()
            crowd.wait(30)
    each = (full - idle) / sessions
    rows = [[f"{idle / 1e6:.1f} MB", f"{full / 1e6:.1f} MB", f"{each / 1000:.0f} kB"]]
    print(table("Memory of the gateway", ["idle", f"{sessions} sessions", "a session"], rows))
    report(
        [
            Bar("memory of the idle gateway in MB", idle / 1e6, 50),
            Bar("memory of the gateway per session in kB", each / 1000, 25),
            Bar("files of Streamlit mapped in the gateway", float(with_streamlit), 0),
        ]
    )


if __name__ == "__main__":
    main()
