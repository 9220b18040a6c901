"""Reading a body only so far: a bound on its size, counted after unpacking.

A few kilobytes of gzip can unpack to gigabytes, so neither ``Content-Length`` nor the bytes on the
wire say how long a body is.
"""

from __future__ import annotations

from typing import NamedTuple

import requests

LONGEST_BODY = 64 * 1024 * 1024
"""A page of 100 entries has some tens of kilobytes; this is far beyond any answer of Hevo."""
LONGEST_ERROR_BODY = 64 * 1024
_PIECE = 64 * 1024


class Body(NamedTuple):
    """What was read of a body.

    Attributes:
        content: The bytes, unpacked.
        is_cut: Whether the body goes on after them.
    """

    content: bytes
    is_cut: bool = False


def read_body(response: requests.Response, longest: int) -> Body:
    """Read a streamed response up to ``longest`` bytes; the connection of a longer one is closed.

    Raises:
        requests.exceptions.RequestException: The body ended early, could not be unpacked, or did
            not come in time.
    """
    pieces: list[bytes] = []
    left = longest
    try:
        for piece in response.iter_content(_PIECE):
            if len(piece) > left:
                pieces.append(piece[:left])
                response.close()
                return Body(b"".join(pieces), is_cut=True)
            pieces.append(piece)
            left -= len(piece)
    except ValueError as error:  # a chunk of negative length: `urllib3` hands it to the socket
        raise requests.exceptions.ChunkedEncodingError(error) from None
    return Body(b"".join(pieces))
