"""Writes the captioner's config.pbtxt. No PyTorch."""

from __future__ import annotations

from string import Template

_TEMPLATE = Template("""\
# Written by `trireme export captioner`. Contract: CAPTIONER_SPEC in contracts/tensors.py. Served by
# deploy/triton/backends/captioner, on the CPU.
name: "$name"
backend: "captioner"
max_batch_size: 0
version_policy { latest { num_versions: 1 } }
model_transaction_policy { decoupled: true }

input [
  { name: "image" data_type: TYPE_UINT8 dims: [ $size, $size, 3 ] optional: true },
  { name: "max_tokens" data_type: TYPE_INT32 dims: [ 1 ] optional: true }
]
output [
  { name: "caption" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "token_count" data_type: TYPE_INT32 dims: [ 1 ] }
]

# One instance, which takes what waits in batches.
instance_group [ { kind: KIND_CPU count: 1 } ]
# Pictures that go through the graphs together.
parameters { key: "batch" value { string_value: "4" } }
# Pictures that wait; more are rejected, and so is one that has waited this long.
parameters { key: "max_queue_size" value { string_value: "64" } }
parameters { key: "max_queue_seconds" value { string_value: "120" } }
# Longest caption.
parameters { key: "max_tokens" value { string_value: "30" } }
# Both cores of a small machine work on one batch.
parameters { key: "intra_op_thread_count" value { string_value: "2" } }
""")


def render_config(name: str, image_size: int) -> str:
    """The text of config.pbtxt."""
    return _TEMPLATE.substitute(name=name, size=image_size)
