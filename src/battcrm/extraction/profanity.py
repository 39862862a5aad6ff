"""Russian profanity by stems, with the usual digit and Latin disguises undone. Emotion, not a reason to refuse."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_LEET: Final = str.maketrans("03@aeopcyxk6bmhtu1!$*", "озааеорсухкбвмнтииисх")
_STEMS: Final = (
    "блать", "бладь", "блхть", "блхдь", "пхзд", "схка", "ххй", "бля", "бляд", "блят", "пизд", "пзд", "хуй", "хуе", "хуё", "хуи", "хуя", "хую", "нахуй", "нахуя", "похуй", "охуе", "ахуе", "охуи", "ебан", "ебат",
    "ебал", "ебну", "ебуч", "ебло", "еблан", "заеб", "наеб", "уеб", "выеб", "доеб", "поеб", "отъеб", "объеб", "разъеб", "въеб", "съеб", "проеб", "подъеб",
    "долбоеб", "ёб", "йоб", "мудак", "мудил", "мудоз", "муда", "гандон", "гондон", "сука", "суки", "сучк", "сучар", "пидор", "пидар", "педик", "пидр",
    "залуп", "шлюх", "дроч", "манда", "елда", "мраз", "ублюд", "говн", "гавн", "жоп", "хер", "хрен", "дерьм", "мудень", "чмо", "уебищ", "пиздец",
)  # fmt: skip
_INNOCENT: Final = re.compile(
    r"^(?:херсон|хрени?н|хреновск|хрен$|мандар|мандат|хуан|хуавей|хуавэй|хуавеи|хуэ|небля|скипидар|мудр|сукно|чмок|мразм|потреб|употреб|требл|команд|ребал|херши|хуит)"
)


@lru_cache(maxsize=1 << 15)
def is_profane(word: str) -> bool:
    """Whether a word starts with a profane stem (prefixes are in the list), disguises undone."""
    if len(word) < 3:
        return False
    plain = word if word.isalpha() and not word.isascii() else word.lower().translate(_LEET)
    return plain.startswith(_STEMS) and not _INNOCENT.match(plain)
