"""The runner of the documents notices what is wrong in them."""

from pathlib import Path

import pytest

from tests.docs.runner import DocumentError, follow


def document(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_blocks_share_a_folder(tmp_path: Path) -> None:
    page = document(
        tmp_path,
        """
```python title="greet.py"
NAME = "Ada"
```

```python
import greet
assert greet.NAME == "Ada"
```

```console
$ python -c "import greet; print('Hello', greet.NAME); print('bye')"
Hello ...
bye
$ ls
greet.py
```

```toml title="deep/fluxlit.toml"
gateway_port = 8000
```
""",
    )
    follow(page, tmp_path / "reader")
    assert (tmp_path / "reader" / "deep" / "fluxlit.toml").exists()


def test_a_server_runs_until_the_end(tmp_path: Path) -> None:
    page = document(
        tmp_path,
        """
```console server="yes"
$ python -m http.server 8000 --bind 127.0.0.1
Serving HTTP on 127.0.0.1 port 8000
```

```console
$ python -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/').status)"
200
```
""",
    )
    follow(page, tmp_path / "reader")


def test_a_reader_tries_again(tmp_path: Path) -> None:
    page = document(tmp_path, '```console retry="yes"\n$ echo x >> tries; wc -l < tries\n3\n```\n')
    follow(page, tmp_path / "reader")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```python\nraise SystemExit(3)\n```", "exit code 3"),
        ("```python\nimport warnings; warnings.warn('old')\n```", "UserWarning: old"),
        ('```python title="x.py"\n1 +\n```', "invalid syntax"),
        ("```toml\n= 1\n```", "Invalid"),
        ("```json\n{,}\n```", "Expecting"),
        ("```console\n$ false\n```", "exit code 1"),
        ("```console\n$ echo one\ntwo\n```", "expected\ntwo"),
        ("```console\necho one\n```", "starts with"),
        ('```console server="yes"\n$ python -c "exit(4)"\nnever\n```', "ended with 4"),
        ("```cobol\nSTOP RUN.\n```", "cobol"),
        ("```\nnothing said\n```", "nothing is known"),
        ('```console elsewhere="tests/nowhere.py"\n$ false\n```', "does not exist"),
    ],
)
def test_a_wrong_block_fails_with_its_line(block: str, message: str, tmp_path: Path) -> None:
    page = document(tmp_path, f"# Title\n\n{block}\n")
    with pytest.raises(DocumentError, match=r"page\.md:3: ") as caught:
        follow(page, tmp_path / "reader")
    assert message in str(caught.value)


def test_an_indented_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="fence this block"):
        follow(document(tmp_path, "text\n\n    code\n"), tmp_path / "reader")
