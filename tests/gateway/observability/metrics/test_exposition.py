"""What Prometheus reads, read by its own library."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fluxlit.observability.metrics import CATALOGUE, SECONDS, Family, Histogram, Kind, Samples, exposition


def histogram(*values: float, bounds: tuple[float, ...] = (0.1, 1.0)) -> Histogram:
    made = Histogram(bounds)
    for value in values:
        made.add(value)
    return made


def read(text: str) -> dict[str, float]:
    return {
        sample.name + json.dumps(dict(sample.labels), sort_keys=True): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_family_is_read_as_what_it_is() -> None:
    readings = Samples()
    for family in CATALOGUE:
        labels = [f"a {name}" for name in family.labels]
        readings.add(family.name, histogram(0.05, 2) if family.kind is Kind.HISTOGRAM else 12.5, *labels)
    found = {each.name: each for each in text_string_to_metric_families(exposition(CATALOGUE, readings))}
    for family in CATALOGUE:
        each = found[family.name.removesuffix("_total")]
        assert each.type == family.kind.value
        assert each.documentation == family.help
        assert {name for sample in each.samples for name in sample.labels} - {"le"} == set(family.labels)


def test_the_buckets_of_a_histogram_are_cumulated() -> None:
    """A value that equals a bound is in its bucket: `le` is less or equal."""
    readings = Samples()
    readings.add("h", histogram(0.05, 0.1, 0.5, 7), "a")
    text = exposition([Family("h", Kind.HISTOGRAM, "H.", ("x",))], readings)
    assert read(text) == {
        'h_bucket{"le": "0.1", "x": "a"}': 2,
        'h_bucket{"le": "1", "x": "a"}': 3,
        'h_bucket{"le": "+Inf", "x": "a"}': 4,
        'h_sum{"x": "a"}': pytest.approx(7.65),
        'h_count{"x": "a"}': 4,
    }


@pytest.mark.parametrize("hostile", ['"', "\\", "\n", '\\"\n', 'a"} 1\nevil{x="', "é", "\\n"])
def test_a_label_can_hold_anything_and_adds_no_line(hostile: str) -> None:
    readings = Samples()
    readings.add("m", 1, hostile)
    text = exposition([Family("m", Kind.GAUGE, 'Help with "quotes",\na line and a \\.', ("x",))], readings)
    (family,) = text_string_to_metric_families(text)
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"x": hostile}, 1)]
    assert text.count("\n") == 3


def test_what_has_no_value_is_not_shown() -> None:
    assert exposition(CATALOGUE, Samples()) == ""


def test_readings_of_processes_are_added_up_and_survive_the_way_between_them() -> None:
    one, other = Samples(), Samples()
    one.add("n", 1, "a")
    one.add("n", 5, "b")
    other.add("n", 2, "a")
    for each in (one, other):
        each.add("h", histogram(0.5))
    one.update(Samples.from_json(json.loads(json.dumps(other.to_json()))))
    assert one.of("n") == {("a",): 3, ("b",): 5}
    assert one.of("h") == {(): histogram(0.5, 0.5)}
    assert other.of("h") == {(): histogram(0.5)}, "adding changes no other"


def test_what_cannot_be_added_is_said() -> None:
    readings = Samples()
    readings.add("n", 1)
    with pytest.raises(TypeError):
        readings.add("n", histogram(1))
    with pytest.raises(ValueError, match="bounds"):
        histogram(1) + Histogram(SECONDS)


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_names_follow_the_conventions(family: Family) -> None:
    """https://prometheus.io/docs/practices/naming/.

    A prefix, base units, `_total` for counters alone.
    """
    assert re.fullmatch(r"(fluxlit|process)(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") is (family.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|milliseconds|kb|mb|percent|count|sum|bucket)\b", family.name)
    if family.kind is Kind.HISTOGRAM:
        assert family.name.endswith("_seconds")
    assert family.help.endswith(".")
    assert set(family.labels) <= {
        "version", "python", "route", "code", "worker", "process", "store", "operation", "outcome"
    }  # fmt: skip


def test_no_name_is_there_twice() -> None:
    names = [family.name for family in CATALOGUE]
    assert len(set(names)) == len(names)
