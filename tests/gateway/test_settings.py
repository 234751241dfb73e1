import pytest

from contracts.errors import ConfigurationError
from contracts.joint import Weights
from gateway.core.budget import Budgets
from gateway.settings import GatewaySettings
from runtime.settings import load_settings

KEY = "a-key-that-is-long-enough"


def load(**environ: str) -> GatewaySettings:
    return load_settings(GatewaySettings, {f"TRIREME_{name.upper()}": value for name, value in environ.items()})


def test_the_gateway_listens_on_loopback_unless_told_otherwise() -> None:
    assert load().host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "localhost.example"])
def test_another_address_is_refused_while_there_is_no_key(host: str) -> None:
    with pytest.raises(ConfigurationError, match="API key"):
        load(host=host)
    assert load(host=host, api_keys=KEY).host == host


@pytest.mark.parametrize("name", ["api_keys", "link_secret"])
def test_secrets_that_could_be_guessed_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="16 characters"):
        load(**{name: "short"})


def test_budgets_and_weights_are_those_of_the_200_ms_rule_by_default() -> None:
    assert load().budgets() == Budgets(0.080, 0.040, 0.110, 0.180, 0.200)
    assert load(weight_text_image="0.5").weights() == Weights(1.0, 0.5, 1.0)


def test_budgets_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="below"):
        load(encode_budget_ms="190")
    with pytest.raises(ConfigurationError, match="below"):
        load(shard_deadline_ms="250")


def test_a_reply_partition_that_does_not_exist_is_refused() -> None:
    assert load(ordinal="31").ordinal == 31
    with pytest.raises(ConfigurationError, match="ORDINAL"):
        load(ordinal="32")


def test_a_variable_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PROT"):
        load(prot="8080")
