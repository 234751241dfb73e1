"""The table of metrics: every one has a unit that its name agrees with, and says what it is."""

import re

import pytest

from contracts.metrics import ALL, MetricSpec

ENDINGS = {
    "seconds": "_seconds",
    "milliseconds": "_ms",
    "bytes": "_bytes",
}


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_a_metric_s_name_tells_its_unit_and_its_help_is_a_sentence(spec: MetricSpec) -> None:
    for unit, ending in ENDINGS.items():
        assert spec.name.endswith(ending) == (spec.unit == unit)
    assert re.fullmatch(r"[A-Z1].*\.", spec.help) or spec.help.endswith(")."), spec.help
    assert (spec.kind == "histogram") == bool(spec.buckets)
    assert not spec.name.endswith("_total"), "Prometheus adds it to counters"


def test_no_name_is_used_twice() -> None:
    assert len({spec.name for spec in ALL}) == len(ALL)
