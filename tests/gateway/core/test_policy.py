import pytest

from gateway.core.policy import choose_variant


@pytest.mark.parametrize("tier", ["high-value", "standard", None])
def test_with_the_full_models_alone_everyone_gets_them(tier: str | None) -> None:
    assert choose_variant(tier, {"full"}) == "full"


def test_with_distilled_models_only_high_value_traffic_gets_the_full_ones() -> None:
    assert choose_variant("high-value", {"full", "distilled"}) == "full"
    assert choose_variant("standard", {"full", "distilled"}) == "distilled"
    assert choose_variant(None, {"full", "distilled"}) == "distilled"
