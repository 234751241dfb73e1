from runtime.breaker import CircuitBreaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("kafka", failures=3, reset_s=5.0, clock=clock)


def test_failures_in_a_row_open_the_breaker_and_a_success_between_does_not() -> None:
    breaker = a_breaker(Clock())
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(2):
        breaker.failed()
    assert breaker.allow()
    breaker.failed()
    assert breaker.state == "open"
    assert not breaker.allow()


def test_after_the_pause_one_call_passes_and_decides() -> None:
    clock = Clock()
    breaker = a_breaker(clock)
    for _ in range(3):
        breaker.failed()
    clock.now += 5.0
    assert breaker.state == "half_open"
    assert breaker.allow()
    assert not breaker.allow()
    breaker.failed()
    assert breaker.state == "open"
    clock.now += 5.0
    assert breaker.allow()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_probe_that_never_reports_back_does_not_block_for_ever() -> None:
    clock = Clock()
    breaker = a_breaker(clock)
    for _ in range(3):
        breaker.failed()
    clock.now += 5.0
    assert breaker.allow()
    clock.now += 5.0
    assert breaker.allow()
