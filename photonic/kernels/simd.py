"""Vectors of 64 bytes for numba: 16 float32 or 8 float64 in one register of AVX-512.

Narrower machines split them into as many registers as they need; the results do not change. A
vector comes from an array, a scalar or arithmetic on vectors; ``a * b + c`` becomes one fused
operation. Arrays are one-dimensional and contiguous; indices count elements and are not checked.

Written for kernels alone: there is no vector in Python.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

VECTOR_BYTES = 64
_FLAGS = ("contract",)
_INT32 = ir.IntType(32)


class Vector(types.Type):
    """Type of a vector of ``lanes`` elements, float32 or float64."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        self.lanes = VECTOR_BYTES * 8 // element.bitwidth
        super().__init__(name=f"Vector({element} x {self.lanes})")

    @property
    def llvm(self) -> ir.VectorType:
        """The type in LLVM."""
        element = ir.FloatType() if self.element is types.float32 else ir.DoubleType()
        return ir.VectorType(element, self.lanes)


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
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    pointer = _pointer(context, builder, array_type, array, index)
    vector = Vector(array_type.dtype).llvm
    value = builder.load(builder.bitcast(pointer, vector.as_pointer()), typ=vector)
    value.align = array_type.dtype.bitwidth // 8
    return value


def _store(context: Any, builder: Any, array_type: Any, array: Any, index: Any, value: Any) -> None:
    pointer = _pointer(context, builder, array_type, array, index)
    stored = builder.store(value, builder.bitcast(pointer, value.type.as_pointer()))
    stored.align = array_type.dtype.bitwidth // 8


def _shuffle(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)
    )


def _splat(builder: Any, scalar: Any, vector: ir.VectorType) -> Any:
    empty = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(empty, scalar, ir.Constant(_INT32, 0))
    return _shuffle(builder, one, empty, [0] * vector.count)


@intrinsic
def load(typingctx, array, index):
    """array[index : index + lanes]."""

    def codegen(context, builder, sig, args):
        return _load(context, builder, sig.args[0], *args)

    return Vector(array.dtype)(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, vector):
    """array[index : index + lanes] = vector."""

    def codegen(context, builder, sig, args):
        _store(context, builder, sig.args[0], *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


@intrinsic
def load_pairs(typingctx, array, index):
    """Even and odd elements of array[index : index + 2 lanes]: real and imaginary parts."""
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        first = _load(context, builder, sig.args[0], args[0], args[1])
        step = ir.Constant(args[1].type, vector.lanes)
        second = _load(context, builder, sig.args[0], args[0], builder.add(args[1], step))
        even = _shuffle(builder, first, second, list(range(0, 2 * vector.lanes, 2)))
        odd = _shuffle(builder, first, second, list(range(1, 2 * vector.lanes, 2)))
        return context.make_tuple(builder, sig.return_type, (even, odd))

    return types.UniTuple(vector, 2)(array, types.intp), codegen


@intrinsic
def store_pairs(typingctx, array, index, even, odd):
    """Write two vectors by turns into array[index : index + 2 lanes]."""

    def codegen(context, builder, sig, args):
        pointer, start, first, second = args
        lanes = sig.args[2].lanes
        order = [lane + turn * lanes for lane in range(lanes) for turn in (0, 1)]
        halves = (
            _shuffle(builder, first, second, order[:lanes]),
            _shuffle(builder, first, second, order[lanes:]),
        )
        step = ir.Constant(start.type, lanes)
        _store(context, builder, sig.args[0], pointer, start, halves[0])
        _store(context, builder, sig.args[0], pointer, builder.add(start, step), halves[1])
        return context.get_dummy_value()

    return types.void(array, types.intp, even, odd), codegen


@intrinsic
def splat(typingctx, scalar):
    """The vector that holds a scalar in every lane."""
    vector = Vector(scalar)

    def codegen(context, builder, sig, args):
        return _splat(builder, args[0], vector.llvm)

    return vector(scalar), codegen


@intrinsic
def constant(typingctx, like, single, double):
    """A number in every lane: ``single`` in float32 vectors, ``double`` in float64 vectors."""

    def codegen(context, builder, sig, args):
        number = args[1] if like.element is types.float32 else args[2]
        return _splat(
            builder, context.cast(builder, number, types.float64, like.element), like.llvm
        )

    return like(like, types.float64, types.float64), codegen


@intrinsic
def is_single(typingctx, vector):
    """True for float32; known when a kernel is compiled, so that only one branch remains."""

    def codegen(context, builder, sig, args):
        return ir.Constant(ir.IntType(1), int(vector.element is types.float32))

    return types.boolean(vector), codegen


def _function(name: str, text: str) -> Callable[..., Any]:
    """Function of LLVM that maps a vector lane by lane."""

    def typing(typingctx, vector):
        def codegen(context, builder, sig, args):
            suffix = f"v{vector.lanes}f{vector.element.bitwidth}"
            function_type = ir.FunctionType(vector.llvm, [vector.llvm])
            function = get_or_insert_function(
                builder.module, function_type, f"llvm.{name}.{suffix}"
            )
            return builder.call(function, args)

        return vector(vector), codegen

    typing.__name__, typing.__doc__ = name, text
    return intrinsic(typing)


nearest = _function("rint", "Nearest integers, ties to even.")
floor = _function("floor", "Largest integers not above.")
absolute = _function("fabs", "Absolute values.")


@intrinsic
def where_equal(typingctx, left, right, yes, no):
    """``yes`` in the lanes where left == right, else ``no``."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("==", args[0], args[1]), args[2], args[3])

    return yes(left, right, yes, no), codegen


@intrinsic
def exceeds(typingctx, vector, limit):
    """True if a lane is larger than a float64 number."""

    def codegen(context, builder, sig, args):
        bound = context.cast(builder, args[1], types.float64, vector.element)
        is_larger = builder.fcmp_ordered(">", args[0], _splat(builder, bound, vector.llvm))
        mask = builder.bitcast(is_larger, ir.IntType(vector.lanes))
        return builder.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0))

    return types.boolean(vector, types.float64), codegen


@intrinsic
def total(typingctx, vector):
    """Sum of the lanes, pairwise."""

    def codegen(context, builder, sig, args):
        value, lanes = args[0], vector.lanes
        while lanes > 1:
            lanes //= 2
            low = _shuffle(builder, value, value, list(range(lanes)))
            high = _shuffle(builder, value, value, list(range(lanes, 2 * lanes)))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(_INT32, 0))

    return vector.element(vector), codegen
