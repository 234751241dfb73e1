"""The captioner's configuration, read as the server reads it, beside the contract."""

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from contracts.tensors import CAPTIONER, CAPTIONER_SPEC
from export.captioner.config import render_config
from tests.model_repository.test_configs import agrees


def test_the_configuration_has_the_tensors_of_the_contract() -> None:
    config = text_format.Parse(render_config(CAPTIONER, 384), ModelConfig())
    assert (config.name, config.backend) == (CAPTIONER, "captioner")
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == CAPTIONER_SPEC.max_batch_size_cpu
    for wanted, found in ((CAPTIONER_SPEC.inputs, config.input), (CAPTIONER_SPEC.outputs, config.output)):
        for tensor, each in zip(wanted, found, strict=True):
            dims = [-1 if size == 384 else size for size in each.dims]
            assert agrees(tensor, each.name, each.data_type, dims), each.name
            assert getattr(each, "optional", False) == tensor.optional
    assert list(config.input[0].dims) == [384, 384, 3]
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_CPU]
