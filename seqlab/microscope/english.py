"""What the English model shows, measured for those who have it not: `python -m seqlab.microscope.english`."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from seqlab.microscope.changed import broken
from seqlab.microscope.measures import apart, census, directions, kept
from seqlab.microscope.specimens import english
from seqlab.microscope.trace import ModelMissing, Specimen
from seqlab.patterns import window
from seqlab.patterns.catalogue import relays

FILE = Path(__file__).with_name("english.json")
RIVER = (
    "the bank of the river was steep .",
    "they swam to the far bank and rested .",
    "a boat lay on the muddy bank .",
    "grass grew along the bank of the stream .",
    "he fished from the bank all day .",
    "the flood broke the bank of the canal .",
)
MONEY = (
    "she put her money in the bank .",
    "the bank raised its interest rates .",
    "he took a loan from the bank .",
    "the bank closed my account .",
    "a clerk at the bank counted the notes .",
    "the bank lent them the money for the house .",
)


def results() -> tuple[dict[str, float], str]:
    """The numbers, and where they come from: measured here, or where the model is missing, read from the file."""
    try:
        return measured(english()), "measured here"
    except ModelMissing as missing:
        return json.loads(FILE.read_text()), f"read from a shipped run. {missing}"


def measured(specimen: Specimen) -> dict[str, float]:
    """What is said of the model, by the end of its claim's id."""
    text = specimen.example
    trace, (_, mixed) = specimen.read(text), specimen.mixed(text)
    control = broken(specimen.model, weights=True).trace(*specimen.encode(text))
    previous = lambda seen: seen.weights.diagonal(-1, 2, 3).mean(-1)
    head = divmod(int(previous(trace).argmax()), trace.scores.shape[1])
    ranks = torch.stack([directions(q, k) for q, k in zip(*(part.flatten(0, 1) for part in specimen.maps))])
    far, near = census(trace.scores), census(control.scores)
    reads = [specimen.read(text) for text in RIVER + MONEY]
    before, *_, bank = torch.stack([read.hidden[:, read.tokens.index("bank")] for read in reads], dim=1)
    sense = torch.arange(len(RIVER + MONEY)) < len(RIVER)
    found = {
        "hard": (far[..., 0] < 0.1).sum(),
        "average": (far[..., 1] < 0.1).sum(),
        "sigmoid": (far[..., 2] < 0.1).sum(),
        "control.average": (near[..., 1] < 0.1).sum(),
        "previous": previous(trace)[head],
        "previous.mixed": previous(mixed)[head],
        "previous.control": previous(control).max(),
        "directions.least": ranks.min(),
        "directions.mean": ranks.mean(),
        "window": (kept(trace.weights, window(3) | relays([0, -1])) >= 0.99).sum(),
        "bank": apart(bank, sense[:, None] == sense),
        "bank.luck": luck(bank, sense),
        "bank.before": luck(before, sense),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def luck(names: torch.Tensor, sense: torch.Tensor, draws: int = 1999) -> float:
    """How often senses dealt at random part the names as well: a permutation test."""
    draw = torch.Generator().manual_seed(0)
    orders = [torch.arange(len(sense)), *(torch.randperm(len(sense), generator=draw) for _ in range(draws))]
    ratios = torch.stack([apart(names, sense[order][:, None] == sense[order]) for order in orders])
    return (ratios <= ratios[0]).double().mean().item()


if __name__ == "__main__":
    FILE.write_text(json.dumps(measured(english()), indent=1) + "\n")
    print(FILE.read_text())
