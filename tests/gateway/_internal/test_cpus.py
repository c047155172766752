"""How many processors a process may use, as its control group sets it."""

import math
import os
from pathlib import Path

import pytest

from fluxlit._internal.cpus import cgroup_cpus, usable_cpus
from fluxlit.settings import resolve

GROUPS: dict[str, tuple[dict[str, str], str, float]] = {
    "no files": ({}, "0::/\n", math.inf),
    "no quota": ({"cpu.max": "max 100000"}, "0::/\n", math.inf),
    "a quota": ({"cpu.max": "250000 100000"}, "0::/\n", 2.5),
    "a quota of a group above": ({"cpu.max": "max 100000", "pod/cpu.max": "50000 100000"}, "0::/pod/app\n", 0.5),
    "the smallest on the way": ({"pod/cpu.max": "400000 100000", "pod/app/cpu.max": "1 1"}, "0::/pod/app\n", 1),
    "another group's": ({"other/cpu.max": "100000 100000"}, "0::/pod\n", math.inf),
    "version 1": ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/x\n", 3),
    "version 1 without": ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "", math.inf),
}


@pytest.mark.parametrize(("files", "own", "expected"), GROUPS.values(), ids=GROUPS)
def test_a_quota_is_read_from_the_groups(tmp_path: Path, files: dict[str, str], own: str, expected: float) -> None:
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert cgroup_cpus(tmp_path / "fs", tmp_path / "own") == expected


def test_never_less_than_one_and_never_more_than_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxlit._internal.cpus.cgroup_cpus", lambda: 0.2)
    assert usable_cpus() == 1
    monkeypatch.setattr("fluxlit._internal.cpus.cgroup_cpus", lambda: math.inf)
    assert usable_cpus() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("word", ["auto", "AUTO"])
def test_auto_starts_a_worker_for_each_processor(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxlit.settings.model.usable_cpus", lambda: 7)
    (tmp_path / "fluxlit.toml").write_text(f'streamlit_workers = "{word}"\n')
    by_variable = {"FLUXLIT_STREAMLIT_WORKERS": word}
    assert resolve(environ={}, directory=tmp_path).settings.streamlit_workers == 7
    assert resolve(environ=by_variable, directory=tmp_path).settings.streamlit_workers == 7
    assert resolve(flags={"streamlit_workers": word}, environ={}).settings.streamlit_workers == 7
    assert resolve(arguments={"streamlit_workers": word}, environ={}).settings.streamlit_workers == 7
