"""A Dockerfile is parsed into instructions with their lines."""

from __future__ import annotations

from fluxlit_deploy.dockerfile import read_dockerfile


def test_continuations_comments_and_heredocs_are_understood() -> None:
    text = 'FROM a AS b\nRUN one \\\n# why\n  && two\n\nRUN <<END\nCMD three\nEND\nFROM b\nCMD ["x"]\n'

    found = [(each.word, each.bare, each.line) for each in read_dockerfile(text).instructions]

    assert found == [
        ("FROM", "a AS b", 1),
        ("RUN", "one && two", 2),
        ("RUN", "<<END", 6),
        ("FROM", "b", 9),
        ("CMD", '["x"]', 10),
    ]


def test_the_last_stage_counts() -> None:
    found = read_dockerfile('FROM a AS b\nENV A=1\nUSER root\nFROM b\nENV B="two words" C=3\nUSER 10001\n')

    assert found.environment() == {"B": "two words", "C": "3"}
    last = found.last("USER")
    assert last is not None
    assert (last.bare, last.line) == ("10001", 6)
    assert found.last("CMD") is None
