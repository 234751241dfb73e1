"""What the collection's documents say and what is asked, each in words of its own; names and numbers fill in.

Nothing here is a caption that the demo CLIP was trained on (`export.demo_clip.subjects`), and no question repeats
a sentence of a document: they share names, or nothing but their meaning.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """What a document beside a picture is about. Nothing names what the picture shows.

    Args:
        text: with {n} and {m} for numbers. question: about the same, in other words.
    """

    text: str
    question: str


TOPICS = (
    Topic(
        "The insurer raised the yearly premium to {n} crowns after the inspection. Claims must reach the office "
        "within {m} days.",
        "what the policy costs per year and by when damage has to be reported",
    ),
    Topic(
        "Lot {n} went to a bidder on the telephone after {m} offers. The hammer fell shortly before noon.",
        "who bought it at the sale",
    ),
    Topic(
        "Police were called when the storeroom was found open. {m} objects were missing, and a ladder stood at "
        "the window.",
        "report of the burglary",
    ),
    Topic(
        "The workshop replaced the worn joint and polished the surface. Work took {m} hours and cost {n} crowns.",
        "how long mending lasted",
    ),
    Topic(
        "The evening talk drew {m} listeners. Questions went on until the caretaker switched off the lights.",
        "the public speech and its audience",
    ),
    Topic(
        "The show opens on the first floor. Tickets are {n} crowns; school classes come in free of charge.",
        "entrance fee of the gallery",
    ),
    Topic(
        "The crate left the warehouse on pallet {n}. The carrier expects to hand it over in {m} days.",
        "when the freight arrives",
    ),
    Topic(
        "Pupils worked in groups of {m}. Each writes one page about it before the next lesson.",
        "homework given to the class",
    ),
    Topic(
        "Hail broke {m} panes of the roof. A tarpaulin keeps the rain out until spring.",
        "storm destroyed the glass",
    ),
    Topic(
        "The members chose a new treasurer with {n} votes against {m}. The old one stays on as an adviser.",
        "outcome of the election for who keeps the money",
    ),
    Topic(
        "Use lukewarm water and a soft brush. Bleach ruins the finish; let it dry for {m} hours.",
        "instructions for washing it without harm",
    ),
    Topic(
        "The sample held for {m} thousand cycles. It gave way at a load of {n} kilograms.",
        "endurance trial in the laboratory",
    ),
)

# A trade, and what somebody without its word would call it.
TRADES = (
    ("bakery", "where they sell bread"),
    ("smithy", "where iron is forged"),
    ("pharmacy", "where medicine is sold"),
    ("library", "where books are lent"),
    ("ferry", "the boat across the river"),
    ("swimming pool", "where people go for a swim"),
    ("post office", "where parcels are handed in"),
    ("tannery", "where hides become leather"),
    ("observatory", "where the stars are watched"),
    ("laundry", "where clothes are washed"),
    ("bicycle shop", "where a flat tyre is mended"),
    ("dairy", "where milk becomes butter"),
    ("cinema", "where films are shown"),
    ("kindergarten", "where small children play in the morning"),
    ("sawmill", "where logs become planks"),
    ("brewery", "where beer is made"),
    ("museum", "where old things are on show"),
    ("fish market", "where the catch is sold"),
    ("garden centre", "where seedlings can be bought"),
    ("fire station", "where the engine with the ladder stands"),
)
TOWNS = (
    "Aldbury", "Brenmoor", "Carrick", "Dunholm", "Eastling", "Farnley",
    "Gressdale", "Hollin", "Inverlay", "Jessop", "Kelmarsh", "Lorton",
)  # fmt: skip
PEOPLE = ("Marit", "Oskar", "Priya", "Tomas", "Yuki", "Elena", "Kwame", "Sofia")
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

NOTICE = (
    "Notice. The {trade} in {town} stays closed on {day} from now on, because {person}, who looks after it, has "
    "taken over the night shift elsewhere. All other opening hours remain. Season tickets keep their value until "
    "the end of the year; ask at number {n} for a refund."
)
NOTICE_QUESTIONS = (
    "{town}: on which weekday can nobody get in {other}?",
    "I live near {town}. When is there no service {other}?",
    "Whom does one see about money back for {other}, {town}?",
)

PICTURE_QUESTIONS = (
    "do we have artwork with {name}",
    "{name} as an illustration, anywhere in our files",
    "find the one where you can see {name}",
)
