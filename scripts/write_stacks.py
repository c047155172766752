"""Write the edges of docker/proxy-deployment/.

They are the templates of `fluxlit build --edge` with variables as values.
"""

from __future__ import annotations

from pathlib import Path

from fluxlit_deploy.edges.configuration import configuration
from fluxlit_deploy.edges.plan import EdgePlan
from fluxlit_deploy.options import Edge, PathMode

FOLDER = Path(__file__).resolve().parent.parent / "docker" / "proxy-deployment"


def _stack(
    engine: Edge, mode: PathMode, pattern: str, *, tls: bool = False, defaults: bool = False, example: str = "/myapp"
) -> EdgePlan:
    """A plan with variables as values, written by a pattern like ``${NAME}``."""
    values = {"UPSTREAM": "app:8000", "EDGE_HOST": "0.0.0.0", "EDGE_PORT": "8084", "PUBLIC_PREFIX": "/myapp"}  # noqa: S104
    name = {key: pattern.format(f"{key}:{value}" if defaults else key) for key, value in values.items()}
    return EdgePlan(
        engine=engine,
        mode=mode,
        upstreams=(name["UPSTREAM"],),
        address=name["EDGE_HOST"],
        port=name["EDGE_PORT"],
        prefix="" if mode == "root" else name["PUBLIC_PREFIX"],
        prefix_example=example,
        tls=tls,
        from_environment=True,
    )


def stack_files() -> dict[str, str]:
    """Return every edge file of the folder by its path in it."""
    shell, caddy = "${{{}}}", "{{${}}}"
    sites = {
        "strip-prefix": _stack("nginx", "strip", shell),
        "full-path": _stack("nginx", "full", shell),
        "root": _stack("nginx", "root", shell),
        "https": _stack("nginx", "strip", shell, tls=True),
    }
    texts = {name: _texts(plan) for name, plan in sites.items()}
    traefik = _stack("traefik", "strip", "{{{{ ${} }}}}")
    return {
        "nginx/fluxlit.conf": texts["root"]["fluxlit.conf"],
        **{f"nginx/{name}.conf.template": files["site.conf"] for name, files in texts.items()},
        "caddy/Caddyfile": _texts(_stack("caddy", "strip", caddy, defaults=True))["Caddyfile"],
        # Traefik's template language names one of them and asks the environment for the other.
        "traefik/dynamic.yml": _texts(traefik)["dynamic.yml"]
        .replace("{{ $PUBLIC_PREFIX }}", "{{ $prefix }}")
        .replace("{{ $UPSTREAM }}", '{{ env "UPSTREAM" }}'),
        "haproxy/haproxy.cfg": _texts(_stack("haproxy", "strip", shell))["haproxy.cfg"],
    }


def _texts(plan: EdgePlan) -> dict[str, str]:
    return {str(file.path): file.text for file in configuration(plan)}


if __name__ == "__main__":
    for path, text in stack_files().items():
        (FOLDER / path).write_text(text, encoding="utf-8")
