"""The fitted weights: one row of small whole numbers for each feature, one column for each label."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from battcrm.extraction.opinion.features import VERSION
from battcrm.kit.errors import Invalid
from battcrm.models.facts import REPAIR_TYPES, AppealType, PartOwner

TYPES: Final = tuple(str(value) for value in AppealType)
REPAIRS: Final = tuple(REPAIR_TYPES)
OWNERS: Final = tuple(str(value) for value in PartOwner)
COLUMNS: Final = (*TYPES, *REPAIRS, *OWNERS)
_STEPS: Final = 46
"""A row is stored as its largest weight and, for each column, one letter: a whole number of 46ths of it."""
_ZERO: Final = ord("!") + _STEPS
_FINE: Final = 64
_LIFT: Final = 1 << 13
FILE: Final = "weights.tsv"


class Weights:
    """Rows of weights by feature, each packed into one whole number, so that adding rows is one addition.

    A packed row has a 32-bit field for every column and one for the feature's share in the length of a text. A field holds
    its value times `_FINE`, lifted by `_LIFT` so that no field borrows from its neighbour.
    """

    def __init__(self, raw: dict[str, str], bias: Sequence[float], made_of: str) -> None:
        self.bias = tuple(bias)
        self.made_of = made_of
        self._rows: dict[str, str | int] = {**raw}

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def packed(self, name: str) -> int:
        """The packed row of a feature, 0 for an unknown one. Unpacked from the file's text at its first use."""
        found = self._rows.get(name, 0)  # unknown ones are not kept: clients may say any number of new things
        if isinstance(found, str):
            found = self._rows[name] = pack(_numbers(found))
        return found


def pack(numbers: Sequence[float]) -> int:
    """A row as one number."""
    fields = array("I", [round(number * _FINE) + _LIFT for number in numbers])
    return int.from_bytes(fields.tobytes(), sys.byteorder)


def unpack(total: int, rows: int) -> list[float]:
    """Column sums of that many packed rows."""
    fields = array("I", total.to_bytes(4 * (len(COLUMNS) + 1), sys.byteorder))
    lift = rows * _LIFT
    return [(field - lift) / _FINE for field in fields]


@cache
def load_weights() -> Weights:
    """The weights of this version. Raises Invalid when the file is of another version or other labels."""
    return parse(resources.files(__package__).joinpath(FILE).read_text("utf-8"))


def packaged() -> Path:
    """Where the weights of this version lie."""
    return Path(str(resources.files(__package__).joinpath(FILE)))


def parse(text: str) -> Weights:
    """The weights in a file's text; see `write` for its form."""
    head, *lines = text.splitlines()
    version, columns, made_of = head.split("\t")
    if version != VERSION or tuple(columns.split(",")) != COLUMNS:
        raise Invalid("the opinion's weights are of another version", field=FILE, remedy="battcrm eval fit")
    raw = dict(line.split("\t", 1) for line in lines)
    return Weights(raw, _numbers(raw.pop(""))[:-1], made_of)


def _numbers(raw: str) -> tuple[float, ...]:
    share, largest, packed = raw.split("\t")
    step = float(largest) / _STEPS
    return (*((letter - _ZERO) * step for letter in packed.encode("ascii")), float(share))


def write(path: Path, rows: Mapping[str, Sequence[float]], made_of: str) -> None:
    """Store rows (bias under the empty name), each a weight for every column and the share in length.

    One printable letter holds a weight: the file stays small enough to be kept, and a row can be compared by eye.
    """
    lines = ["\t".join((VERSION, ",".join(COLUMNS), made_of))]
    for name in sorted(rows):
        *weights, share = rows[name]
        largest = max(map(abs, weights)) or 1.0
        letters = "".join(chr(_ZERO + round(weight / largest * _STEPS)) for weight in weights)
        lines.append(f"{name}\t{share:.4g}\t{largest:.4g}\t{letters}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
