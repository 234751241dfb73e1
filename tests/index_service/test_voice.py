"""One writer a status: only shards of a generation that has served say what became of documents."""

from contracts.errors import DependencyDown
from contracts.generations import Generation
from index_service.voice import Voice
from tests.index_service.building import SPEC


class Topic:
    """What reading the generations gives, or fails with."""

    def __init__(self) -> None:
        self.state = "building"
        self.turn = 0
        self.away = False
        self.known = True
        self.reads = 0

    def read(self):
        self.reads += 1
        if self.away:
            raise DependencyDown("kafka")
        if not self.known:
            return {}
        generation = Generation(
            tenant="t",
            name=SPEC.generation,
            space_id=SPEC.space_id,
            n_shards=3,
            state=self.state,
            created_ms=1,
            turn=self.turn,
        )
        return {generation.name: generation}


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 10.0
        return self.now_s


def voice(topic):
    return Voice(SPEC.generation, topic.read, clock=Clock())


def test_a_generation_that_is_filled_or_waits_says_nothing():
    topic = Topic()
    told = voice(topic)
    assert not told.speaks()
    topic.state = "ready"
    assert not told.speaks()


def test_after_its_cut_over_a_generation_speaks_and_goes_on_when_another_serves():
    topic = Topic()
    told = voice(topic)
    assert not told.speaks()
    topic.state, topic.turn = "serving", 2
    assert told.speaks()
    reads = topic.reads
    topic.state = "ready"
    assert told.speaks()
    assert topic.reads == reads


def test_a_word_too_many_is_said_while_nothing_can_be_found_out():
    topic = Topic()
    topic.away = True
    told = voice(topic)
    assert told.speaks()
    topic.away = False
    assert not told.speaks()


def test_a_generation_that_nobody_announced_speaks_for_itself():
    topic = Topic()
    topic.known = False
    assert voice(topic).speaks()


def test_the_topic_is_not_read_for_every_document():
    topic = Topic()
    told = Voice(SPEC.generation, topic.read, clock=lambda: 5.0)
    for _ in range(1000):
        assert not told.speaks()
    assert topic.reads == 1
