"""The application of `fluxlit demo`: one page for each thing worth a look."""

import asyncio
import inspect
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field

from fluxlit import ApiClient, FluxLit, Pages, PublicUrls, Settings

app = FluxLit(title="FluxLit demo", fastapi_kwargs={"version": "1.0.0"})


def show_code(st: Any, *functions: Callable[..., Any]) -> None:
    """Show what the visitor would write."""
    with st.expander("The code of this page", icon=":material/code:"):
        st.code("\n\n".join(inspect.getsource(function) for function in functions))


@app.page("/", title="Welcome", icon=":material/waving_hand:")
def welcome(st: Any, pages: Pages, urls: PublicUrls) -> None:
    """Show the way to the other pages."""
    st.title("Hello from FluxLit")
    st.write("This is a FastAPI application and a Streamlit application on one port, started by one command.")
    for path, text in (
        ("/client", "A page calls the API, without an address or a token to configure."),
        ("/state", "A visit survives a reload, and the end of the process that served it."),
        ("/stream", "The API streams, and the page shows each value as it arrives."),
    ):
        with st.container(border=True):
            st.page_link(pages[path])
            st.caption(text)
    st.link_button("The API's documentation", urls.docs or urls.api, icon=":material/api:")
    st.write("To begin an application of your own:")
    st.code("fluxlit new portal\ncd portal\nfluxlit dev", language="bash")


class Guest(BaseModel):
    """An entry of the guest book."""

    name: Annotated[str, Field(min_length=2, max_length=40)]
    likes: str


guests = [Guest(name="Ada", likes="Numbers"), Guest(name="Grace", likes="Compilers")]


@app.api.get("/guests")
def list_guests() -> list[Guest]:
    """List all guests."""
    return guests


@app.api.post("/guests", status_code=201)
def add_guest(guest: Guest) -> Guest:
    """Add a guest; a name too short is refused."""
    guests.append(guest)
    return guest


@app.page("/client", title="API client", icon=":material/sync_alt:")
def client_page(st: Any, client: ApiClient) -> None:
    """Read and write by the API."""
    st.title("A page calls the API")
    with st.form("guest", clear_on_submit=True):
        name = st.text_input("Name")
        likes = st.selectbox("Likes", ["Numbers", "Compilers", "Tea"])
        if st.form_submit_button("Sign the guest book", type="primary"):
            response = client.post("/guests", json={"name": name, "likes": likes})
            if response.is_error:
                st.error(response.json()["detail"][0]["msg"])
    st.dataframe(client.get("/guests").json(), column_config={"name": "Name", "likes": "Likes"})
    show_code(st, list_guests, add_guest, client_page)


@app.page("/state", title="State that survives", icon=":material/restart_alt:")
def state_page(st: Any, settings: Settings) -> None:
    """Keep a visit's values while its process ends."""
    st.title("State that survives")
    if not settings.session_store:
        st.warning("This needs a session store: pip install fluxlit-sessions.")
    st.write("Change something. Then reload the page, or end the process that runs it: another one continues.")
    st.slider("Cups of tea", 0, 10, 3, key="cups")
    st.text_input("A note", key="note")
    st.metric("Served by process", f"{os.getpid()}", border=True)
    again, end, _ = st.columns(3)
    again.button("Run the page again", icon=":material/refresh:")
    if end.button("End this process", icon=":material/power_settings_new:"):
        os.kill(os.getpid(), signal.SIGTERM)
    show_code(st, state_page)


@app.api.get("/pulse", response_class=EventSourceResponse)
async def pulse(beats: Annotated[int, Field(ge=1, le=200)] = 60) -> AsyncIterator[int]:
    """Send a number every 50 ms, as server-sent events."""
    for beat in range(beats):
        await asyncio.sleep(0.05)
        yield round(50 + 40 * (1 - abs(beat % 20 - 10) / 5) ** 3)


def beats(client: ApiClient) -> Iterator[int]:
    """Yield each number as it arrives."""
    with client.stream("GET", "/pulse") as response:
        for line in response.iter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


@app.page("/stream", title="Stream", icon=":material/ecg_heart:")
def stream_page(st: Any, client: ApiClient) -> None:
    """Draw what the API streams."""
    st.title("A stream of the API")
    chart, last = st.empty(), st.empty()
    seen: list[int] = []
    if st.button("Listen for three seconds", type="primary"):
        for beat in beats(client):
            seen.append(beat)
            chart.area_chart(seen, height=240)
            last.metric("Last value", beat)
        st.success(f"{len(seen)} events arrived one by one.")
    show_code(st, pulse, beats, stream_page)
