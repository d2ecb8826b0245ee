"""The words of the repository as a test sees them: what a reader is told to type, and what to expect.

In a document a ```console block holds lines to type, each after `$ `, and below them what they print (`…` stands for
anything). A ```python block with `file=PATH` is saved there, one with `run` goes to `./manage.py shell` and prints the
```text block behind it, one with `from=PATH` quotes that file. A ```diff block with `apply` is applied. What a ```shell
block holds is typed in a terminal of its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

FENCE = re.compile(r"^```(?P<language>\w+)(?: +(?P<note>.+))?$")
PROMPT = "$ "
MARK = "\x1e"
"""Stands in the output before what says where a step begins and ends."""


class Kind(Enum):
    TYPED = "typed"
    SHELL = "shell"
    SAVED = "saved"
    RUN = "run"
    APPLIED = "applied"
    QUOTED = "quoted"


@dataclass(frozen=True)
class Step:
    kind: Kind
    text: str
    line: int
    """Where it stands in its document."""
    note: str = ""
    expected: str = ""
    """What it prints; empty where the document does not say."""

    @property
    def script(self) -> str:
        """The step in the shell's words."""
        match self.kind:
            case Kind.SAVED:
                return f"mkdir -p $(dirname {self.note}) && cat > {self.note} <<'WORDS'\n{self.text}\nWORDS"
            case Kind.RUN:
                return f"./manage.py shell -v 0 <<'WORDS'\n{self.text}\nWORDS"
            case Kind.APPLIED:
                return f"git apply - <<'WORDS'\n{self.text}\nWORDS"
        return self.text


def steps(document: Path) -> list[Step]:
    """Everything the document tells its reader to do, in order."""
    found: list[Step] = []
    for language, note, text, line in _blocks(document):
        match language, note.partition("=")[0]:
            case "console", _:
                found += _typed(text, line)
            case "shell", _:
                found += [Step(Kind.SHELL, one, line) for one in text.splitlines()]
            case "python", "file":
                found.append(Step(Kind.SAVED, text, line, note=note.removeprefix("file=")))
            case "python" | "protobuf", "from":
                found.append(Step(Kind.QUOTED, text, line, note=note.removeprefix("from=")))
            case "python", "run":
                found.append(Step(Kind.RUN, text, line))
            case "text", _ if found and found[-1].kind is Kind.RUN:
                found[-1] = replace(found[-1], expected=text)
            case "diff", "apply":
                found.append(Step(Kind.APPLIED, text, line))
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether this was printed, but for ids, times, figures with a fraction and the width of columns."""
    pattern = "".join(_pattern(piece) for piece in PIECES.split(expected.strip()) if piece)
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


VARYING = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?",
    r"\d\d:\d\d:\d\d",
    r"\b[0-9a-f]{40}\b",
    r"\b[0-9]+\.[0-9]+\b(?!\.)",
)
PIECES = re.compile(rf"({'|'.join(VARYING)}|…|\s+)")


def _pattern(piece: str) -> str:
    if piece == "…":
        return ".*?"
    if piece.isspace():
        return r"\s+"
    return next((one for one in VARYING if re.fullmatch(one, piece)), re.escape(piece))


def _blocks(document: Path) -> Iterator[tuple[str, str, str, int]]:
    """Language, note, text and line of each fenced block."""
    opened: tuple[str, str, int] | None = None
    body: list[str] = []
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if opened is None:
            if begin := FENCE.match(line):
                opened, body = (begin["language"], begin["note"] or "", number + 1), []
        elif line == "```":
            yield opened[0], opened[1], "\n".join(body), opened[2]
            opened = None
        else:
            body.append(line)


def _typed(text: str, line: int) -> list[Step]:
    found: list[tuple[list[str], list[str], int]] = []
    for number, each in enumerate(text.splitlines(), line):
        if each.startswith(PROMPT):
            found.append(([each.removeprefix(PROMPT)], [], number))
        elif found and found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(each)
        elif found:
            found[-1][1].append(each)
    return [
        Step(Kind.TYPED, "\n".join(typed), at, expected="\n".join(printed)) for typed, printed, at in found
    ]
