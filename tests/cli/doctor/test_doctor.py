"""`fluxlit doctor`: output, exit code, checks of other distributions."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from fluxlit_cli.doctor.command import LOGIN
from fluxlit_cli.doctor.registry import BUILT_IN, all_checks
from fluxlit_cli.doctor.subject import Subject
from tests.cli.command import fluxlit, says, write
from tests.cli.doctor.patient import APP, Patient

pytestmark = pytest.mark.slow

ADDED = '''
import threading, time

print("the plug-in speaks")
meeting = threading.Barrier(2, timeout=60)

def first(subject):
    """Meets the second."""
    meeting.wait()
    return "pass", f"{subject.application.pages.records[0].path} {subject.settings.gateway_port}", ""

def second(subject):
    """Meets the first."""
    meeting.wait()
    return "warn", "a password: http://a:swordfish@b", "Do something."

def nothing(subject):
    """Has nothing to look at."""

def wrong(subject):
    return "maybe"

def breaks(subject):
    raise SystemExit(5)

def hangs(subject):
    time.sleep(600)

lost = 5
'''
NAMES = ("first", "second", "nothing", "wrong", "breaks", "hangs", "lost", "gone", "clock")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A folder in which a distribution with checks is installed."""
    entries = "".join(f"{name} = added:{name}\n" for name in NAMES)
    write(
        tmp_path,
        {
            "app.py": APP + 'print("the application speaks")\n',
            "added.py": ADDED,
            "added-2.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: added\nVersion: 2.5\n",
            "added-2.5.dist-info/entry_points.txt": f"[fluxlit.checks]\n{entries}",
        },
    )
    return str(tmp_path)


def test_problems_come_first_and_passes_are_counted(tmp_path: Path) -> None:
    write(tmp_path, APP + '\n@app.page("/again", title="Home")\ndef again(st): ...\n')
    done = fluxlit("doctor", "--port", "0", "-c", "page-titles,settings-valid,clock", "--log-level", "x",
                   directory=tmp_path)  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "->" not in line]
    assert done.returncode == 1, done.stdout
    assert [line.split()[:2] for line in lines[:-1]] == [["FAIL", "settings-valid"], ["WARN", "page-titles"]]
    assert lines[-1] == "3 checks: 1 passed, 1 warned, 1 failed"


