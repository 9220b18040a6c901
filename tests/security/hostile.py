"""Names and answers as whoever may name a table, or answer in Hevo's place, could choose them."""

from __future__ import annotations

ESCAPES = {
    "colour": "a\x1b[31mred",
    "title": "a\x1b]0;owned\x07b",
    "clear": "\x1b[2J\x1b[Hgone",
    "bell": "a\x07b",
    "C1": "a\x9b31mred",
    "forged line": "a\nINFO Job 5 COMPLETED",
    "carriage return": "a\rINFO",
    "right to left": "a\u202egpj.exe",
    "isolate": "a\u2066b\u2069",
    "line separator": "a\u2028b\u2029c\x85d",
    "null": "a\x00b",
    "byte order": "\ufeffa",
    "tag": "a\U000e0041b",
    "backspace": "ab\x08\x08cd",
    "delete": "a\x7fb",
}
MARKDOWN = {
    "image": "![x](https://beacon.invalid/i.png)",
    "link": "[click](https://phish.invalid)",
    "script link": "[click](javascript:alert(1))",
    "html image": "<img src=https://beacon.invalid/i.png onerror=alert(1)>",
    "script": "<script>document.title='owned'</script>",
    "address": "https://beacon.invalid/x",
    "www": "www.phish.invalid",
    "mail": "a@phish.invalid",
    "reference": "![x][y]\n\n[y]: https://beacon.invalid/i.png",
    "emphasis": "**_bold_** ~~x~~ _y_",
    "heading": "# big",
    "fence": "```\nx\n```",
    "backticks": "`a``b```",
    "backtick": "`",
    "entity": "&lt;img src=x&gt; &#33;",
    "table": "|a|b|\n|-|-|",
    "break out": "` ![x](https://beacon.invalid/i.png) `",
    "emoji": ":+1:",
    "math": "$$x$$",
    "backslash": "\\![x](https://beacon.invalid)",
    "list": "- x",
}
ODD = {
    "blank": " ",
    "dots": "..",
    "path": "../../etc/passwd",
    "quote": "'; DROP TABLE x; --",
    "template": "{{ 7*7 }} {0.__class__} %s %n ${jndi:x}",
    "rich": "[bold red]x[/] [link=https://phish.invalid]y[/link]",
    "long": "x" * 3000,
    "unicode": "Größe 日本 🙂",
    "json": '{"a": "b"}',
    "comma": "a,b;c|d",
}
ALL = {**ESCAPES, **MARKDOWN, **ODD}
NOT_TO_PRINT = set("\x1b\x07\x9b\r\x00\x08\x7f\x85\u202e\u2066\u2069\u2028\u2029\ufeff\U000e0041")


def assert_harmless(text: str) -> None:
    """Nothing in the text moves a cursor, rings, or turns the direction of writing."""
    found = {hex(ord(each)) for each in set(text) & NOT_TO_PRINT}
    assert not found, f"{found} in {text[:500]!r}"
