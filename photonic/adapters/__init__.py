"""Meshes in the words of other packages: interferometer, Perceval and SAX.

One module per package, to be imported by name. None imports its package at the top: a function that
makes an object of it does, and raises ModuleNotFoundError where the package is missing.
"""
