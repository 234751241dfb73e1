import pytest

from contracts.errors import ConfigurationError
from ingest.settings import JointUpdaterSettings, TextEmbedderSettings
from runtime.settings import load_settings


def test_scans_are_read_in_the_languages_that_the_settings_name() -> None:
    settings = load_settings(TextEmbedderSettings, {"TRIREME_OCR_LANGUAGES": "deu+chi_sim"})
    assert settings.ocr_languages == "deu+chi_sim"


@pytest.mark.parametrize("languages", ["", "eng,deu", "--help", "eng+"])
def test_languages_that_tesseract_would_take_for_something_else_are_refused(languages: str) -> None:
    with pytest.raises(ConfigurationError, match="OCR_LANGUAGES"):
        load_settings(TextEmbedderSettings, {"TRIREME_OCR_LANGUAGES": languages})


def test_a_join_deadline_beyond_the_longest_delay_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="JOIN_DEADLINE_S"):
        load_settings(JointUpdaterSettings, {"TRIREME_JOIN_DEADLINE_S": "1201"})
