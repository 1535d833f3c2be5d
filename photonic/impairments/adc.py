"""Output converters: uniform steps on both sides of zero, and a full scale."""

from torch import Tensor


def convert(field: Tensor, bits: int | None, full_scale: float = 1.0) -> Tensor:
    """Fields that a signed converter reports: rounded to its nearest code, clipped at full scale.

    D round(clip(field, -full_scale, full_scale)/D), D = full_scale/(2^(bits - 1) - 1): 2^bits - 1
    codes, symmetric, zero and full scale among them. The gradient is 1 where the converter rounds
    (straight through) and 0 where it clips.

    Args:
        field: (...) real.
        bits: resolution, sign included; the effective bits at speed, not the nominal ones. None =
            continuous and without a full scale.
        full_scale: largest code, in the unit of the field.

    Returns:
        (...) within D/2 of a field that is not clipped; ``field`` itself for ``bits`` None. An odd
        function.

    Raises:
        ValueError: if there are fewer than 2 bits, which leaves no code but zero.

    Source: Bengio, Leonard, Courville, arXiv:1308.3432 (2013) (straight through).
    """
    if bits is None:
        return field
    if bits < 2:
        raise ValueError(f"`bits` must be at least 2, one of them the sign, got {bits}")
    num_positive = 2 ** (bits - 1) - 1
    kept = field.clamp(-full_scale, full_scale)
    code = (kept.detach() * (num_positive / full_scale)).round()
    # The difference is exactly 0: it carries the gradient and leaves the code as it is.
    return code * full_scale / num_positive + (kept - kept.detach())
