"""The embedded Triton: its backend folder, its command line, and how to tell that it really serves.

`tritonserver` comes out of the nvidia-pytriton wheel in an environment of its own. It listens on loopback only:
that release has known holes, and its load API runs code. Starts nothing: the supervisor does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contracts.errors import ConfigurationError, InvalidInput
from export.publish import models_beside
from stack.ports import LOOPBACK
from stack.process import ProcessSpec
from stack.servers.triton_watch import ModelWatch

# Loading opens every session and runs the warm-up samples: about 6 s here, several times that on a busy machine.
READY_TIMEOUT_S = 120.0
# Unloading takes about two seconds; a model whose process was killed never finishes it.
EXIT_TIMEOUT_S = 4
GRPC_KEEPALIVE_MS = 30_000
CPU = "cpu"
"""The device whose configurations are the models' config.pbtxt."""
BACKENDS_KEY = "key"


class ServingEnvironmentError(ConfigurationError):
    """The serving environment has no usable server; says how to get one."""


@dataclass(frozen=True, slots=True)
class ServingEnvironment:
    """Where the server's own Python environment keeps the server, its libraries and its stub."""

    root: Path

    @property
    def python_version(self) -> str:
        """The environment's Python as "3.11": the stub is built for one minor version each."""
        found = sorted((self.root / "lib").glob("python3.*"))
        if not found:
            raise ServingEnvironmentError("The serving environment is not there: run `trireme setup`.")
        return found[0].name.removeprefix("python")

    @property
    def site_packages(self) -> Path:
        return self.root / "lib" / f"python{self.python_version}" / "site-packages"

    @property
    def server_root(self) -> Path:
        return self.site_packages / "pytriton" / "tritonserver"

    @property
    def executable(self) -> Path:
        return self.server_root / "bin" / "tritonserver"


@dataclass(frozen=True, slots=True)
class TritonPorts:
    http: int
    grpc: int
    metrics: int


def triton_spec(
    *,
    environment: ServingEnvironment,
    repository: Path,
    backends: Path,
    run_dir: Path,
    ports: TritonPorts,
    models: Sequence[str] | None = None,
    device: str = CPU,
) -> ProcessSpec:
    """Describe the server process.

    `backends` is a folder that `assemble_backends` made. `models` are loaded at start; None is every model of the
    repository that has an exported version. Models are otherwise loaded and unloaded on request only. Of each
    model, configs/`device`.pbtxt is taken where there is one, else config.pbtxt.

    Raises:
        InvalidInput: no model has a configuration for the device.
    """
    loaded = tuple(exported_models(repository) if models is None else models)
    check_device(repository, device)
    argv = (
        str(environment.executable),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--cache-directory={environment.server_root / 'caches'}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in loaded),
        f"--model-config-name={device}",
        "--strict-readiness=true",
        "--exit-on-error=true",
        f"--exit-timeout-secs={EXIT_TIMEOUT_S}",
        f"--http-address={LOOPBACK}",
        f"--http-port={ports.http}",
        "--http-thread-count=2",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={ports.grpc}",
        f"--grpc-keepalive-time={GRPC_KEEPALIVE_MS}",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={ports.metrics}",
        "--metrics-config=summary_latencies=true",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        # A name of our own: what a killed server leaves in shared memory can be told from another server's.
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix(ports)}",
        "--log-format=ISO8601",
        "--log-verbose=0",
    )
    address = f"{LOOPBACK}:{ports.grpc}"

    return ProcessSpec(
        name="triton",
        argv=argv,
        env=server_environment(environment),
        cwd=run_dir,
        ports={"http": ports.http, "grpc": ports.grpc, "metrics": ports.metrics},
        ready=ModelWatch(address, loaded, partial(models_beside, repository)).all_answer,
        ready_timeout_s=READY_TIMEOUT_S,
        stop_timeout_s=EXIT_TIMEOUT_S + 4.0,
        after_exit=partial(remove_shared_memory, ports),
    )


def server_environment(environment: ServingEnvironment) -> dict[str, str]:
    """The server's whole environment.

    The stub finds its packages through the first `python3` on PATH; PYTHONPATH alone does not do. Nothing else of
    the caller's environment is handed on.
    """
    return {
        "PATH": f"{environment.root / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(environment.site_packages / "nvidia_pytriton.libs"),
        "HOME": os.environ.get("HOME", tempfile.gettempdir()),
        "LANG": "C.UTF-8",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
    }


def exported_models(repository: Path) -> list[str]:
    """Names of the models with a configuration and at least one numbered version, sorted."""
    return sorted(
        config.parent.name
        for config in repository.glob("*/config.pbtxt")
        if any(each.name.isdigit() and any(each.iterdir()) for each in config.parent.iterdir() if each.is_dir())
    )


def check_device(repository: Path, device: str) -> None:
    """Raise for a device that no model knows: the server would take the CPU's configurations without a word.

    Raises:
        InvalidInput: with the devices that there are.
    """
    known = {CPU, *(path.stem for path in repository.glob("*/configs/*.pbtxt"))}
    if device not in known:
        raise InvalidInput(f"No model has a configuration for '{device}'; there are {', '.join(sorted(known))}.")


def backends_current(environment: ServingEnvironment, own_backends: Path, target: Path) -> bool:
    """Whether `target` is what `assemble_backends` would make."""
    try:
        return (target / BACKENDS_KEY).read_text() == _backends_key(environment, own_backends)
    except (OSError, ServingEnvironmentError):
        return False


def assemble_backends(environment: ServingEnvironment, own_backends: Path, target: Path) -> Path:
    """Lay out a backend folder: the wheel's Python backend with this Python's stub, our own backends beside it.

    Replaces `target` in one step. Returns it.

    Raises:
        ServingEnvironmentError: the environment has no server, or none for its Python.
    """
    stub = environment.server_root / "python_backend_stubs" / environment.python_version
    if not environment.executable.is_file() or not stub.is_dir():
        raise ServingEnvironmentError(
            f"There is no tritonserver for Python {environment.python_version}: run `trireme setup`."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    python_backend = staged / "python"
    shutil.copytree(environment.server_root / "backends" / "python", python_backend)
    for file in stub.iterdir():
        shutil.copy2(file, python_backend / file.name)
    (python_backend / "triton_python_backend_stub").chmod(0o755)
    for backend in sorted(each for each in own_backends.iterdir() if each.is_dir()):
        shutil.copytree(backend, staged / backend.name, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    (staged / BACKENDS_KEY).write_text(_backends_key(environment, own_backends))
    staged.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    return target


def _backends_key(environment: ServingEnvironment, own_backends: Path) -> str:
    """A hash of what goes into the backend folder: our own files, and the stub's version, size and time."""
    stub = (
        environment.server_root
        / "python_backend_stubs"
        / environment.python_version
        / "triton_python_backend_stub"
    )
    digest = hashlib.sha256(f"{environment.python_version} {stub.stat().st_size}".encode())
    for file in sorted(own_backends.rglob("*.py")):
        digest.update(str(file.relative_to(own_backends)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def shared_memory_prefix(ports: TritonPorts) -> str:
    return f"trireme_{ports.grpc}_"


def remove_shared_memory(ports: TritonPorts, shared_memory: Path = Path("/dev/shm")) -> int:
    """Remove what a killed server with these ports left in shared memory, once it has ended; returns how many."""
    left = list(shared_memory.glob(f"{shared_memory_prefix(ports)}*"))
    for region in left:
        region.unlink(missing_ok=True)
    return len(left)
