"""A sentence or two in several languages, and the encodings in which files hold such texts."""

from collections.abc import Mapping
from types import MappingProxyType

PASSAGES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "english": ("The pilot saw the light from the bridge that night.", ("utf-16-le", "utf-16-be")),
        "german": (
            "Größe und Gewicht der Bücher überraschten die Käufer.",
            ("cp1252", "utf-16", "utf-8-sig", "utf-8"),
        ),
        "polish": (
            "Zażółć gęślą jaźń, a potem pójdź do łodzi i sprawdź ślady.",
            ("cp1250", "iso-8859-2", "utf-8"),
        ),
        "russian": (
            "Судно пришло в порт рано утром, и матросы сошли на берег.",
            ("cp1251", "koi8-r", "utf-32", "utf-8"),
        ),
        "greek": ("Το ποτάμι κυλάει ήσυχα δίπλα στο παλιό χωριό.", ("cp1253", "utf-8")),
        "hebrew": ("הספינה הגיעה לנמל בשעת בוקר מוקדמת והמלחים ירדו.", ("cp1255", "utf-8")),
        "arabic": ("وصلت السفينة إلى الميناء في الصباح الباكر ونزل البحارة.", ("cp1256", "utf-8")),
        "japanese": (
            "船は早朝に港に着き、水夫たちは岸に降りた。",
            ("shift_jis", "euc-jp", "iso-2022-jp", "utf-8"),
        ),
        "chinese": ("船在清晨抵达港口，水手们上岸。请先阅读本说明书。", ("gb18030", "big5", "utf-8", "utf-16")),
        "korean": ("배는 이른 아침에 항구에 도착했고 선원들은 해안으로 내려갔다.", ("euc-kr", "utf-8")),
    }
)


def traditional(words: str) -> str:
    """The Chinese passage in the letters of Big5, which lacks the simplified ones."""
    return words.translate(str.maketrans("达们请读说书阅", "達們請讀說書閱"))


def encoded_passages() -> list[tuple[str, str, bytes]]:
    """Every passage in each of its encodings: language, the text, its bytes."""
    found: list[tuple[str, str, bytes]] = []
    for language, (words, encodings) in PASSAGES.items():
        for encoding in encodings:
            text = traditional(words) if encoding == "big5" else words
            found.append((f"{language} in {encoding}", text, text.encode(encoding)))
    return found
