"""A test set that no dense vector separates: short data sheets of parts whose numbers differ in one digit.

Each family has a product, a scheme of numbers and ten members; apart from its number and a size or two, a member's
sheet reads like its siblings'. Questions name a part the way people do: as it is written, in another case, without
separators, within a sentence. Seeded, so everybody measures the same set.
"""

import random
from dataclasses import dataclass

_PRODUCTS = (
    "diaphragm pump", "pressure relief valve", "stepper motor driver", "hydraulic coupling", "inline fuel filter",
    "optical encoder", "sealing ring", "fan cowl", "terminal block", "linear guide carriage", "gear reducer",
    "proximity sensor", "solenoid coil", "bearing bracket", "air dryer cartridge", "clutch plate",
)  # fmt: skip
_SCHEMES = ("XYZ-{}", "AB{}-K", "{}.70.2", "RX{}/B", "P/N {}-001", "{}GH", "EL-{}-EU", "No. {}")
_QUESTIONS = (
    "{}",
    "data sheet of {}",
    "What is the price of {}?",
    "Which part replaces {} and how long is its warranty?",
    "installation torque {}",
)
_MEMBERS = 10


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its number, and its sheet's file name and text."""

    number: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class PartQuestion:
    """A question, and the file that must come first."""

    query: str
    expected: str


def parts(seed: int, n_families: int) -> list[Part]:
    """Families of ten parts each; within a family numbers differ in exactly one digit."""
    rng = random.Random(seed)
    made: list[Part] = []
    for family in range(n_families):
        product, scheme = _PRODUCTS[family % len(_PRODUCTS)], _SCHEMES[family % len(_SCHEMES)]
        digits = str(rng.randrange(100_000, 1_000_000)) if family % 2 else str(rng.randrange(1000, 10_000))
        place = rng.randrange(1, len(digits))
        for member in range(_MEMBERS):
            number = scheme.format(digits[:place] + str(member) + digits[place + 1 :])
            text = (
                f"Data sheet. The {number} is a {product} for machines of the second series. "
                f"Nominal size {8 + member} mm, installation torque {20 + 2 * member} Nm, warranty two years. "
                f"Store the {product} dry. Order {number} from the service desk; for its price see the list."
            )
            made.append(Part(number, f"part-{family:02d}-{member}.txt", text))
    return made


def part_questions(made: list[Part], seed: int, per_part: int) -> list[PartQuestion]:
    """Questions about each part, in ways that take turns."""
    rng = random.Random(seed)
    asked = []
    for number, part in enumerate(made):
        for turn in range(per_part):
            written = _written(part.number, (number + turn) % 4)
            asked.append(PartQuestion(_QUESTIONS[(number + turn) % len(_QUESTIONS)].format(written), part.name))
    rng.shuffle(asked)
    return asked


def _written(number: str, way: int) -> str:
    """As it stands, in lower case, without its separators, or as it stands again."""
    bare = number.removeprefix("P/N ").removeprefix("No. ")
    if way == 1:
        return bare.lower()
    if way == 2 and any(letter.isalpha() for letter in bare):
        return bare.replace("-", "").replace("/", "").replace(".", "")
    return bare
