"""How 8-bit matrices are cut for the kernel, and how large weights may be so that its sums cannot overflow.

    tokens   (tiles, columns / 4, ROWS, 4)                 uint8: a level, plus OFFSET
    weights  (outputs / OUTPUTS, columns / 4, OUTPUTS, 4)  int8

The kernel adds up in 16 bits over ``STEPS`` steps of four columns: of each four the first two in one sum, the
last two in another. A sum stays within 16 bits whatever the tokens are if the weights of one sign in it make
no more than ``LARGEST_SUM``. More steps cost less time and leave weights fewer levels; more levels for tokens
do that too; docs/imagebind.md has what was measured.
"""

from __future__ import annotations

ROWS, OUTPUTS = 6, 16  # a tile's sums fill 12 of the processor's 16 registers
STEPS = 16
DEPTH = 4 * STEPS
TOKEN_LEVELS = 51  # on either side of zero
OFFSET = TOKEN_LEVELS + 1
LEAST = 1e-12  # the least that a scale's row is taken for, should it be all zeros
LARGEST_SUM = 32767 // (OFFSET + TOKEN_LEVELS)
ATTENTION_LEVELS = 4095  # on either side of zero, of queries and keys
VALUE_LEVELS = 2047  # on either side of zero; and of shares, which are positive


def suits_shape(outputs: int, columns: int) -> bool:
    """Whether weights (outputs, columns) are whole tiles."""
    return outputs % OUTPUTS == 0 and columns % DEPTH == 0


def suits_attention(length: int, width: int) -> bool:
    """Whether heads of ``width`` with ``length`` keys are whole tiles whose sums stay within 32 bits."""
    within = max(width * ATTENTION_LEVELS**2, length * VALUE_LEVELS**2) < 2**31
    return within and width % OUTPUTS == 0
