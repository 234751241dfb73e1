"""How far a hosted shard is behind its log."""

import pytest

from index_service.hosted import HostedShard
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from tests.index_service.building import SPEC


@pytest.fixture
def hosted(tmp_path):
    return HostedShard(SPEC, tmp_path, Shard(SPEC), position=LogPosition("c/t", 5), applied_ms=10_000)


def test_a_shard_that_has_applied_everything_is_not_behind(hosted):
    hosted.see_log_end(5)
    assert (hosted.lag, hosted.lag_s(99_000)) == (0, 0.0)


def test_a_shard_that_has_not_is_as_far_behind_as_its_last_update_is_old(hosted):
    hosted.see_log_end(8)
    assert (hosted.lag, hosted.lag_s(13_500)) == (3, 3.5)
    hosted.advance(8)
    assert (hosted.lag, hosted.lag_s(13_500)) == (0, 0.0)


def test_clocks_that_disagree_make_no_negative_age(hosted):
    hosted.see_log_end(8)
    assert hosted.lag_s(9_000) == 0.0
