"""Sort keys of versions: digits of fixed width, which sort the same in every database and collation."""

import re

PARTS = 4
WIDTH = 10
PRERELEASES = ("dev", "a", "b", "rc")
"""In rising order; "alpha" and "beta" are recognized by their first letter. All other words come before these."""
RELEASE = "9"

VERSION = re.compile(
    r"[vV]?(?P<numbers>\d{1,10}(?:\.\d{1,10}){0,3})"
    r"(?P<rest>(?:[-._]?[A-Za-z][0-9A-Za-z.-]*)?)"
    r"(?:\+.*)?"
)


def version_key(version: str) -> str:
    """key("1.2") == key("1.2.0") < key("1.10"); key("2.0-rc1") < key("2.0"). Empty if the text is no version."""
    match = VERSION.fullmatch(version.strip())
    if match is None:
        return ""
    numbers = match["numbers"].split(".")
    padded = [number.zfill(WIDTH) for number in [*numbers, *["0"] * (PARTS - len(numbers))]]
    return "".join(padded) + (_prerelease(match["rest"]) if match["rest"] else RELEASE)


def _prerelease(text: str) -> str:
    word = re.sub(r"[^a-z]", "", text.lower())
    rank = next((at for at, name in enumerate(PRERELEASES, 1) if word.startswith(name)), 0)
    number = re.search(r"\d{1,10}", text)
    return f"{rank}{(number[0] if number else '0').zfill(WIDTH)}"
