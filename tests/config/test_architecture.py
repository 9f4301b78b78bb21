"""The shape of the house: imports, foreign keys and look-ups point left; the way right is the queue or a URL name."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
ORDER = ["affiliates", "platforms", "campaigns", "reconciliation", "alerts"]
COMPOSERS = {"settings.py", "urls.py", "demo", "management"}
"""What in config/ puts the apps together; everything else there is a brick, and imports no app."""
ORM_CALLS = {
    "Count", "Exists", "F", "Max", "Min", "OuterRef", "Prefetch", "Q", "Sum", "alias", "annotate", "defer", "distinct",
    "exclude", "filter", "get", "only", "order_by", "prefetch_related", "select_related", "update", "values",
    "values_list",
}  # fmt: skip


def _modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def _imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_imports_point_left_only():
    wrong = []
    for path, tree in _modules(*ORDER):
        further_right = ORDER[ORDER.index(path.parts[0]) + 1 :]
        wrong += [f"{path}: {name}" for name in sorted(_imports(tree)) if name.split(".")[0] in further_right]
    assert not wrong


def test_the_bricks_of_config_import_no_app():
    wrong = []
    for path, tree in _modules("config"):
        if path.parts[1] not in COMPOSERS:
            wrong += [f"{path}: {name}" for name in sorted(_imports(tree)) if name.split(".")[0] in ORDER]
    assert not wrong


def test_foreign_keys_point_left_only():
    wrong = []
    for model in apps.get_models():
        if model._meta.app_label not in ORDER:
            continue
        for field in model._meta.get_fields():
            target = getattr(field, "related_model", None)
            if field.concrete and target and target._meta.app_label in ORDER:
                here, there = ORDER.index(model._meta.app_label), ORDER.index(target._meta.app_label)
                wrong += [f"{model.__name__}.{field.name}"] if there > here else []
    assert not wrong


def _names_from_the_right() -> dict[str, set[str]]:
    """For each app: the look-up names that apps further right hang on its models, such as `affiliate_reports`."""
    names: dict[str, set[str]] = {app: set() for app in ORDER}
    for model in apps.get_models():
        if model._meta.app_label in ORDER:
            for relation in model._meta.related_objects:
                if relation.related_model._meta.app_label != model._meta.app_label:
                    names[model._meta.app_label].add(relation.get_accessor_name() or "")
                    names[model._meta.app_label].add(relation.name)
    return names


def _lookups(tree: ast.Module) -> Iterator[str]:
    """Every segment of every look-up path given to the ORM, by keyword or as text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in ORM_CALLS:
            texts = [keyword.arg or "" for keyword in node.keywords]
            texts += [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            for text in texts:
                yield from text.lstrip("-").split("__")


def test_lookups_by_name_point_left_only():
    hung = _names_from_the_right()
    wrong = []
    for path, tree in _modules(*ORDER):
        index = ORDER.index(path.parts[0])
        owners = {app: names for app, names in hung.items() if ORDER.index(app) <= index}
        # a name that an app at this one's left (or itself) hangs there is fine
        own = {r.name for m in apps.get_models() for r in m._meta.related_objects
               if r.related_model._meta.app_label in ORDER[: index + 1]}  # fmt: skip
        own |= {f.name for m in apps.get_models() if m._meta.app_label in ORDER[: index + 1] for f in m._meta.fields}
        foreign = set().union(*owners.values()) - own
        wrong += [f"{path}: {name}" for name in _lookups(tree) if name in foreign]
    assert not wrong


@pytest.mark.parametrize("name", settings.TASKS)
def test_every_task_name_resolves(name: str):
    module, function = name.rsplit(".", 1)
    assert callable(getattr(import_module(module), function))


def test_every_queued_name_is_a_listed_task():
    queued = set()
    for _, tree in _modules("config", *ORDER):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "enqueue":
                assert isinstance(node.args[0], ast.Constant), "a task is named by its dotted name"
                queued.add(node.args[0].value)
    assert queued
    assert queued <= set(settings.TASKS)


ONLY_IN = {
    r"\basync_task\b": {"config/queue.py"},
    r"\bimport httpx\b|\bfrom httpx\b": {"platforms/transport.py"},
    r"\bdatetime\.now\(|\btimezone\.now\b|\butcnow\(|\bdate\.today\(": {"config/clock.py"},
    r"\bmark_safe\b|\{\{[^}]*\|\s*safe\b|autoescape off": set(),
}


@pytest.mark.parametrize("pattern", ONLY_IN)
def test_some_things_are_done_in_one_place_only(pattern: str):
    files = [path for folder in ("config", *ORDER, "templates") for path in (ROOT / folder).rglob("*.*")]
    found = {
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in (".py", ".html") and "sandbox" not in path.parts and re.search(pattern, path.read_text())
    }
    assert found <= ONLY_IN[pattern]
