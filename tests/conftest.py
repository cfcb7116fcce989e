"""What the tests share: hypothesis' settings, a new interpreter, and a measure of memory."""

import contextlib
import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test measures time, so that none fails on a busy machine.
settings.register_profile("mlpcore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlpcore")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path):
    """Run each test in an empty folder: a Python started in the checkout would import the mlpcore
    there, which has no compiled parts, and files by relative names must not land in it. Without
    monkeypatch, since a test that undoes its own patches would return to the checkout."""
    with contextlib.chdir(tmp_path):
        yield


@pytest.fixture
def run_python(tmp_path):
    """Return a function that runs code in a new interpreter, warnings being errors there, too.

    Its working directory is empty, and it can import this folder's modules. It returns what came
    on standard output and fails for any other exit status than `expect`.
    """

    def run(code, *, expect=0, **environment):
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            env=os.environ | {"TESTS": str(Path(__file__).parent)} | environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == expect, result.stderr
        return result.stdout

    return run


@pytest.fixture
def peak():
    """Return a function that calls another and returns the most memory it held, in bytes."""

    def measure(function, *args):
        tracemalloc.start()
        try:
            function(*args)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure


@pytest.fixture(scope="module")
def browser():
    """Return a headless Chromium, for the tests of one module: its loop of events would otherwise
    be in the way of other tests that run one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    # Its sandbox refuses to run as root.
    options = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()
