"""The catalogs as Markdown, for the part of docs/catalog.md between the two marks.

``python -m dagster_hevo.catalog docs/catalog.md`` writes it there (`__main__.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dagster_hevo.catalog.models import Catalog, CatalogObject, CatalogSource, span

START = "<!-- written by `python -m dagster_hevo.catalog docs/catalog.md`: do not edit -->"
END = "<!-- end of what is written -->"


def catalog_tables(catalogs: Iterable[Catalog]) -> str:
    """Every source with its facts and a table of its objects, as Markdown.

    Args:
        catalogs: The catalogs to show.
    """
    return "\n\n".join("\n".join(_section(catalog)) for catalog in catalogs)


def with_tables(page: str, catalogs: Iterable[Catalog]) -> str:
    """The page with the part between its marks written again.

    Args:
        page: Markdown that holds both marks.
        catalogs: The catalogs to show.

    Raises:
        ValueError: A mark is missing.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"The page needs the lines {START!r} and {END!r}, in this order.")
    return f"{before}{START}\n\n{catalog_tables(catalogs)}\n\n{END}{after}"


def _section(catalog: Catalog) -> Iterator[str]:
    yield f"### {catalog.source.name}"
    yield ""
    yield "| what | fact |"
    yield "| --- | --- |"
    yield f"| objects | {len(catalog.objects)} |"
    for what, fact in _source_facts(catalog.source):
        yield f"| {what} | {_cell(fact)} |"
    yield ""
    yield "| object | mode | parent | requires | position | restart, run now | what it holds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for each in catalog.objects:
        yield _row(each)


def _row(each: CatalogObject) -> str:
    mode = str(each.mode) + (f", since {each.mode_since}" if each.mode_since else "")
    alone = {each.restartable, each.runnable_alone}
    cells = (
        each.name,
        mode,
        each.parent or "",
        each.requires.kind if each.requires else "",
        _said(each.position_changeable, "can be changed", "cannot be changed"),
        _said(alone.pop() if len(alone) == 1 else None, "by itself", "not by itself"),
        " ".join((each.description, *_remarks(each))),
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _remarks(each: CatalogObject) -> Iterator[str]:
    if each.since:
        yield f"Since {each.since}."
    if each.requires:
        yield each.requires.reason
    yield from each.notes


def _source_facts(source: CatalogSource) -> Iterator[tuple[str, str]]:
    yield "source types", ", ".join(f"`{each}`" for each in source.source_types)
    if source.documented:
        yield "documents as of", source.documented.isoformat()
    if source.since:
        yield "documented since", str(source.since)
    yield from _credential_facts(source)
    for each in source.frequencies:
        first, last = each.custom_hours
        yield (
            f"frequency, teams {each.teams}",
            f"{span(each.default_minutes)} unless changed; {span(each.minimum_minutes)} to "
            f"{span(each.maximum_minutes)}; typed in: whole hours, {first} to {last}",
        )
    yield from _history_facts(source)
    yield from _limit_facts(source)
    deletes = source.replicates_deletes
    yield "deletes", _said(deletes, "replicated", "not replicated") or "not said"
    if source.skipping_parent_skips_children is not None:
        follow = source.skipping_parent_skips_children
        yield "skipping a parent", "skips its children" if follow else "leaves its children alone"
    for sentence in source.known_discrepancies:
        yield "may differ", sentence


def _credential_facts(source: CatalogSource) -> Iterator[tuple[str, str]]:
    credential = source.credential
    if credential is None:
        return
    made_by = f", made by {credential.made_by}" if credential.made_by else ""
    expires = _said(credential.expires, ", which expires", ", which does not expire")
    yield "credential", f"{credential.kind}{made_by}{expires}"
    if credential.required_scopes:
        yield "scopes needed", ", ".join(credential.required_scopes)
    if credential.optional_scopes:
        yield "scopes of use", ", ".join(credential.optional_scopes)


def _history_facts(source: CatalogSource) -> Iterator[tuple[str, str]]:
    history = source.historical_sync
    if history is None:
        return
    if not history.chosen:
        yield "historical load", "everything that is there"
        return
    default = f"{history.default_months} months" if history.default_months else "not said"
    options = ", ".join(history.options)
    since = f" (since {history.everything_since})" if history.everything_since else ""
    others = f"{options}{since}" if options else "not said"
    parallel = "; loaded in parallel" if history.is_parallel else ""
    yield "historical load", f"{default} unless chosen otherwise; other choices: {others}{parallel}"


def _limit_facts(source: CatalogSource) -> Iterator[tuple[str, str]]:
    api = source.api
    if api is not None:
        limits = [api.name]
        if api.calls_per_second:
            per = f" for each {api.limited_per}" if api.limited_per else ""
            limits.append(f"{api.calls_per_second} calls a second{per}")
        if api.page_size:
            limits.append(f"{api.page_size} records a page")
        if api.defers_when_exhausted:
            limits.append("ingestion is deferred while the limit is used up")
        yield "the source's own API", "; ".join(limits)
    if source.event_size is not None:
        size = source.event_size
        yield (
            "row size",
            f"not loaded above {size.not_loaded_above_mb} MB; "
            f"keep rows below {size.keep_rows_below_mb} MB",
        )


def _said(answer: bool | None, yes: str, no: str) -> str:
    return "" if answer is None else yes if answer else no


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
