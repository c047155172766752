"""A chat that streams server-sent events from the API to the page."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field

import scripted_model
from fluxlit import ApiClient, FluxLit

app = FluxLit(title="Tea chat")

SUGGESTIONS = ("How long must tea steep?", "Which tea has the most caffeine?", "Which tea goes with milk?")


class Question(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=2000)]


@app.api.post("/chat", response_class=EventSourceResponse)
async def chat(question: Question) -> AsyncIterator[str]:
    """Send each piece as one event, to the page and to other programs."""
    async for piece in scripted_model.complete(question.text):
        yield piece


def pieces(client: ApiClient, question: str) -> Iterator[str]:
    with client.stream("POST", "/chat", json={"text": question}) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


@app.page("/", title="Tea chat", icon=":material/forum:")
def chat_page(st: Any, client: ApiClient) -> None:
    st.title("Tea chat")
    st.caption("A scripted model answers, word by word. No language model is called.")

    # FluxLit keeps st.session_state in the session store: the conversation survives a reload and a restart.
    messages = st.session_state.setdefault("messages", [])
    for message in messages:
        st.chat_message(message["role"]).markdown(message["content"])

    question = st.chat_input("Ask about tea")
    if not messages and not question:
        question = st.pills("Suggestions", SUGGESTIONS, label_visibility="collapsed")
    if question:
        st.chat_message("user").markdown(question)
        answer = st.chat_message("assistant").write_stream(pieces(client, question))
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        st.rerun()  # without the suggestions
