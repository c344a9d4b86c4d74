"""Transformers whose weights a proof writes down: nothing here is trained.

universal          Yun et al. 2019: quantise, name the contexts, look the values up
sparse_universal   Yun et al. 2020: the same names when a token sees only a few others
star               Zaheer et al. 2020: the same names through one relay token
turing             Zaheer et al. 2020: a Turing machine run by a decoder with two edges a row
one_layer          Kajitsuka & Sato 2023: one softmax head of rank one names contexts, a table answers
sigmoid_universal  Ramapuram et al. 2024: four steep sigmoid heads take the place of two hardmax heads
looped             Xu & Sato 2024: one block, applied again and again, with and without a clock
"""
