"""The pages beside the code: each link leads to a file that is there, and to a heading of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")})
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def _anchor(heading):
    """As GitHub makes it: lower case, without punctuation, spaces as hyphens."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower())
    return kept.replace(" ", "-")


def _anchors(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_a_heading(page):
    links = _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
    wrong = []
    for link in links:
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, heading = link.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.exists() or (heading and place.suffix == ".md" and heading not in _anchors(place)):
            wrong.append(link)
    assert wrong == []
