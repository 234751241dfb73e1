import pytest

from gateway.core.shard_health import ShardHealth


class ManualTime:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def fail(health: ShardHealth, time: ManualTime, group: int, shard: int, times: int = 5) -> None:
    for n in range(times):
        health.asked(group, shard, f"f{n}")
    time.now_s += 0.2
    health.sweep()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def health(time: ManualTime) -> ShardHealth:
    return ShardHealth(time, answer_within_s=0.18, failures=5, reset_s=1.0)


def test_all_shards_are_asked_in_the_preferred_group_at_first(health: ShardHealth) -> None:
    assert health.plan(3, preferred_group=0).by_group == {0: (0, 1, 2)}
    assert health.plan(3, preferred_group=1).by_group == {1: (0, 1, 2)}


def test_a_shard_that_failed_five_times_is_asked_in_the_other_group(health: ShardHealth, time: ManualTime) -> None:
    fail(health, time, 0, 1, times=4)
    assert health.plan(3, 0).by_group == {0: (0, 1, 2)}
    fail(health, time, 0, 1, times=1)
    assert health.plan(3, 0).by_group == {0: (0, 2), 1: (1,)}


def test_a_shard_that_fails_in_both_groups_is_asked_nowhere(health: ShardHealth, time: ManualTime) -> None:
    fail(health, time, 0, 1)
    fail(health, time, 1, 1)
    assert health.plan(3, 0).by_group == {0: (0, 2)}


def test_one_search_a_second_tries_again_with_the_other_group_beside_it(
    health: ShardHealth, time: ManualTime
) -> None:
    fail(health, time, 0, 1)
    time.now_s += 1.0
    assert health.plan(3, 0).by_group == {0: (0, 1, 2), 1: (1,)}
    assert health.plan(3, 0).by_group == {0: (0, 2), 1: (1,)}


def test_an_answer_in_time_closes_the_breaker_and_one_too_late_does_not(
    health: ShardHealth, time: ManualTime
) -> None:
    fail(health, time, 0, 1)
    time.now_s += 1.0
    health.plan(3, 0)
    health.asked(0, 1, "slow")
    health.answered(0, 1, "slow", time.now_s + 0.19)
    assert 1 in health.plan(3, 0).by_group
    time.now_s += 1.0
    health.plan(3, 0)
    health.asked(0, 1, "quick")
    health.answered(0, 1, "quick", time.now_s + 0.05)
    assert health.plan(3, 0).by_group == {0: (0, 1, 2)}


def test_errors_count_as_failures(health: ShardHealth) -> None:
    for n in range(5):
        health.asked(0, 1, f"{n}")
        health.answered(0, 1, f"{n}", 0.001, ok=False)
    assert health.plan(3, 0).by_group == {0: (0, 2), 1: (1,)}


def test_requests_that_kafka_lost_are_held_against_no_shard(health: ShardHealth, time: ManualTime) -> None:
    for n in range(20):
        health.asked(0, 1, f"{n}")
    health.forget_asked()
    time.now_s += 10
    health.sweep()
    assert health.plan(3, 0).by_group == {0: (0, 1, 2)}


def test_the_percentile_is_of_the_latest_round_trips_and_unknown_while_there_are_few(health: ShardHealth) -> None:
    def answer(n: int, after_s: float) -> None:
        health.asked(0, 0, f"{n}-{after_s}")
        health.answered(0, 0, f"{n}-{after_s}", after_s)

    for n in range(19):
        answer(n, 0.010)
    assert health.p95_s(0, 0) is None
    answer(19, 0.010)
    assert health.p95_s(0, 0) == pytest.approx(0.010)
    for n in range(128):
        answer(n, 0.020 + n / 1000)
    # 128 values from 20 to 147 ms: the 122nd of them is the 95th percentile; the tens are forgotten.
    assert health.p95_s(0, 0) == pytest.approx(0.020 + 0.121)


def test_an_answer_nobody_waits_for_changes_nothing(health: ShardHealth) -> None:
    health.answered(0, 0, "never-asked", 5.0, ok=False)
    assert health.p95_s(0, 0) is None
    assert health.plan(1, 0).by_group == {0: (0,)}


def test_what_is_known_of_one_generations_shards_says_nothing_about_anothers(
    health: ShardHealth, time: ManualTime
) -> None:
    health.turn_to("old")
    fail(health, time, group=0, shard=1)
    assert health.plan(3, 0).by_group != {0: (0, 1, 2)}
    health.turn_to("old")
    assert health.plan(3, 0).by_group != {0: (0, 1, 2)}
    health.turn_to("new")
    assert health.plan(3, 0).by_group == {0: (0, 1, 2)}
