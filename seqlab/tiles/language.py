"""`triton` and `tl`, in which this lab's kernels are written: Triton's own, or a stand-in where it is not installed.

    from seqlab.tiles.language import tl, triton        in place of `import triton; import triton.language as tl`

Nothing else is imported here: the compiler's process loads this file as well.
"""

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError:
    from seqlab.tiles import standin as triton

    tl = triton.language

__all__ = ["tl", "triton"]
