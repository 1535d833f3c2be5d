"""A weight without storage of its own that can still be changed in place."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_INPLACE_OPERATORS = frozenset(
    f"__{name}__" for name in ("setitem", "iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow")
)


class ComputedWeight(Tensor):
    """Weight handed out by a layer that computes it; changes in place reach the layer.

    It may be changed where a parameter may be, under ``torch.no_grad()`` and by ``nn.init``,
    directly or through a view such as ``weight[0]`` or ``weight.data``: the layer is then set to
    the new values. All other results are plain tensors, differentiable as usual. A numpy array
    that shares its memory is not watched.
    """

    _root: "ComputedWeight"
    """The whole weight; itself, unless this is a view."""
    _write: Callable[[Tensor], None]
    """Sets the layer to a weight."""

    @classmethod
    def hand_out(cls, weight: Tensor, write: Callable[[Tensor], None]) -> "ComputedWeight":
        """The weight (out_features, in_features), whose new values are given to ``write``."""
        computed = weight.as_subclass(cls)
        computed._root, computed._write = computed, write
        return computed

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation; afterwards give changed values to the layer."""
        kwargs = kwargs or {}
        changed = _changed(func, args, kwargs)
        is_init = getattr(func, "__module__", None) == "torch.nn.init"
        with torch._C.DisableTorchFunctionSubclass():
            if isinstance(changed, cls):
                if torch.is_grad_enabled() and changed.requires_grad and not is_init:
                    raise RuntimeError(
                        "a computed weight can be changed in place only under torch.no_grad()"
                    )
                func(*args, **kwargs)
                root = changed._root
                root._write(root.as_subclass(Tensor))
                return changed
            result = func(*args, **kwargs)
            source = args[0] if args else None
            if isinstance(source, cls):
                return _watched(result, source)
            return result


def _changed(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What an operation changes in place, None if nothing."""
    if "out" in kwargs:
        return kwargs["out"]
    name = func.__name__
    if name in _INPLACE_OPERATORS or (name.endswith("_") and not name.endswith("__")):
        return args[0] if args else kwargs.get("tensor")
    return None


def _watched(result: Any, source: ComputedWeight) -> Any:
    """A result; views of the weight among it keep their tie to the layer."""
    if isinstance(result, tuple | list):
        return type(result)(_watched(part, source) for part in result)
    if isinstance(result, ComputedWeight) or not isinstance(result, Tensor):
        return result
    if result.untyped_storage().data_ptr() != source.untyped_storage().data_ptr():
        return result
    view = result.as_subclass(ComputedWeight)
    view._root, view._write = source._root, source._write
    return view
