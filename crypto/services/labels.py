"""Labels of clients: names and values, both text."""

import re
from collections.abc import Mapping

from crypto.exceptions import InvalidParameters

LABEL = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?")
"""Begins with a letter: in a JSON path, databases read digits as an index."""
NAME = "A name is 1 to 63 letters, digits and _./- and begins with a letter."
MAX_VALUE = 200
MAX_LABELS = 64


def checked_labels(labels: object) -> dict[str, str]:
    """The labels as they are stored. Raises InvalidParameters, which names each wrong label."""
    if not isinstance(labels, Mapping):
        raise InvalidParameters({"labels": ["Must be an object of names and texts."]})
    if len(labels) > MAX_LABELS:
        raise InvalidParameters({"labels": [f"Must be at most {MAX_LABELS}."]})
    errors: dict[str, list[str]] = {}
    for name, value in labels.items():
        if not isinstance(name, str) or not LABEL.fullmatch(name):
            errors[f"labels.{str(name)[:70]}"] = [NAME]
        elif not isinstance(value, str) or len(value) > MAX_VALUE or "\x00" in value:
            errors[f"labels.{name}"] = [f"A value is a text of at most {MAX_VALUE} characters."]
    if errors:
        raise InvalidParameters(errors)
    return dict(labels)
