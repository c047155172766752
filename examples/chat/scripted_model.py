"""A scripted model: it picks a prepared text by a keyword.

There is no language model behind it.

Replace `complete` by the streaming call of your provider's client; nothing else changes.
"""

import asyncio
from collections.abc import AsyncIterator

ANSWERS = {
    "steep": "Black tea takes **three to five minutes** with water just off the boil. Green tea takes **two minutes** "
    "at 70 to 80 °C; hotter water makes it bitter.",
    "caffeine": "From most to least:\n\n1. Matcha\n2. Assam and other black teas\n3. Sencha\n4. Rooibos: none",
    "milk": "Assam and other strong black teas go well with milk. Darjeeling and green teas are better without.",
}
OTHERWISE = (
    "I am a scripted model and know three things: how long tea has to *steep*, which teas have *caffeine*, and which "
    "ones go with *milk*."
)
PAUSE_S = 0.03


async def complete(question: str) -> AsyncIterator[str]:
    """Yield the text in pieces, as a language model would send it."""
    answer = next((text for word, text in ANSWERS.items() if word in question.casefold()), OTHERWISE)
    for word in answer.split(" "):
        await asyncio.sleep(PAUSE_S)
        yield f"{word} "