def test_verbose_shows_every_check_and_the_count(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("doctor", "--port", "0", "--verbose", directory=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    shown = r"(PASS|WARN|SKIP)  [a-z-]+ +\S|      +(-> \S|\()"
    assert [line for line in lines[:-1] if not re.match(shown, line)] == []
    count = rf"{len(all_checks())} checks: \d+ passed, \d+ warned, 0 failed, \d+ not applicable"
    assert re.fullmatch(count, lines[-1])
    assert "\x1b" not in done.stdout


def test_data_for_scripts(path: str, tmp_path: Path) -> None:
    done = fluxlit("doctor", "--json", "--check", "target-import,port-free", "-c", "platform", "--port", "0",
                   directory=tmp_path, PYTHONPATH=path)  # fmt: skip
    found = json.loads(done.stdout)
    assert [check["name"] for check in found["checks"]] == ["platform", "target-import", "port-free"]
    assert {key: value for key, value in found.items() if key != "checks"} == {
        "status": "pass", "target": "app:app", "warnings_only": False,
    }  # fmt: skip
    assert set(found["checks"][0]) == {"name", "status", "detail", "remedy", "seconds"}
    assert "the application speaks" in done.stderr


def test_verbose_data_has_the_settings_without_secrets(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("doctor", "--json", "--verbose", "-c", "secrets", directory=tmp_path, FLUXLIT_SECRET_KEY="x" * 40)
    found = json.loads(done.stdout)
    assert found["verbose"]["settings"]["secret_key"] == "***"
    assert found["verbose"]["pages"] == ["/"]
    assert "x" * 40 not in done.stdout


def test_the_list(path: str, tmp_path: Path) -> None:
    names = [line.split()[0] for line in fluxlit("doctor", "--list", PYTHONPATH=path).stdout.splitlines()]
    assert names[: len(BUILT_IN)] == [check.name for check in BUILT_IN]
    others = {check.name for check in all_checks()} - {check.name for check in BUILT_IN}
    assert names[len(BUILT_IN) :] == sorted({*NAMES, *others} - {"clock"})


def test_the_checks_of_the_login_alone(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("doctor", "--json", "--provider", "--port", "0", directory=tmp_path)
    names = [check["name"] for check in json.loads(done.stdout)["checks"]]
    assert names == [name for name in LOGIN if name in {check.name for check in all_checks()}]


def test_an_unknown_check_is_suggested() -> None:
    says(fluxlit("doctor", "--check", "port-fre"), 2, "there is no check 'port-fre'. Did you mean 'port-free'?")


@pytest.mark.parametrize(
    ("flags", "options", "code"),
    [
        (["--gateway-upstream-read-timeout-s", "1"], [], 0),
        (["--gateway-upstream-read-timeout-s", "1"], ["--strict"], 1),
        (["--streamlit-options", "5"], [], 1),
        (["--streamlit-options", "5"], ["--warnings-only"], 0),
    ],
)
def test_the_exit_code(flags: list[str], options: list[str], code: int, tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("doctor", "-c", "limits,settings-valid", *flags, *options, directory=tmp_path)
    assert done.returncode == code, done.stdout


def test_checks_of_others_run_side_by_side_and_cannot_break_the_rest(path: str, tmp_path: Path) -> None:
    started = time.monotonic()
    done = fluxlit("doctor", "--json", "--timeout", "3", "--port", "0", "-c", ",".join(NAMES),
                   directory=tmp_path, PYTHONPATH=path)  # fmt: skip
    assert time.monotonic() - started < 60  # the thread that hangs does not keep the program
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    # Each of the first two waits for the other, so both ran at the same time.
    assert (found["first"]["status"], found["first"]["detail"]) == ("pass", "/ 0")
    assert (found["second"]["status"], found["second"]["remedy"]) == ("warn", "Do something.")
    assert found["second"]["detail"] == "a password: http://a:***@b"
    assert found["nothing"]["status"] == "skip"
    assert "returned 'maybe'" in found["wrong"]["detail"]
    assert "the check itself failed with SystemExit: 5" in found["breaks"]["detail"]
    assert found["hangs"]["detail"] == "not finished within 3 s."
    assert "the check itself failed with TypeError" in found["lost"]["detail"]
    assert "added 2.5 adds this check, but it cannot be loaded: AttributeError" in found["gone"]["detail"]
    assert found["clock"]["status"] == "pass"
    assert done.returncode == 1


def test_without_an_application_the_machine_is_still_examined(tmp_path: Path) -> None:
    done = fluxlit("doctor", directory=tmp_path)
    assert done.returncode == 1
    assert re.search(r"(?m)^FAIL  target-import .*There is no application in", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
    shown = fluxlit("doctor", "--verbose", directory=tmp_path).stdout
    assert re.search(r"(?m)^PASS  file-descriptors ", shown)
    assert re.search(r"(?m)^SKIP  openapi +not examined: the application cannot be imported\.", shown)


@pytest.mark.parametrize("target", [[], ["."], ["app.py"]], ids=["none", "folder", "file"])
def test_a_script_and_an_api_side_by_side(target: list[str], tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "import streamlit as st\nst.title('x')\n", "wave.py": ""})
    write(tmp_path, {"api.py": "from fastapi import FastAPI\napi = FastAPI()\n"} if target != ["app.py"] else {})
    done = fluxlit("doctor", *target, "--check", "target-import,target-origin,import-shadowing", directory=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{tmp_path.resolve()}/wave hides Python's module wave" in done.stdout


def test_an_import_that_hangs_is_interrupted(patient: Patient) -> None:
    patient.code("\nimport time\nwhile True: time.sleep(0.01)\n")
    subject = Subject(None, patient.flags, patient.machine, patient.folder)
    subject.open(0.3)
    assert "the import took more than 0.3 s" in subject.project.problem


def test_the_limits_of_a_real_process(tmp_path: Path) -> None:
    """A real shell with few descriptors, no home and no temporary folder."""
    write(tmp_path, {"app.py": APP, "site/sitecustomize.py": LIMITS})
    done = fluxlit(
        "doctor", "-c", "file-descriptors,temp-directory,home-directory",
        directory=tmp_path, PYTHONPATH=str(tmp_path / "site"), TMPDIR=str(tmp_path), HOME="/proc/nobody",
    )  # fmt: skip
    assert re.search(r"(?m)^FAIL  file-descriptors +the process may open 128 files at most", done.stdout)
    assert re.search(r"(?m)^WARN  home-directory +/proc/nobody is not writable", done.stdout)
    assert done.stdout.endswith("3 checks: 1 passed, 1 warned, 1 failed\n")


LIMITS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
"""
