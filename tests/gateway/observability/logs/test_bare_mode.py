"""What a module does with Streamlit while it is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environ

HEAD = "import streamlit as st\nfrom fluxlit import FluxLit\napp = FluxLit()\n"
SCRIPT = "import streamlit as st\nst.write('x')\n"
FILES = {
    "script": ({"app.py": HEAD + "st.title('x')\nst.write('y')\n"}, "app.py:4"),
    "state": ({"app.py": HEAD + "st.session_state.setdefault('x', 1)\n"}, "app.py:4"),
    "helper": ({"app.py": HEAD + "import extra\n", "extra.py": SCRIPT}, "extra.py:2"),
    "folder of scripts": ({"app.py": HEAD + "app.discover_pages('pages')\n", "pages/one.py": SCRIPT}, "pages/one.py:2"),
    "cache": ({"app.py": HEAD + "@st.cache_data\ndef total():\n    return 3\n\nTOTAL = total()\n"}, ""),
    "pages": ({"app.py": HEAD + "@app.page('/')\ndef home():\n    st.write('x')\n"}, ""),
}
PROGRAM = """
import json, logging
from fluxlit.pages.adoption import load_any
warnings = [load_any(None).warning]
logging.getLogger("streamlit.elsewhere").warning("written")
print(json.dumps(warnings))
"""


@pytest.mark.parametrize("name", FILES)
def test_what_an_import_draws_is_named_once(name: str, tmp_path: Path) -> None:
    files, place = FILES[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (warning,) = json.loads(done.stdout)
    assert warning.partition(" calls Streamlit outside of a page")[0] == (f"{tmp_path / place}" if place else "")
    assert [line for line in done.stderr.splitlines() if "written" not in line] == []
