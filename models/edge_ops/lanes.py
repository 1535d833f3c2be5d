"""Eight numbers at a time for numba, where loops are too short to become vector instructions.

A vector comes from a row of an array, a scalar or arithmetic on vectors. Arrays have two dimensions
and are contiguous; indices are not checked. Written for loops alone: there is no vector in Python.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
_FLAGS = ("contract",)
_INT32 = ir.IntType(32)


class Vector(types.Type):
    """Type of eight elements, float32 or float64."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        super().__init__(name=f"Vector({element} x {LANES})")

    @property
    def llvm(self) -> ir.VectorType:
        """The type in LLVM."""
        element = ir.FloatType() if self.element is types.float32 else ir.DoubleType()
        return ir.VectorType(element, LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


def _arithmetic(symbol: Callable[..., Any], instruction: str) -> None:
    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(symbol, Vector, Vector)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FLAGS)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.mul, "fmul")


def _pointer(context: Any, builder: Any, array_type: Any, place: Any) -> Any:
    """Address of array[row, column : column + 8], as of a vector."""
    array, row, column = place
    content = context.make_array(array_type)(context, builder, array)
    width = builder.extract_value(content.shape, 1)
    pointer = builder.gep(content.data, [builder.add(builder.mul(row, width), column)])
    return builder.bitcast(pointer, Vector(array_type.dtype).llvm.as_pointer())


@intrinsic
def load(typingctx, array, row, column):
    """array[row, column : column + 8]."""

    def codegen(context, builder, sig, args):
        pointer = _pointer(context, builder, sig.args[0], args)
        return builder.load(pointer, align=sig.args[0].dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.intp, types.intp), codegen


@intrinsic
def store(typingctx, array, row, column, vector):
    """array[row, column : column + 8] = vector."""

    def codegen(context, builder, sig, args):
        pointer = _pointer(context, builder, sig.args[0], args[:3])
        builder.store(args[3], pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), codegen


def _shuffle(builder: Any, vector: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)
    return builder.shuffle_vector(vector, vector, mask)


@intrinsic
def splat(typingctx, scalar):
    """The vector that holds a scalar in every lane."""
    vector = Vector(scalar)

    def codegen(context, builder, sig, args):
        empty = ir.Constant(vector.llvm, ir.Undefined)
        one = builder.insert_element(empty, args[0], ir.Constant(_INT32, 0))
        return _shuffle(builder, one, [0] * LANES)

    return vector(scalar), codegen


@intrinsic
def zero(typingctx, array):
    """The vector of zeros in the dtype of an array."""
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        return ir.Constant(vector.llvm, [0.0] * LANES)

    return vector(array), codegen


@intrinsic
def total(typingctx, vector):
    """Sum of the lanes, pairwise."""

    def codegen(context, builder, sig, args):
        value, lanes = args[0], LANES
        while lanes > 1:
            lanes //= 2
            low = _shuffle(builder, value, list(range(lanes)))
            high = _shuffle(builder, value, list(range(lanes, 2 * lanes)))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(_INT32, 0))

    return vector.element(vector), codegen
