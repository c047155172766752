"""The steps of each command on Redis, as generators.

A plan yields requests and receives replies.

They do no I/O; the blocking and the async transport drive the same plans. A plan with one
`yield` is one round trip. Every request may be sent twice.

Keys: ``fluxlit:1:<namespace>:{<shard>}:<s or o>:<digest>`` holds a record, ``...:u:<tag>``
the index of a subject's sessions in that shard: a sorted set of digests by absolute end.
The braces make a shard one hash slot of a Cluster, so a record can move with its index
entries in one step. An index entry may outlive its session; each reader of the index checks
its entries, and clears them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from fluxlit_sessions.commands import (
    Command,
    Conflict,
    Count,
    Create,
    Delete,
    DeleteSubject,
    List,
    Move,
    Ping,
    Read,
    Replace,
    Row,
    Rows,
    Take,
    Touch,
)
from fluxlit_sessions.core import MAX_SUBJECT, PAGE
from fluxlit_sessions.errors import SessionStoreUnavailable
from fluxlit_sessions.ids import SHARDS, Key, Kind
from fluxlit_sessions.record import HEAD, HISTORY, Header, Record, unpack_header, unpack_record
from fluxlit_sessions.redis import scripts
from fluxlit_sessions.redis.requests import Arg, Call, Reply, Request

Plan = Generator[Request, Reply, Any]
Now = Callable[[], int | None]

FRONT = HEAD.size + MAX_SUBJECT + 64
"""Enough bytes of a record to hold its header and its sealed subject."""
MAX_PASSES = 20
PINGS = 32
"""Shards in a ping: if the server belongs to a Cluster, some are on other nodes, which the error shows."""
_NAME = re.compile(rb"\{([0-9a-f]{2})\}:s:([A-Za-z0-9_-]{43})")


class Plans:
    """The plans of one namespace.

    Args:
        namespace: of the records.
        now: returns milliseconds, or `None` to use the clock of the server.
        location: which store, for errors.
        pings: shards that a ping asks for.
    """

    def __init__(self, namespace: str, now: Now, location: str, pings: int) -> None:
        self._location = location
        self._prefix = f"fluxlit:1:{namespace}:".encode()
        self._now, self._pings = now, pings
        self._plans: dict[type, Callable[[Any], Plan]] = {
            Create: self._create,
            Read: self._read,
            Touch: self._touch,
            Replace: self._replace,
            Move: self._move,
            Take: self._take,
            Delete: self._delete,
            List: self._list,
            Count: self._count,
            DeleteSubject: self._delete_subject,
            Ping: self._ping,
        }

    def plan(self, command: Command[Any]) -> Plan:
        """Returns the plan for a command."""
        return self._plans[type(command)](command)

    # One round trip each

    def _create(self, command: Create) -> Plan:
        key, life = command.key, command.lifetimes
        reply = yield self._script(
            scripts.CREATE,
            (self._record(key), self._index(key.shard, command.tag)),
            (
                *(life.idle, life.absolute, command.token, command.tag, key.digest, command.subject, command.envelope),
                int(command.vital),
            ),
        )
        return self._written(reply, 0)

    def _read(self, command: Read) -> Plan:
        life = command.lifetimes
        if life is None:
            reply = yield Request((Call(("GET", self._record(command.key))),))
        else:
            args = (life.idle, life.throttle, "all")
            reply = yield self._script(scripts.TOUCH, (self._record(command.key),), args, write=False)
        value = reply.values[0]
        return self._alive(unpack_record(value)) if value else None

    def _touch(self, command: Touch) -> Plan:
        args = (command.lifetimes.idle, command.lifetimes.throttle, "head")
        reply = yield self._script(scripts.TOUCH, (self._record(command.key),), args, write=False)
        return unpack_header(reply.values[0])[0] if reply.values[0] else None

    def _replace(self, command: Replace) -> Plan:
        args = (command.lifetimes.idle, command.expected, command.token, command.envelope, int(command.vital))
        reply = yield self._script(scripts.REPLACE, (self._record(command.key),), args)
        return self._written(reply, command.expected)

    def _move(self, command: Move) -> Plan:
        old, new = command.old, command.new
        keys = (
            self._record(old),
            self._record(new),
            self._index(old.shard, command.old_tag),
            self._index(new.shard, command.tag),
        )
        head = (command.lifetimes.idle, command.expected, command.token, command.tag)
        args = (*head, old.digest, new.digest, command.subject, command.envelope)
        reply = yield self._script(scripts.MOVE, keys, args)
        return self._written(reply, command.expected)

    def _take(self, command: Take) -> Plan:
        reply = yield self._script(scripts.TAKE, (self._record(command.key),), (command.token, command.grace))
        value = reply.values[0]
        return Conflict(value) if isinstance(value, int) else unpack_record(value) if value else None

    def _delete(self, command: Delete) -> Plan:
        yield Request((Call(("UNLINK", self._record(command.key))),), write=True)

    def _ping(self, _: Ping) -> Plan:
        # Reads by key go where sessions are read, and need no other permission.
        yield Request(tuple(Call(("GET", self._shard(shard) + b"ping")) for shard in range(self._pings)))

    # Listings, for operators

    def _list(self, command: List) -> Plan:
        if command.tags is not None:
            keys = yield from self._subject_keys(command.tags)
            return Rows((yield from self._rows(keys, clear_index=command.tags)), None)
        node, _, cursor = command.cursor.partition(":")
        pattern = self._prefix + b"{??}:s:*"
        scan = Call(("SCAN", cursor or "0", "MATCH", pattern, "COUNT", command.limit, "TYPE", "string"))
        reply = yield Request((scan,), node=int(node or 0))
        after, names = reply.values[0]
        following = int(
            next(iter(after.values())) if isinstance(after, dict) else after
        )  # a Cluster client names nodes
        keys = [key for key in map(self._key, names) if key is not None]
        rows = yield from self._rows(keys)
        if following:
            return Rows(rows, f"{node or 0}:{following}")
        return Rows(rows, f"{int(node or 0) + 1}:0" if int(node or 0) + 1 < reply.nodes else None)

    def _count(self, command: Count) -> Plan:
        seen: set[Key] = set()
        cursor: str | None = ""
        while cursor is not None:
            page = yield from self._list(List(command.tags, cursor, PAGE))
            seen.update(row.key for row in page.rows)
            cursor = page.cursor
        return len(seen)

    def _delete_subject(self, command: DeleteSubject) -> Plan:
        # A session can be rotated between the look and the deletion, and is then under another key of the index.
        # It never leaves the index on the way, so look again until the index is empty.
        found: set[Key] = set()
        for _ in range(MAX_PASSES):
            keys = yield from self._subject_keys(command.tags)
            if not keys:
                break
            rows = yield from self._rows(keys)
            found.update(row.key for row in rows)
            records = [Call(("UNLINK", self._record(key))) for key in keys]
            yield Request((*records, *self._unindex(keys, command.tags)), write=True)
        return len(found)

    def _unindex(self, keys: Iterable[Key], tags: Iterable[bytes]) -> Iterator[Call]:
        return (Call(("ZREM", self._index(key.shard, tag), key.digest)) for key in keys for tag in tags)

    def _subject_keys(self, tags: Iterable[bytes]) -> Generator[Request, Reply, list[Key]]:
        places = [(shard, tag) for shard in range(SHARDS) for tag in tags]
        calls = tuple(Call(("ZRANGE", self._index(shard, tag), 0, -1)) for shard, tag in places)
        reply = yield Request(calls)
        return [
            Key(Kind.SESSION, shard, digest)
            for (shard, _), digests in zip(places, reply.values, strict=True)
            for digest in digests
        ]

    def _rows(self, keys: list[Key], clear_index: tuple[bytes, ...] = ()) -> Generator[Request, Reply, tuple[Row, ...]]:
        if not keys:
            return ()
        names = [self._record(key) for key in keys]
        reply = yield Request(
            (
                *(Call(("GETRANGE", name, 0, FRONT - 1)) for name in names),
                *(Call(("STRLEN", name)) for name in names),
            )
        )
        fronts, sizes = reply.values[: len(keys)], reply.values[len(keys) :]
        found = [self._row(key, front, size) for key, front, size in zip(keys, fronts, sizes, strict=True)]
        gone = [key for key, row in zip(keys, found, strict=True) if row is None]
        if gone and clear_index:
            yield Request(tuple(self._unindex(gone, clear_index)), write=True)
        return tuple(row for row in found if row is not None)

    def _row(self, key: Key, front: bytes, size: int) -> Row | None:
        if len(front) < HEAD.size:
            return None
        header, subject_size = unpack_header(front)
        body = HEAD.size + subject_size
        record = self._alive(Record(header, front[HEAD.size : body], b""))
        return None if record is None else Row(key, header, record.subject, size - body)

    # Parts

    def _script(
        self, script: scripts.Script, keys: tuple[bytes, ...], args: tuple[Arg, ...], *, write: bool = True
    ) -> Request:
        # A lost touch loses no data, so it has the shorter budget of a read.
        now = self._now()
        return Request((Call(("" if now is None else now, *args), script, keys),), write=write)

    def _written(self, reply: Reply, expected: int) -> Header | Conflict | None:
        value = reply.values[0]
        if not isinstance(value, int):
            return unpack_header(value)[0] if value else None
        if reply.attempts > 1 and value - expected > HISTORY:
            # After so many later writes the history does not show whether the first attempt was among them.
            reason = "the response to a write was lost and the session was then saved many times by others"
            raise SessionStoreUnavailable(reason, location=self._location, attempts=2, may_have_applied=True)
        return Conflict(value)

    def _alive(self, record: Record) -> Record | None:
        # With the clock of the server the key itself has expired; a given clock is checked here.
        now = self._now()
        return record if now is None or now < record.header.expires else None

    def _shard(self, shard: int) -> bytes:
        return self._prefix + b"{%02x}:" % shard

    def _record(self, key: Key) -> bytes:
        return self._shard(key.shard) + key.kind.value.encode() + b":" + _name(key.digest)

    def _index(self, shard: int, tag: bytes) -> bytes:
        return self._shard(shard) + b"u:" + _name(tag)

    def _key(self, name: bytes) -> Key | None:
        """Return the key with a name; `None` if it is not one of a record."""
        found = _NAME.fullmatch(name.removeprefix(self._prefix))
        return found and Key(Kind.SESSION, int(found[1], 16), base64.urlsafe_b64decode(found[2] + b"="))


def _name(digest: bytes) -> bytes:
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
