"""Names in descriptions: shown as they are, never rendered. Links: https alone."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hostile import ALL, MARKDOWN, assert_harmless
from markdown_it import MarkdownIt

from dagster_hevo import DagsterHevoTranslator, HevoResource
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.foreign_text import escaped
from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.definitions.enrichment import check_url_template, pipeline_url
from dagster_hevo.markdown import as_markdown
from dagster_hevo.translator import HevoObjectProps

HARMLESS = {"p", "code"}


class Page(HTMLParser):
    """What a renderer makes of Markdown: its tags, and the text that is seen."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        rules = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self.feed(rules.render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
@pytest.mark.parametrize("sentence", ["{}", "In {} of the source.", "From {} ({})."])
def test_a_name_is_shown_and_not_rendered(text, sentence):
    page = Page(sentence.format(as_markdown(text), as_markdown(text)))
    assert page.tags <= HARMLESS
    shown = sentence.format(escaped(text), escaped(text))
    assert " ".join(page.text.split()) == " ".join(shown.split())
    assert_harmless(page.text)


@pytest.mark.parametrize("text", [MARKDOWN["address"], MARKDOWN["www"], MARKDOWN["mail"]])
def test_what_some_renderers_make_links_of_is_code(text):
    assert "code" in Page(as_markdown(text)).tags


@pytest.mark.parametrize(
    "text", ["orders", "shop_orders", "raw.orders-2024", "Shop (EU), new", "Größe 日本", "a: b/c"]
)
def test_a_usual_name_stays_as_it_is(text):
    assert as_markdown(text) == text


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
def test_what_a_translator_describes_is_not_rendered(text):
    space = {"k0": text, "k1": text}
    column = {"source_name": text, "source_type": text, "destination_name": "other"}
    item = {"object_id": "o", "source_namespace": space, "destination_namespace": space}
    pipeline = Pipeline.model_validate({"id": 7, "name": text, "source": {"name": text}})
    props = HevoObjectProps(pipeline, PipelineObject.model_validate({**item, "fields": [column]}))
    translator = DagsterHevoTranslator()
    for spec in (translator.get_asset_spec(props), translator.get_source_asset_spec(props)):
        assert spec is not None
        columns = spec.metadata["dagster/column_schema"].columns
        for described in (spec.description, *(column.description for column in columns)):
            assert Page(described or "").tags <= HARMLESS
        assert_harmless(repr(spec))


@pytest.mark.parametrize(
    "template",
    [
        "http://{region}.hevodata.com/{pipeline_id}",
        "javascript:alert({pipeline_id})",
        "data:text/html,{pipeline_id}",
        "https://{region.__class__}/{pipeline_id}",
        "https://x/{pipeline_id:>999999999}",
        "https://x/{pipeline_id!r}",
        "https://x/{0}",
        "https://x/{}",
        "https://x/{pipeline_id",
        "https://x/{{pipeline_id}}",
        "https://me:pass@x/{pipeline_id}",
        "https:///{pipeline_id}",
        "https://",
        "https://x:port/{pipeline_id}",
        "https://x/a b",
        "https://x/\x1b[31m",
        "https://x/\n",
        "https://x/\u202e",
        "//x/{pipeline_id}",
        " https://x/",
        "",
    ],
)
def test_a_link_that_is_none_is_refused(template):
    with pytest.raises(HevoConfigurationError, match="ui_url_template") as raised:
        check_url_template(template)
    assert_harmless(str(raised.value))
    with pytest.raises(HevoConfigurationError, match="ui_url_template"):
        HevoResource(api_key="k", api_secret="s", ui_url_template=template)


def test_a_region_is_quoted_in_a_link():
    made = pipeline_url("https://{region}.hevodata.com/{pipeline_id}", "eu/../@x", 7)
    assert made == "https://eu%2F..%2F%40x.hevodata.com/7"
