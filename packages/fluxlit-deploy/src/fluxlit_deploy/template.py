"""Templates: text files below ``templates/``, rendered by Jinja.

The delimiters are those of ERB, because Jinja's own mean something in Helm charts, in Traefik's configuration and in
Compose files, and a template should look like the file that it becomes::

    <% if project.root_path %>        a statement; a line that holds nothing else leaves no trace
    <%= project.port %>               a value
    <%# why #%>                       a comment

A name that is not defined is an error, never an empty text.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from fluxlit_deploy.file import File


def render(template: str, **values: object) -> str:
    """Render one template.

    Args:
        template: its path below ``templates/``, such as ``docker/Dockerfile``.
        **values: what it may use. Values reach the text as they are; ``| json`` writes one as a quoted
            string, list or object that JSON, YAML, TOML and a Dockerfile's exec form all read alike; ``| quoted``
            quotes a string for a Dockerfile's ENV and LABEL.
    """
    return _environment().get_template(template).render(**values)


def render_file(path: str, template: str, *, mode: int = 0o644, **values: object) -> File:
    """Render one template as the file at a path below the output directory."""
    return File(PurePosixPath(path), render(template, **values), mode)


def template_text(template: str) -> str:
    """Read a template as it is."""
    return resources.files("fluxlit_deploy").joinpath("templates", *template.split("/")).read_text("utf-8")


class _Packaged(BaseLoader):
    """Loader of the templates in the package; it does not import setuptools."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
        try:
            return template_text(template), None, None
        except FileNotFoundError:
            raise TemplateNotFound(template) from None


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701  # none of these texts is HTML
        loader=_Packaged(),
        undefined=StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<%=",
        variable_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="#%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    environment.filters["quoted"] = _quoted
    return environment


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quoted(value: object) -> str:
    """Quote a string for ENV and LABEL, where ``$`` names a variable."""
    return _json(str(value)).replace("$", "\\$")
