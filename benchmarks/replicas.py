"""Two replicas behind nginx without affinity, one Redis, and 50 people.

The people click while replicas, workers, Redis and deployments cause trouble.

Prints how many clicks were lost and how many counted twice, both of which must be 0, and ends with 1 if they are not.
``--only`` names scenarios; ``--outage 30`` is how long Redis is away in those that stop it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from harness import Bar, Program, answers, fluxlit_run, free_port, report, running, stop, table, tool, until, workspace
from people import PAGE, Person
from servers import Redis, Sentinels
from watcher import AWAY, SAVED, Watcher, told

NGINX = """
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""
NAMES = ("one", "two")


@dataclass
class Replicas:
    """The replicas and what is in front of them.

    Attributes:
        folder: of the application.
        store: URL of the session store.
        ports: of the replicas, which keep them when they are started again.
        running: name -> program.
        url: the balancer's.
    """

    folder: Path
    store: str
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})
    running: dict[str, Program] = field(default_factory=dict)
    url: str = ""
    _life: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self, name: str) -> None:
        """Start a replica and wait until it is ready."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        (place / "app.py").write_text(PAGE)
        environment = {"session_store": self.store}
        os.environ["REPLICA"] = name  # handed down
        program = self._life.enter_context(fluxlit_run(place, self.ports[name], **environment))
        until(program, partial(answers, f"http://127.0.0.1:{self.ports[name]}/api/readyz"))
        self.running[name] = program

    def balance(self) -> None:
        """Put nginx in front of them."""
        port = free_port()
        servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in self.ports.values())
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(root=self.folder, servers=servers, port=port))
        command = [tool("nginx", "apt-get install nginx-light"), "-p", str(self.folder), "-c", str(config)]
        program = self._life.enter_context(running("nginx", command, self.folder))
        self.url = f"http://127.0.0.1:{port}"
        until(program, partial(answers, f"{self.url}/api/healthz"))

    def kill_workers(self) -> None:
        """SIGKILL for every Streamlit process."""
        for program in self.running.values():
            for process in psutil.Process(program.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "fluxlit.worker" in process.cmdline():
                        process.kill()

    def ready(self) -> None:
        """Wait until all that run are ready."""
        for name, program in self.running.items():
            until(program, partial(answers, f"http://127.0.0.1:{self.ports[name]}/api/readyz"))

    def close(self) -> None:
        """End everything."""
        self._life.close()


@contextlib.contextmanager
def replicas(folder: Path, store: str) -> Iterator[Replicas]:
    """Two replicas behind nginx."""
    both = Replicas(folder, store)
    try:
        for name in NAMES:
            both.start(name)
        both.balance()
        yield both
    finally:
        both.close()


@dataclass
class Scene:
    """What trouble is made with.

    Attributes:
        replicas: the replicas.
        store: Redis: one server, or a pair with Sentinels.
        outage: seconds that a stopped store is away.
        people: who clicks.
        watcher: who does so in a browser.
    """

    replicas: Replicas
    store: Redis | Sentinels
    outage: float
    people: list[Person]
    watcher: Watcher


async def kill_replica(scene: Scene) -> None:
    """SIGKILL for the replica that most people are on; it does not come back."""
    last = [person.replica for person in scene.people]
    victim = scene.replicas.running.pop(max(NAMES, key=last.count))
    victim.process.kill()


async def kill_workers(scene: Scene) -> None:
    """SIGKILL for all Streamlit processes, three times."""
    for _ in range(3):
        scene.replicas.kill_workers()
        await asyncio.to_thread(scene.replicas.ready)
        await asyncio.sleep(2)


async def roll(scene: Scene) -> None:
    """Replace one replica after the other: SIGTERM, and another in its place."""
    for name in NAMES:
        await asyncio.to_thread(stop, scene.replicas.running.pop(name))
        await asyncio.to_thread(scene.replicas.start, name)
        await asyncio.sleep(2)


async def stop_store(scene: Scene) -> None:
    """Redis is down for some time; its disk has what it has acknowledged."""
    await asyncio.to_thread(scene.store.stop)
    await asyncio.sleep(scene.outage)
    await asyncio.to_thread(scene.store.start)


async def fail_over(scene: Scene) -> None:
    """The primary dies, its replica is promoted, and the primary returns."""
    assert isinstance(scene.store, Sentinels)
    await asyncio.to_thread(scene.store.fail_over)


SCENARIOS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "replica": kill_replica,
    "workers": kill_workers,
    "rolling": roll,
    "outage": stop_store,
    "failover": fail_over,
}
OUTAGES = ("outage", "failover")


async def play(scene: Scene, name: str, seconds: float) -> tuple[list[str], list[str]]:
    """Let people click, make trouble, then kill all workers and check counts."""
    stopping = asyncio.Event()
    scene.watcher.start()
    try:
        clicking = [asyncio.create_task(person.click_until(stopping)) for person in scene.people]
        await every(scene, 2)
        begun = time.monotonic()
        await SCENARIOS[name](scene)
        trouble = time.monotonic() - begun
        await asyncio.sleep(seconds)
        await every(scene, min(seen(scene)) + 2)
        stopping.set()
        await asyncio.gather(*clicking)
    finally:
        await asyncio.to_thread(scene.watcher.stop)
    if name in OUTAGES:
        await asyncio.to_thread(scene.store.wait)
        await asyncio.sleep(2)
    scene.replicas.kill_workers()
    await asyncio.to_thread(scene.replicas.ready)
    await asyncio.gather(*(person.look_again() for person in scene.people))
    return row(name, scene.people, trouble), browser_row(name, scene.watcher, begun)


def seen(scene: Scene) -> list[int]:
    """The clicks that each has seen counted."""
    return [person.counts[1].seen for person in scene.people] + [scene.watcher.counts[1].seen]


async def every(scene: Scene, clicks: int) -> None:
    """Wait until every person has seen so many clicks counted."""
    async with asyncio.timeout(180):
        while min(seen(scene)) < clicks:
            if scene.watcher.problem:
                raise RuntimeError(f"Chromium: {scene.watcher.problem}")
            await asyncio.sleep(0.05)


def row(name: str, people: list[Person], trouble: float) -> list[str]:
    """What one scenario has come to."""
    told = sum(any(SAVED in toast for toast in person.toasts) for person in people)
    return [
        name,
        f"{trouble:.0f}",
        str(len(people)),
        str(sum(person.clicks for person in people)),
        str(sum(person.connections for person in people) - len(people)),
        f"{max(person.longest for person in people):.1f}",
        str(told),
        str(sum(count.lost for person in people for count in person.counts)),
        str(sum(count.duplicated for person in people for count in person.counts)),
        str(sum(person.strange for person in people)),
    ]


def browser_row(name: str, watcher: Watcher, begun: float) -> list[str]:
    """The same for the browser."""
    lost = sum(count.lost for count in watcher.counts)
    duplicated = sum(count.duplicated for count in watcher.counts)
    says = (told(watcher, text, begun) if name in OUTAGES else "" for text in (AWAY, SAVED))
    return [name, str(watcher.clicks), *says, str(lost), str(duplicated)]


def measure(folder: Path, name: str, people: int, seconds: float, outage: float) -> tuple[list[str], list[str]]:
    """Set one scenario up, play it, and clear it away."""
    store: Redis | Sentinels = Sentinels(folder) if name == "failover" else Redis(folder)
    with store, replicas(folder, store.url) as both:
        crowd = [Person(lambda: both.url) for _ in range(people)]
        return asyncio.run(play(Scene(both, store, outage, crowd, Watcher(both.url)), name, seconds))


def main() -> None:
    """Play the scenarios and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15, help="how long people go on after the trouble")
    parser.add_argument("--outage", type=float, default=30, help="how long Redis is away, in seconds")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="ten people and two seconds, to see that it runs")
    asked = parser.parse_args()
    people, seconds, outage = (10, 2.0, 2.0) if asked.quick else (asked.people, asked.seconds, asked.outage)
    rows, browser_rows = [], []
    for name in asked.only:
        with workspace() as folder:
            crowd, browser = measure(folder, name, people, seconds, outage)
        rows.append(crowd)
        browser_rows.append(browser)
    heads = ["scenario", "trouble s", "people", "clicks", "reconnects", "longest wait s", "saw it is saved"]
    print(table("Trouble while people click", [*heads, "lost", "duplicated", "other id"], rows))
    heads = ["scenario", "clicks", "said away after s", "said saved after s", "lost", "duplicated"]
    print(table("The same in Chromium", heads, browser_rows))
    report(
        [
            Bar(f"{each[0]}: {what}, {where}", float(each[at]), 0)
            for where, table_rows, figures in (
                ("people", rows, {"lost": 7, "duplicated": 8}),
                ("Chromium", browser_rows, {"lost": 4, "duplicated": 5}),
            )
            for each in table_rows
            for what, at in figures.items()
        ]
    )


if __name__ == "__main__":
    main()
