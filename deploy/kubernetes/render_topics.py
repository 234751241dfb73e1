"""Writes kafka/topics.yaml: the topics of `contracts/topics.py` as Strimzi's resources.

.venv/bin/python deploy/kubernetes/render_topics.py
"""

from pathlib import Path

from contracts.topics import TopicSpec, fixed_topics

TARGET = Path(__file__).parent / "kafka" / "topics.yaml"
HEAD = """# Written by render_topics.py from contracts/topics.py. The topics of a generation (index_updates.*,
# index_touches.*) are created with it, by bootstrap or `trireme index generations build`; the topic operator
# leaves those alone.
"""


def rendered() -> str:
    """The whole file."""
    return HEAD + "---\n".join(_resource(spec) for spec in fixed_topics())


def _resource(spec: TopicSpec) -> str:
    # The name of a resource has no underscores; the topic's own name is below it.
    name = spec.name.replace("_", "-").lower()
    config = "".join(f'    {key}: "{value}"\n' for key, value in sorted(spec.config().items()))
    return (
        "apiVersion: kafka.strimzi.io/v1\n"
        "kind: KafkaTopic\n"
        f"metadata: {{ name: {name}, labels: {{ strimzi.io/cluster: trireme }} }}\n"
        "spec:\n"
        f"  topicName: {spec.name}\n"
        f"  partitions: {spec.partitions}\n"
        "  replicas: 3\n"
        "  config:\n"
        f"{config}"
    )


if __name__ == "__main__":
    TARGET.write_text(rendered())
