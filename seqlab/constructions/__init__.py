"""Transformers whose weights a proof writes down: nothing here is trained.

universal          Yun et al. 2019: quantise, name the contexts, look the values up
sparse_universal   Yun et al. 2020: the same names when a token sees only a few others
turing             Zaheer et al. 2020: a Turing machine run by a decoder with two edges a row
"""
