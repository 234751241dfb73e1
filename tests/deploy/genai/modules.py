"""The backend's modules that need neither Triton nor a model; the server, too, finds them in a folder."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BACKEND = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "genai"


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"genai_backend_{name}", BACKEND / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scheduling, stops, asking, setting = _loaded("scheduler"), _loaded("stops"), _loaded("ask"), _loaded("settings")
