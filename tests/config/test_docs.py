"""What the documents list is what there is: variables and files."""

import re
import runpy
from pathlib import Path

import environ
import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.fixture
def read_by_settings(monkeypatch) -> set[str]:
    """The variables that config/settings.py asks the environment for, those of an optional service too."""
    names = set()
    get_value = environ.Env.get_value

    def noted(env, name, *args, **kwargs):
        names.add(name)
        return get_value(env, name, *args, **kwargs)

    monkeypatch.setattr(environ.Env, "get_value", noted)
    runpy.run_path(str(ROOT / "config" / "settings.py"))
    return names


def test_every_variable_is_in_the_table_of_settings_and_no_other(read_by_settings):
    assert {"DATABASE_URL", "TIKTOK_CLIENT_KEY", "YOUTUBE_REVOKE_URL", "REDIS_URL"} <= read_by_settings
    settings = (ROOT / "docs" / "operations.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", settings, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == read_by_settings


def test_every_variable_has_a_line_in_the_example_and_no_other(read_by_settings):
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert {found[1] for line in lines if (found := re.match(r"# ([A-Z_]+)=", line))} == read_by_settings


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
