"""Input that cannot be built: one message, exit code 1, no traceback, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import fluxlit

APP = 'from fluxlit import FluxLit\n\napp = FluxLit(title="Portal")\n'
TABLE = "[build.kubernetes]\n"
EDGE = "[build.edge]\n"


@pytest.mark.parametrize(
    ("toml", "options", "message"),
    [
        (f"{TABLE}grace_period_s = 12\n", ["--kubernetes"], "grace_period_s = 12 is too short"),
        (f"{TABLE}grace_period_s = 12\n", ["--helm"], "grace_period_s = 12 is too short"),
        ('root_path = "/p"\n', ["--kubernetes", "--path-mode", "root"], 'root_path is "/p"'),
        ("", ["--kubernetes", "--path-mode", "strip"], "root_path is empty"),
        ("", ["--edge", "caddy", "--path-mode", "full"], "root_path is empty"),
        ('root_path = "/p"\n', ["--edge", "nginx", "--path-mode", "root"], 'root_path is "/p"'),
        (f'{EDGE}upstreams = "a:1"\n', ["--edge", "haproxy"], "upstreams must be a list of addresses"),
        ("[build]\nkubernetes = 5\n", ["--kubernetes"], "kubernetes must be a table of its own"),
        ("uvicorn_graceful_shutdown_timeout_s = 400\n", ["--platform", "fly"], "fly kills after 300 s"),
    ],
)
def test_nothing_is_written(toml: str, options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "fluxlit.toml").write_text(toml)

    done = fluxlit("build", *options, "--output", "out", directory=tmp_path)

    assert done.returncode == 1, done.stdout
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_edited_stops_all(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    edited = tmp_path / "kubernetes" / "base" / "service.yaml"
    edited.parent.mkdir(parents=True)
    edited.write_text("# mine\n")

    done = fluxlit("build", "--kubernetes", directory=tmp_path)

    assert done.returncode == 1
    assert "kubernetes/base/service.yaml is there already and would change. Nothing was written" in done.stderr
    assert edited.read_text() == "# mine\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".pyc" and path.name != "__pycache__") == [
        "app.py",
        "kubernetes",
    ]
