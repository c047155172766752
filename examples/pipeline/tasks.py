"""What the background worker does; it knows nothing of the web."""

import csv
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from huey import SqliteHuey

FOLDER = Path(os.environ.get("PIPELINE_FOLDER", "work"))
FOLDER.mkdir(exist_ok=True)
STEP = 500
PAUSE_S = 0.1  # only here, so that there is a progress to watch

huey = SqliteHuey(filename=str(FOLDER / "queue.db"))


@huey.task(context=True)
def summarise(path: str, task: Any = None) -> dict[str, Any]:
    """Add up the amounts of a CSV file by category.

    Rows without a number are counted and left out.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"category", "amount"} <= rows[0].keys():
        return {"error": "The file needs the columns category and amount, and at least one row."}
    totals: defaultdict[str, float] = defaultdict(float)
    rejected = 0
    for number, row in enumerate(rows):
        if number % STEP == 0:
            huey.put(f"progress-{task.id}", number / len(rows))
            time.sleep(PAUSE_S)
        try:
            totals[row["category"]] += float(row["amount"])
        except ValueError:
            rejected += 1
    return {"rows": len(rows), "rejected": rejected, "totals": dict(totals)}
