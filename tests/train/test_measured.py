"""Results are written cell by cell: a run that is stopped goes on where it was."""

import pytest

from seqlab.train import measured


def test_measuring_resumes_keeps_other_parts_and_writes_whole_files(tmp_path):
    path, ran = tmp_path / "x.json", []

    def run(name, depth):
        ran.append(name)
        if name == "stops":
            raise KeyboardInterrupt
        return {"name": name, "depth": depth, "scores": {"loss": 1 / 3}, "curve": [[1, 2000 / 3]], "seconds": 60.0}

    measure = lambda setting, *cells, part="one": measured.measure(path, part, setting, ("name", "depth"), cells, run)
    measure({"n": 0}, ("other", 1), part="two")
    with pytest.raises(KeyboardInterrupt):
        measure({"n": 1}, ("a", 1), ("stops", 1), ("b", 1))
    assert [cell["name"] for cell in measured.load(path)["one"]["cells"]] == ["a"]
    measure({"n": 1}, ("a", 1), ("b", 1))
    stored = measured.load(path)
    assert ran == ["other", "a", "stops", "b"] and stored["one"]["minutes"] == 2 and len(stored["two"]["cells"]) == 1
    assert stored["one"]["cells"][1]["scores"] == {"loss": 0.33333} and "torch" in stored["versions"]
    assert stored["one"]["cells"][1]["curve"] == [[1, 666.67]] and len(path.read_text().splitlines()) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
    measure({"n": 2}, ("a", 1))  # another setting: nothing of the old is kept
    assert ran[-1] == "a" and len(measured.load(path)["one"]["cells"]) == 1
