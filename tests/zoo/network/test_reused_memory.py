"""Blocks that a network frees are used again, and the memory goes back in the end."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys

import psutil
import pytest
import torch

from xsim_cli.app import main
from xsim_zoo.network import tiles as module
from xsim_zoo.network.tiles import reused_memory

_BLOCK_BYTES = 2**27
_TIMES = 8

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def page_faults_of_filling(times: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        _ = b"x" * _BLOCK_BYTES
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@on_glibc
def test_a_freed_block_is_used_again_without_page_faults() -> None:
    fresh = page_faults_of_filling(_TIMES)
    with reused_memory(give_back=True):
        page_faults_of_filling(1)
        again = page_faults_of_filling(_TIMES)
    assert again < fresh / 2


@on_glibc
def test_the_memory_goes_back_at_the_end() -> None:
    process = psutil.Process()
    with reused_memory(give_back=True):
        page_faults_of_filling(1)
        held = process.memory_info().rss
    assert process.memory_info().rss < held - _BLOCK_BYTES / 2


LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"


def test_large_pages_are_asked_for_by_the_program_alone() -> None:
    environment = {key: value for key, value in os.environ.items() if key != LARGE_PAGES}
    script = f"import os, xsim_zoo, xsim_cli.app as c; print(os.environ.get('{LARGE_PAGES}'), file=os.sys.stderr); "
    script += f"c.main(['zoo', 'info', 'wiener', '--json']); print(os.environ['{LARGE_PAGES}'], file=os.sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.split() == ["None", "1"]


def test_who_has_decided_otherwise_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LARGE_PAGES, "0")
    main(["zoo", "info", "wiener", "--json"])
    assert os.environ[LARGE_PAGES] == "0"
    assert capsys.readouterr().err == ""


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_glibc", lambda: None)
    with reused_memory(give_back=True):
        assert float(torch.ones(3).sum()) == 3.0
