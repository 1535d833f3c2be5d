"""Errors of a chip, one file per effect, each a pure function of arrays and a generator.

Each draw returns ``None`` when its figure is 0 or ``None``: the effect is absent and nothing is
drawn. The order of application is in ``photonic.realisation``.
"""
