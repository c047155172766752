"""A counter that survives roll-outs: its session is in a shared store."""

from typing import Any

from fluxlit import FluxLit

app = FluxLit(title="Portal")


@app.api.get("/ping")
def ping() -> str:
    return "pong"


@app.page("/", title="Home")
def home(st: Any, session: Any) -> None:
    st.title("Portal")
    if st.button("Click"):
        session.change("clicks", lambda clicks: clicks + 1, default=0)
    st.text(f"Clicks: {session.get('clicks', 0)}")
