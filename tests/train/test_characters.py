"""The character model, its checkpoint, the training loop, the data, and the pretrained reaction model."""

import gzip

import pytest
import torch

from seqlab import data
from seqlab.start.reaction import KNOWN_MAP, REACTION, ReactionModel, atom_map, atoms_right
from seqlab.train import characters, checkpoint
from seqlab.train.fit import evaluate, fit, uncompiled, windows

TINY = characters.CharConfig(alphabet="\n abc", dim=8, heads=2, layers=2, context=12)


def tiny():
    torch.manual_seed(0)
    return characters.CharModel(TINY)


def batches(model, seed=0):
    return windows(model.encode("abc cab\n" * 50), batch=4, length=9, seed=seed)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, torch.optim.LBFGS])
def test_an_optimizer_without_a_compiler_takes_the_same_steps(kind):
    ends = []
    for made in (kind, uncompiled(kind)):
        weights = torch.tensor([3.0, -2.0], requires_grad=True)
        optimizer = made([weights], lr=0.1)

        def loss():
            optimizer.zero_grad()
            (value := weights.square().sum() + weights.prod()).backward()
            return value

        for _ in range(5):
            optimizer.step(loss)
        ends.append(weights.detach())
    assert torch.equal(*ends) and not torch.equal(ends[0], torch.tensor([3.0, -2.0]))


def test_encode_is_undone_by_decode_and_names_strangers():
    model = tiny()
    assert model.decode(model.encode("cab a\n")) == "cab a\n"
    with pytest.raises(ValueError, match="'x'"):
        model.encode("abx")


def test_trace_is_the_forward_pass():
    model, ids = tiny(), tiny().encode("abc cab")[None]
    trace = model.trace(ids)
    torch.testing.assert_close(trace.logits, model(ids))
    assert trace.hidden.shape == (3, 1, 7, 8) and trace.weights.shape == (2, 1, 2, 7, 7)
    assert (trace.weights.triu(1) == 0).all()


def test_the_model_cannot_see_the_future():
    model = tiny()
    a, b = (model(model.encode(text)[None])[0] for text in ("abcab", "abcaa"))
    torch.testing.assert_close(a[:4], b[:4])


def test_too_long_an_input_is_refused():
    with pytest.raises(ValueError, match="at most 12"):
        tiny()(torch.zeros(1, 13, dtype=torch.long))


def test_training_learns_and_repeats():
    runs = []
    for _ in range(2):
        model = tiny()
        history = fit(model, batches(model), steps=150, lr=1e-2)
        assert history.loss[-1] < 0.5 * history.loss[0]
        runs.append(history.loss)
    assert runs[0] == runs[1]


def test_windows_follow_their_seed():
    ids = torch.arange(100)
    first, again, other = (next(windows(ids, batch=3, length=5, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    with pytest.raises(ValueError, match="got 3 tokens"):
        next(windows(torch.arange(3), batch=1, length=5, seed=0))


def test_interrupt_keeps_what_was_learned(tmp_path, capsys):
    model = tiny()

    def stop(history):
        if history.steps >= 10:
            raise KeyboardInterrupt

    path = tmp_path / "kept.pt"
    history = fit(model, batches(model), steps=1000, watch=stop, every=5)
    checkpoint.save(model, path)
    assert history.interrupted and history.steps == 10
    assert "Stopped after step 10 of 1000" in capsys.readouterr().out
    assert characters.load(path).config == TINY


def test_a_diverging_run_says_where():
    model = tiny()
    with torch.no_grad():
        model.norm.weight.fill_(float("inf"))
    with pytest.raises(FloatingPointError, match="step 1"):
        fit(model, batches(model), steps=3)


def test_a_checkpoint_is_half_precision(tmp_path):
    checkpoint.save(tiny(), tmp_path / "tiny.pt")
    stored = torch.load(tmp_path / "tiny.pt", weights_only=True)["state"].values()
    assert {value.dtype for value in stored if value.is_floating_point()} == {torch.float16}
    assert all(
        value.dtype == torch.float32
        for value in characters.load(tmp_path / "tiny.pt").state_dict().values()
        if value.is_floating_point()
    )


def test_save_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    checkpoint.save(tiny(), path)
    before = path.read_bytes()

    def half_way(state, file):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_way)
    with pytest.raises(OSError):
        checkpoint.save(tiny(), path)
    assert path.read_bytes() == before


def test_load_explains_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        characters.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a checkpoint"):
        characters.load(tmp_path / "bad.pt")


def test_the_shipped_checkpoint_reads_unseen_text_well():
    model = characters.load()
    assert (characters.FILE).stat().st_size < 1_500_000
    _, test = data.split(data.austen())
    held_out = windows(model.encode(test), batch=8, length=model.config.context + 1, seed=0)
    assert evaluate(model, held_out, 3) < 1.5


def test_the_novel_is_whole():
    text = data.austen()
    assert len(text) > 600_000 and "It is a truth universally acknowledged" in text
    train, test = data.split(text)
    assert train + test == text and len(test) == pytest.approx(len(text) / 10, abs=1)


def test_damaged_data_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="make setup"):
        data.austen()
    (tmp_path / "austen_pride_and_prejudice.txt.gz").write_bytes(gzip.compress(b"text")[:-3])
    with pytest.raises(ValueError, match="damaged"):
        data.austen()


def test_every_data_file_has_its_source():
    sources = (data.FOLDER / "SOURCES.md").read_text()
    files = [file.name for file in data.FOLDER.iterdir() if file.suffix in (".gz", ".pt") or file.name == "reactions"]
    assert files and all(f"`{name}`" in sources for name in files)


@pytest.fixture(scope="module")
def reaction_model():
    return ReactionModel()


def test_one_head_maps_all_atoms(reaction_model):
    trace = reaction_model.trace(REACTION)
    assert trace.weights.shape == (12, 8, 56, 56)
    assert atoms_right(atom_map(trace)) == len(KNOWN_MAP) == 11
    assert atoms_right(atom_map(trace, 10, 0)) < 6
    assert {trace.tokens[p].lower() == trace.tokens[r].lower() for p, r in atom_map(trace).items()} == {True}


def test_smiles_tokens(reaction_model):
    assert reaction_model.tokenize("[K+].BrC>>C%10Cl") == [
        "[CLS]",
        "[K+]",
        ".",
        "Br",
        "C",
        ">>",
        "C",
        "%10",
        "Cl",
        "[SEP]",
    ]
    with pytest.raises(ValueError, match="character 3 .*' '"):
        reaction_model.tokenize("CC O")
