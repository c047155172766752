"""`ComposeTable`: what ``[build.compose]`` of the project file decides."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.kubernetes.image import parse_image

TABLE = "[build.compose]"


@dataclass(frozen=True)
class ComposeTable:
    """What a person decides about a set of containers on one machine.

    Attributes:
        image: the application's image; empty to build it from the Dockerfile.
        port: port of the machine on which the edge is found; 0 for 8080, or 8443 with TLS.
        subnet: IPv4 network of the edge and the application, which no other network of the machine may overlap.
    """

    image: str = ""
    port: int = 0
    subnet: str = "172.30.85.0/24"


def compose_table(values: Mapping[str, Any]) -> ComposeTable:
    """Read the table.

    Args:
        values: its keys and values, unchecked.

    Raises:
        DeployError: something in it is wrong; all of it is named.
    """
    if found := [complaint for key, value in values.items() if (complaint := _complaint(key, value))]:
        raise DeployError("\n".join(f"{TABLE} of the project file: {complaint}" for complaint in found))
    return ComposeTable(**values)


def _complaint(key: str, value: object) -> str | None:
    names = [field.name for field in fields(ComposeTable)]
    if key not in names:
        close = difflib.get_close_matches(key, names, n=1)
        return f"unknown key {key}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}.")
    if key == "port":
        fine = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535
        return None if fine else f"port must be a port from 1 to 65535, not {value!r}."
    if not isinstance(value, str):
        return f"{key} must be a string, not {value!r}."
    return _subnet(value) if key == "subnet" else _image(value)


def _subnet(value: str) -> str | None:
    try:
        room = ipaddress.IPv4Network(value).num_addresses
    except ValueError:
        room = 0
    # The gateway's address, the network's own two, the edge and two replicas.
    return (
        None if room >= 8 else f'subnet is "{value}", which is no IPv4 network of /29 or larger, as 172.30.85.0/24 is.'
    )


def _image(value: str) -> str | None:
    try:
        parse_image(value)
    except DeployError as error:
        return str(error)
    return None
