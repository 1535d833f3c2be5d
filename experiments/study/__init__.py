"""Studies that scale: a description in a file, tasks on any number of workers, a store on disk."""

from experiments.study.reader import open_study

__all__ = ["open_study"]
