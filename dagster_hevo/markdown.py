"""Foreign text within descriptions, which Dagster's pages render as Markdown.

A name that is an image would load it from wherever it says, and so tell who looks at the page.
"""

from __future__ import annotations

import re

from dagster_hevo.api.foreign_text import escaped

_PLAIN = re.compile(r"[\w .,;:()'\"/+=%?-]*")
_NOT_PLAIN = re.compile(r"://|www\.|(?<![^\W_])_|_(?![^\W_])|^\W|\A\d+[.)] |  ", re.IGNORECASE)


def as_markdown(text: str) -> str:
    """A text as Markdown that shows just this text: no image, no link, no emphasis, no HTML.

    Most texts are so by themselves. Any other is put between backticks, more of them than it has in
    a row itself: within, nothing has a meaning, and no renderer makes links of what looks like an
    address, as some do in spite of backslashes.
    """
    text = escaped(text)
    if _PLAIN.fullmatch(text) and _NOT_PLAIN.search(text) is None:
        return text
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    needs_space = text.startswith("`") or text.endswith("`") or not text.strip()
    space = " " if needs_space else ""
    return f"{fence}{space}{text}{space}{fence}"
