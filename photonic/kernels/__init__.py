"""Compiled loops of the mesh engine: numba functions on numpy arrays, without torch.

``simd`` gives them vectors, ``compile`` their compilation and its cache on disk. Every kernel takes
a range of independent items, so that ``photonic.threads`` can share them out; it holds no lock.
"""
