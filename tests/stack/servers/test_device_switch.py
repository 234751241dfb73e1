"""The one switch between configurations, on the embedded Triton, really started."""

import shutil
from pathlib import Path

import pytest
import tritonclient.grpc.aio as grpc

from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED
from stack.ports import free_ports
from stack.servers.triton import TritonPorts, exported_models, triton_spec
from tests.stack.servers.conftest import DEMO_MODELS, PATHS, last_words, needs, running, started

pytestmark = pytest.mark.integration


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two picture towers; one of them has a configuration for the device "small"."""
    needs(set(exported_models(PATHS.repository)) >= DEMO_MODELS and PATHS.backends.is_dir(), "Triton or a model")
    copy = tmp_path / "models"
    for model in (CLIP_IMAGE, CLIP_IMAGE_DISTILLED):
        shutil.copytree(PATHS.repository / model, copy / model)
    usual = (copy / CLIP_IMAGE / "config.pbtxt").read_text()
    (copy / CLIP_IMAGE / "configs" / "small.pbtxt").write_text(usual.replace(" 8 ]", " 2 ]").replace(": 8", ": 2"))
    return copy


async def test_a_model_without_a_configuration_for_the_device_keeps_its_usual_one(
    repository: Path, tmp_path: Path
) -> None:
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=PATHS.backends,
        run_dir=tmp_path,
        ports=TritonPorts(*free_ports(3)),
        device="small",
    )
    client = grpc.InferenceServerClient(f"127.0.0.1:{spec.ports['grpc']}")
    async with running(spec, tmp_path / "log"), client:
        sizes = {
            model: (await client.get_model_config(model)).config.max_batch_size
            for model in (CLIP_IMAGE, CLIP_IMAGE_DISTILLED)
        }
    assert sizes == {CLIP_IMAGE: 2, CLIP_IMAGE_DISTILLED: 8}


@pytest.mark.parametrize(("device", "told"), [("cuda", "GPU"), ("plan", "backend 'tensorrt'")])
def test_a_device_that_is_not_there_stops_the_server_with_a_reason(
    repository: Path, tmp_path: Path, device: str, told: str
) -> None:
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=PATHS.backends,
        run_dir=tmp_path,
        ports=TritonPorts(*free_ports(3)),
        device=device,
    )
    log = tmp_path / "log"
    with started(spec, log) as process:
        assert process.wait(60) != 0
    assert told in last_words(log)
