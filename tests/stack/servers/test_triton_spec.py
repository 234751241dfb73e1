"""What the embedded Triton is started with, and its backend folder."""

from pathlib import Path

import pytest

from contracts.errors import InvalidInput
from stack.servers.triton import (
    ServingEnvironment,
    ServingEnvironmentError,
    TritonPorts,
    assemble_backends,
    backends_current,
    check_device,
    exported_models,
    remove_shared_memory,
    triton_spec,
)
from stack.setup_paths import SetupPaths


def environment(root: Path) -> ServingEnvironment:
    """An environment with the files of the wheel that matter, empty."""
    server = root / "lib" / "python3.11" / "site-packages" / "pytriton" / "tritonserver"
    for name in ("bin/tritonserver", "backends/python/libtriton_python.so"):
        (server / name).parent.mkdir(parents=True, exist_ok=True)
        (server / name).touch()
    stub = server / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.write_bytes(b"stub")
    return ServingEnvironment(root)


def test_a_model_without_a_version_is_not_loaded(tmp_path: Path) -> None:
    for model in ("ready", "empty", "staged"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.pbtxt").touch()
    (tmp_path / "ready" / "1").mkdir()
    (tmp_path / "ready" / "1" / "model.onnx").touch()
    (tmp_path / "empty" / "1").mkdir()
    (tmp_path / "staged" / "0.abc").mkdir()
    assert exported_models(tmp_path) == ["ready"]


def test_the_server_listens_on_loopback_and_loads_models_only_on_request(tmp_path: Path) -> None:
    spec = triton_spec(
        environment=environment(tmp_path),
        repository=tmp_path / "models",
        backends=tmp_path / "backends",
        run_dir=tmp_path,
        ports=TritonPorts(http=1, grpc=2, metrics=3),
        models=["one", "two"],
    )
    for address in ("http", "grpc", "metrics"):
        assert f"--{address}-address=127.0.0.1" in spec.argv
    assert "--model-control-mode=explicit" in spec.argv
    loaded = [each.partition("=")[2] for each in spec.argv if each.startswith("--load-model=")]
    assert loaded == ["one", "two"]
    assert spec.env["PATH"].startswith(str(tmp_path / "bin"))


def test_the_backend_folder_has_the_stub_beside_the_library_and_our_backend(tmp_path: Path) -> None:
    serving, ours = environment(tmp_path / "env"), SetupPaths().own_backends
    target = tmp_path / "backends"
    assert not backends_current(serving, ours, target)
    assemble_backends(serving, ours, target)
    assert {each.name for each in (target / "python").iterdir()} == {
        "libtriton_python.so",
        "triton_python_backend_stub",
    }
    assert (target / "onnxruntime" / "model.py").is_file()
    assert backends_current(serving, ours, target)


def test_an_environment_without_a_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServingEnvironmentError, match="setup"):
        assemble_backends(ServingEnvironment(tmp_path), tmp_path, tmp_path / "backends")


def test_only_this_servers_shared_memory_is_removed(tmp_path: Path) -> None:
    for name in ("trireme_77_a", "trireme_77_b", "trireme_777_c", "other"):
        (tmp_path / name).touch()
    assert remove_shared_memory(TritonPorts(http=1, grpc=77, metrics=2), tmp_path) == 2
    assert {each.name for each in tmp_path.iterdir()} == {"trireme_777_c", "other"}


def test_a_device_that_no_model_knows_is_an_error_and_not_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "one" / "configs").mkdir(parents=True)
    (tmp_path / "one" / "configs" / "h100.pbtxt").touch()
    check_device(tmp_path, "cpu")
    check_device(tmp_path, "h100")
    with pytest.raises(InvalidInput, match="'cuda'; there are cpu, h100"):
        check_device(tmp_path, "cuda")
