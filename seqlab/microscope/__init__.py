"""Pretrained transformers under the microscope: what their heads and streams are, measured beside a control.

| module    | what it holds                                                                             |
| --------- | ----------------------------------------------------------------------------------------- |
| trace     | what a model went through while it read a text; the models that tell it: Encoder, Specimen |
| specimens | the models: chemistry, English, Austen                                                    |
| inspect   | any model of Hugging Face transformers: `seqlab.inspect(model, tokenizer, text)`          |
| measures  | how far names are apart, a head's kind, its directions, its connections, a test           |
| changed   | the same model with one thing changed, and whether it still names every token             |
| english   | what the English model shows, for those who have it not                                   |
| view      | the opening: a text of one's own, one head at a time                                      |
"""
