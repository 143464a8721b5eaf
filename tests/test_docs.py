"""Python blocks of the README and the guide run, relative links lead somewhere, and no page falls behind the code."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [
    *PAGES,
    *sorted((ROOT / "docs").glob("*/*.md")),
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("datasets/*.md")),
]
BLOCK = re.compile(r"(?:<!-- not executed: (?P<reason>[^\n]*) -->\n)?^```python\n(?P<code>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text()], ids=name_of)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one namespace per page, in an empty folder."""
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem}")  # dataclasses look their module up by name
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = page.read_text()
    for block in BLOCK.finditer(text):
        if block["reason"] is not None:
            assert len(block["reason"]) > 10, f"{page.name}: say why the block is not executed."
            continue
        lines = text[: block.start("code")].count("\n")
        tree = must_raise(ast.parse("\n" * lines + block["code"], str(page)))
        exec(compile(tree, str(page), "exec"), module.__dict__)
    if page.stem == "training":
        missing = {*module.__dict__["result"], *module.__dict__["scores"]} - words("training.md")
        assert not missing, f"keys that the page does not explain: {missing}"


def must_raise(tree: ast.Module) -> ast.Module:
    """Where a page shows an error (try ... except), running without one is a failure."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and not node.orelse:
            node.orelse = ast.parse("raise AssertionError('the page promises an error here')").body
    return ast.fix_missing_locations(tree)


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link} leads nowhere"
        if anchor:
            headings = [re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings_of(target)]
            assert anchor in headings, f"{name_of(page)}: {link} names no heading"


def headings_of(page: Path) -> list[str]:
    return re.findall(r"^#+ (.*)$", page.read_text(), re.M)


def words(page: str) -> set[str]:
    """What stands in code quotes on a page of the guide, split into names."""
    quoted = re.findall(r"`([^`\n]+)`", (ROOT / "docs" / page).read_text())
    return {word for text in quoted for word in re.findall(r"[\w.]+", text)}


def test_every_unit_and_surrogate_is_on_its_page() -> None:
    from neurosim import units

    missing = {kind.__name__ for kind in (*units.ALL, *units.SURROGATES)} - words("units.md")
    assert not missing


def test_every_format_and_transform_is_on_its_page() -> None:
    from neurosim.data import formats, transforms

    missing = {*formats.FORMATS, *(kind.__name__ for kind in transforms.ALL)} - words("events.md")
    assert not missing


def test_every_layer_and_loss_is_on_its_page() -> None:
    from neurosim import nn

    helpers = {"Layer", "State", "Stateless", "confusion", "detach", "fold_norm"}
    assert not set(nn.__all__) - helpers - words("layers.md") - {"accuracy"}


def test_every_field_of_a_recipe_is_on_its_page() -> None:
    from neurosim.train import SHIPPED, layers, recipe, sets

    tables = (recipe.Recipe, recipe.DataSpec, recipe.FramesSpec, recipe.TrainSpec, *layers.ALL)
    fields = {field.name for table in tables for field in dataclasses.fields(table)}
    missing = (fields | {kind.type for kind in layers.ALL} | set(SHIPPED) | set(sets.SETS)) - words("training.md")
    assert not missing


def test_every_card_is_on_the_data_set_page() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text()
    cards = {card.name for card in (ROOT / "datasets").glob("*.md")} - {"README.md"}
    assert not {card for card in cards if f"../datasets/{card}" not in page}


def test_pages_name_no_machine() -> None:
    for page in ALL_PAGES:
        found = re.findall(r"/(?:home|root|work|tmp|Users)/\S*", page.read_text())
        assert not found, f"{name_of(page)}: {found}"
