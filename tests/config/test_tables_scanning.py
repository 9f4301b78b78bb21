"""What every upload goes through before anything reads it."""

import io

import pytest
from django.core.checks import run_checks

from config.tables.errors import FileRefusedError, ScannerUnavailableError
from config.tables.scanning import check_upload


def scan(file, *, name):
    """A scanner that finds what says it is bad, and breaks at what says so."""
    content = file.read()
    if b"broken" in content:
        raise OSError("no signatures")
    return f"{name} holds a virus" if b"bad" in content else ""


def test_a_file_within_the_limit_passes_and_stands_at_its_start(settings):
    settings.MAX_UPLOAD_MB = 1
    file = io.BytesIO(b"x" * 2**20)
    check_upload(file, name="a.csv")
    assert file.tell() == 0
    with pytest.raises(FileRefusedError) as refused:
        check_upload(io.BytesIO(b"x" * (2**20 + 1)), name="a.csv")
    assert (refused.value.code, refused.value.status) == ("file_too_large", 413)


def test_the_scanner_has_the_last_word(settings):
    settings.UPLOAD_SCANNER = f"{__name__}.scan"
    file = io.BytesIO(b"good")
    check_upload(file, name="a.csv")
    assert file.read() == b"good"
    with pytest.raises(FileRefusedError, match=r"a\.csv holds a virus") as refused:
        check_upload(io.BytesIO(b"bad"), name="a.csv")
    assert refused.value.code == "file_infected"


@pytest.mark.parametrize("scanner", [f"{__name__}.scan", f"{__name__}.nobody"])
def test_a_scanner_that_fails_refuses_the_file(settings, scanner):
    settings.UPLOAD_SCANNER = scanner
    with pytest.raises(ScannerUnavailableError) as refused:
        check_upload(io.BytesIO(b"broken"), name="a.csv")
    assert (refused.value.code, refused.value.status) == ("scanner_unavailable", 503)


@pytest.mark.parametrize("scanner", [f"{__name__}.nobody", "nowhere.scan", "nodots", f"{__name__}.__name__"])
def test_a_scanner_that_is_not_there_stops_the_start(settings, scanner):
    settings.UPLOAD_SCANNER = scanner
    assert "config.E001" in {message.id for message in run_checks()}
    settings.UPLOAD_SCANNER = f"{__name__}.scan"
    assert "config.E001" not in {message.id for message in run_checks()}
