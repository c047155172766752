"""Write the diagrams of docs/explanation/login-flow.md from its tables."""

import re
import sys
from pathlib import Path

from fluxlit_auth.login.flow import FLOW, LIFE, diagram

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "login-flow.md"
BLOCK = re.compile(r"(```mermaid [^\n]*elsewhere=\"[^\"]*\" name=\"(flow|life)\"\n).*?(```)", re.DOTALL)


def renewed(text: str) -> str:
    """Return the page with its diagrams as the tables are now."""
    tables = {"flow": FLOW, "life": LIFE}
    return BLOCK.sub(lambda found: found[1] + diagram(tables[found[2]]) + found[3], text)


def main() -> int:
    """Write the page."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
