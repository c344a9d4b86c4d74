"""Compiled kernels are kept whole, and only where nobody else can write."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from kernels import cache, native
from kernels.instruments import compile as asking


@pytest.fixture(scope="module")
def compiled():
    """The library of this session, so that no test waits for a compiler."""
    library, status = native._library()
    if library is None:
        pytest.skip(status)
    return Path(library._name).read_bytes() if Path(library._name).exists() else pytest.skip(status)


@pytest.fixture
def build(compiled, monkeypatch, tmp_path):
    """Load once more, with an empty cache and a compiler that takes no time; how often it was asked."""
    asked, run = [], native.subprocess.run

    def quick(command, **options):
        if "-o" not in command:
            return run(command, **options)
        asked.append(command)
        Path(command[-1]).write_bytes(compiled)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native.subprocess, "run", quick)
    return lambda: (native._load(native._compiler()), len(asked))


def test_a_library_that_is_not_whole_is_built_anew(build, tmp_path, compiled):
    (_, place), _ = build()
    assert build()[1] == 1, "the second time it comes from the cache"
    for damaged in (compiled[: len(compiled) // 2], compiled[:-1] + b"?", b""):
        Path(place).unlink()  # what is loaded stays whole: a process that ends calls into it
        Path(place).write_bytes(damaged)
        library, _ = build()
        assert Path(place).read_bytes() == compiled
    assert [file.name for file in (tmp_path / "seqlab").iterdir()] == [Path(place).name], "nothing else is left"


def test_the_folder_is_the_users_alone(build, tmp_path):
    (tmp_path / "seqlab").mkdir(mode=0o777)
    (tmp_path / "seqlab").chmod(0o777)
    (_, place), _ = build()
    assert stat.S_IMODE(Path(place).parent.stat().st_mode) == 0o700


def test_what_others_own_is_not_used(build, monkeypatch, tmp_path):
    build()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    (_, place), asked = build()
    assert asked == 2 and "is not to be used" in place
    with pytest.raises(PermissionError, match="somebody else's"):
        cache.write(tmp_path / "seqlab" / "x", b"")


def test_a_folder_that_cannot_be_used_leaves_nothing_behind(build, monkeypatch, tmp_path):
    (tmp_path / "seqlab").write_text("a file in its place")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (library, place), _ = build()
    assert library.lanes() and "built anew by each process" in place
    assert not list((tmp_path / "temporary").iterdir())


def test_without_a_home_the_folder_bears_the_users_number(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    assert cache.folder().name == f"seqlab-{os.getuid()}"


def test_cells_of_a_notebook_fall_back_to_a_folder_of_this_process(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SEQLAB_XRAY_CACHE", str(blocked))
    written = asking._written(test_without_a_home_the_folder_bears_the_users_number)
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700 and written.parent == asking._own_folder()
