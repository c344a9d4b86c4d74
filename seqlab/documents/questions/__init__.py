"""Long-document question answering: the section that answers, in up to 25,000 tokens, by sparse attention over all.

| paper (Zaheer et al. 2020)                | here                                                                |
| ----------------------------------------- | ------------------------------------------------------------------- |
| ETC, g global tokens appended             | the question is the global tokens: it hears all and is heard by all |
| window w, random r, block b               | `layout`: 3 blocks, 1 block, 32 tokens                              |
| a model that cuts at 512 tokens           | "first 512": dense, the question and the first 512 tokens           |
| (argument) a path from question to answer | `reachable`, `ceiling`                                              |
"""

from seqlab.documents.questions.experiment import chance, pooled, quick, results, summary, train
from seqlab.documents.questions.hearing import ARMS, ceiling, layout, listens, reachable
from seqlab.documents.questions.model import Answer, Config, Found, Reader, ask, shipped
from seqlab.documents.questions.text import TEST, Document, document, documents, tokens, word_scores

__all__ = [
    "ARMS",
    "Answer",
    "Config",
    "Document",
    "Found",
    "Reader",
    "TEST",
    "ask",
    "ceiling",
    "chance",
    "document",
    "documents",
    "layout",
    "listens",
    "pooled",
    "quick",
    "reachable",
    "results",
    "shipped",
    "summary",
    "tokens",
    "train",
    "word_scores",
]
