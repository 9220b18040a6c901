"""Recognising that Hevo refuses a request because a job is running, by the sense of its message.

Hevo's wording and status codes are no contract: "A job is in progress. To sync now you need to
cancel the current job", "A job is already in progress for this pipeline" and "Job already running"
have come with 400, 409 and 500. So what counts is what is said of a job, a sync or a pipeline. A
message that is read wrongly does little harm: in doubt, a run decides by the list of jobs.
"""

from __future__ import annotations

import re

_OVER = (
    r"completed?|finished|succeeded|cancell?ed|failed|ended|done|stopped|deleted|skipped|aborted"
    r"|expired|terminated|disabled|enabled|paused"
)
_FILLER = r"(?:currently|actively|presently|yet|now|in|an?|any|the|have|be|been)"
_SPLIT_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GAPS = re.compile(r"[\s_-]+")
_DENIALS = re.compile(
    rf"(?:\bnot|n't|n’t|\bno longer|\bnever|\bisnt)\s+(?:{_FILLER}\s+)*(?:running|in progress)"
    r"|\bno\s+(?:\w+\s+)?(?:jobs?|syncs?)\s+(?:(?:is|are|was|were|currently|found|to be)\s+)*"
    r"(?:running|in progress)"
    r"|\bno\s+(?:\w+\s+)?running\s+(?:jobs?|syncs?|pipelines?)"
)
_ALREADY_OVER = re.compile(rf"\balready\s+(?:(?:been|is|was|in|an?)\s+)*(?:{_OVER})\b")
_RUNS = re.compile(r"\b(?:running|in progress)\b")
_ALREADY = re.compile(r"\balready\b")
_STARTED = re.compile(
    r"\balready\s+(?:(?:been|is|being)\s+)*(?:syncing|started|triggered|queued)\b"
)
_JOB_OR_SYNC = re.compile(r"\b(?:job|sync|resync)s?\b")
_PIPELINE = re.compile(r"\bpipelines?\b")
_CANCEL_IT = re.compile(r"\bcancel\s+(?:the|its)\s+(?:current|running|active)\s+job\b")


def says_that_a_job_runs(message: str) -> bool:
    """Whether a message says that a job is running already, in whatever words."""
    text = _GAPS.sub(" ", _SPLIT_WORDS.sub(" ", message)).lower()
    if _CANCEL_IT.search(text):
        return True
    text = _ALREADY_OVER.sub(" ", _DENIALS.sub(" ", text))
    runs = _RUNS.search(text) is not None
    if _JOB_OR_SYNC.search(text) and (runs or _ALREADY.search(text)):
        return True
    # "Already" alone says too little of a pipeline: its name may be taken already.
    starts = _STARTED.search(text) is not None
    return _PIPELINE.search(text) is not None and (runs or starts)
