"""Transformers whose weights a proof writes down: nothing here is trained.

universal   Yun et al. 2019: quantise, name the contexts, look the values up
"""
