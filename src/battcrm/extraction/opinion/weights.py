"""The fitted weights: one row of small whole numbers for each feature, one column for each label."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
_STEPS: Final = 127
"""A row is stored as its largest weight and, for each column, a whole number of 127ths of it."""
FILE: Final = "weights.tsv"


@dataclass(frozen=True, slots=True)
class Weights:
    """`rows[feature]` are the weights by column, then the feature's share in the length of a text."""

    bias: tuple[float, ...]
    rows: Mapping[str, tuple[float, ...]]
    made_of: str = ""


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
    rows = {}
    for line in lines:
        name, share, largest, packed = line.split("\t")
        step = float(largest) / _STEPS
        rows[name] = (*(number * step for number in array("b", bytes.fromhex(packed))), float(share))
    bias = rows.pop("")
    return Weights(bias[:-1], rows, made_of)


def write(path: Path, rows: Mapping[str, Sequence[float]], made_of: str) -> None:
    """Store rows (bias under the empty name), each a weight for every column and the share in length."""
    lines = ["\t".join((VERSION, ",".join(COLUMNS), made_of))]
    for name in sorted(rows):
        *weights, share = rows[name]
        largest = max(map(abs, weights)) or 1.0
        packed = array("b", [round(weight / largest * _STEPS) for weight in weights])
        lines.append(f"{name}\t{share:.4g}\t{largest:.4g}\t{packed.tobytes().hex()}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
