"""Files, a background worker that processes them, and its progress."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, UploadFile, status
from huey.exceptions import TaskException
from pydantic import BaseModel

import tasks
from fluxlit import ApiClient, FluxLit


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    """Run the worker as long as the API runs.

    To give it a machine of its own, start the same command there.
    """
    options = ["--max-delay=0.2", "--no-periodic", "--quiet"]
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "tasks.huey", *options]
    worker = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    yield
    worker.send_signal(signal.SIGINT)  # it finishes the file that it is at
    await worker.wait()


app = FluxLit(title="File pipeline", fastapi_kwargs={"lifespan": lifespan})


class Job(BaseModel):
    id: str
    name: str
    progress: float = 0
    rows: int = 0
    rejected: int = 0
    totals: dict[str, float] | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.totals is not None or bool(self.error)


names: dict[str, str] = {}  # of the jobs, by id; a real application has a table


@app.api.post("/jobs", status_code=status.HTTP_202_ACCEPTED)
def add_job(file: UploadFile) -> Job:
    """Keep the file, put a task into the queue, and return at once."""
    path = tasks.FOLDER / f"{len(names)}-{random.randbytes(4).hex()}.csv"  # noqa: S311
    path.write_bytes(file.file.read())
    task = tasks.summarise(str(path))
    names[task.id] = file.filename or "unnamed"
    return job(task.id)


@app.api.get("/jobs")
def jobs() -> list[Job]:
    return [job(number) for number in reversed(names)]


def job(number: str) -> Job:
    found = Job(id=number, name=names[number], progress=tasks.huey.get(f"progress-{number}", peek=True) or 0)
    try:
        result = tasks.huey.result(number, preserve=True)
    except TaskException:
        result = {"error": "The worker failed; its log has the reason."}
    return found.model_copy(update=result) if result else found


# --- the page: http://127.0.0.1:8000 ---------------------------------------------------------------------------


@app.page("/", title="Files", icon=":material/conveyor_belt:")
def files(st: Any, client: ApiClient) -> None:
    st.title("File pipeline")
    st.caption("A background worker adds up the amounts of each CSV file by category.")
    with st.form("upload", clear_on_submit=True):
        chosen = st.file_uploader("CSV files with the columns category and amount", "csv", accept_multiple_files=True)
        if st.form_submit_button("Process", type="primary"):
            for file in chosen:
                client.post("/jobs", files={"file": (file.name, file.getvalue())}).raise_for_status()
    if st.button("Process a sample of 20,000 rows", icon=":material/casino:"):
        client.post("/jobs", files={"file": ("sample.csv", sample())}).raise_for_status()

    running = any(not job.ended for job in client.get_model("/jobs", list[Job]))

    def board() -> None:
        current = client.get_model("/jobs", list[Job])
        for job in current:
            show(st, job)
        if running and all(job.ended for job in current):
            st.rerun()  # without the timer

    st.fragment(board, run_every=0.4 if running else None)()


def show(st: Any, job: Job) -> None:
    with st.container(border=True):
        if job.error:
            st.error(f"**{job.name}**: {job.error}", icon=":material/error:")
        elif job.totals is None:
            st.progress(job.progress, f"**{job.name}**, {job.progress:.0%}")
        else:
            st.markdown(f"**{job.name}**: {job.rows:,} rows, {job.rejected} left out")
            st.bar_chart(
                {"Category": list(job.totals), "Amount": list(job.totals.values())},
                x="Category",
                y="Amount",
                horizontal=True,
                height=160,
            )


def sample() -> bytes:
    chance = random.Random(7)  # noqa: S311 - for looks, not for secrets
    categories = ("Rent", "Tea", "Travel", "Tools")
    rows = [f"{chance.choice(categories)},{chance.gammavariate(2, 40):.2f}" for _ in range(20_000)]
    rows[::2500] = ["Tea,unknown"] * len(rows[::2500])
    return "\n".join(["category,amount", *rows]).encode()
