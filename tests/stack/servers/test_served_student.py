"""The distilled picture tower on the embedded Triton, really started."""

import numpy as np
import pytest
import tritonclient.grpc.aio as grpc
from safetensors.numpy import load_file

from contracts.tensors import CLIP_IMAGE_DISTILLED, EMBEDDING, PRIORITY_QUERY
from export.demo_clip.config import DISTILLED_VECTORS
from export.demo_clip.heldout import read_heldout
from stack.process import ProcessSpec

pytestmark = pytest.mark.integration


async def test_the_served_student_gives_pytorchs_recorded_vectors(triton: ProcessSpec) -> None:
    reference = load_file(DISTILLED_VECTORS)["reference"][:8]
    pictures = read_heldout().pictures[:8]
    tensor = grpc.InferInput("image", pictures.shape, "UINT8")
    tensor.set_data_from_numpy(pictures)
    async with grpc.InferenceServerClient(f"127.0.0.1:{triton.ports['grpc']}") as client:
        result = await client.infer(
            CLIP_IMAGE_DISTILLED, [tensor], priority=PRIORITY_QUERY, timeout=20_000_000, client_timeout=20
        )
    # The same float32 network; what is left is the order of additions.
    np.testing.assert_allclose(result.as_numpy(EMBEDDING), reference, atol=1e-4)
