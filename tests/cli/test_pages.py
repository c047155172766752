"""`fluxlit pages`: the list for people and tools, and its validation."""

import json
from pathlib import Path

from tests.cli.command import fluxlit, says, write

APP = """
from fluxlit import FluxLit
print("the module speaks")
app = FluxLit(title="Portal")

@app.page("/", title="Home")
def home(st): ...

@app.page("/hidden", title="Secret", hidden=True)
def secret(st): ...
"""


def test_the_list_is_in_the_order_of_the_navigation(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("pages", "list", directory=tmp_path)
    assert done.stdout.splitlines() == ["/        Home    app:home  (landing)", "/hidden  Secret  app:secret  (hidden)"]
    assert done.stderr == "the module speaks\n"


def test_the_manifest_is_json_and_always_the_same(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("pages", "manifest", directory=tmp_path)
    assert json.loads(done.stdout)["title"] == "Portal"
    assert [page["path"] for page in json.loads(done.stdout)["pages"]] == ["/", "/hidden"]
    assert fluxlit("pages", "manifest", "app:app", directory=tmp_path).stdout == done.stdout


def test_what_is_right_passes_and_what_is_not_fails(tmp_path: Path) -> None:
    write(tmp_path, APP)
    assert fluxlit("pages", "validate", directory=tmp_path).stdout == "2 pages checked, no problems found\n"
    write(tmp_path, {"app.py": APP + '\n@app.page("/again", title="Home")\ndef again(st): ...\n'})
    done = fluxlit("pages", "validate", directory=tmp_path)
    assert (done.returncode, "several pages have the title 'Home'" in done.stderr) == (0, True)
    assert fluxlit("pages", "validate", "--strict", directory=tmp_path).returncode == 1
    write(tmp_path, {"app.py": APP + '\n@app.page("/a", script="a.py")\n', "a.py": "def ("})
    write(tmp_path, {"app.py": APP + '\napp.page("/a", script="a.py")\n'})
    done = fluxlit("pages", "validate", directory=tmp_path)
    assert (done.returncode, "a.py:1 cannot be run" in done.stderr) == (1, True)


def test_errors_are_one_message(tmp_path: Path) -> None:
    says(fluxlit("pages", "list", directory=tmp_path), 1, "There is no application in")
