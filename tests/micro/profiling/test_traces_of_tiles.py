"""Traces of steps that run tile by tile become tensors again."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.archive.metadata import Patches, Tensor

ROWS, COLUMNS = ((0, 3), (2, 4)), ((0, 2), (1, 5))
WHOLE = np.arange(4 * 5 * 3, dtype="int16").reshape(1, 4, 5, 3)


def records(narrow: bool) -> bytes:
    """Rows of the tiles one after the other; noise where a row has no columns of its tile."""
    found = []
    for top, bottom in ROWS:
        for left, right in COLUMNS:
            for row in range(top, bottom):
                record = np.full((4 if narrow else 5, 3), -1, "int16")
                start = 0 if narrow else left
                record[start : start + right - left] = WHOLE[0, row, left:right]
                found.append(record.tobytes())
    return b"".join(found)


@pytest.mark.parametrize(("narrow", "row_bytes"), [(True, 24), (False, 30)])
def test_rows_of_tiles_make_the_tensor(narrow, row_bytes):
    patches = Patches(ROWS, COLUMNS, row_bytes, narrow)
    tensor = Tensor("t", WHOLE.shape, "int16", patches=patches)
    np.testing.assert_array_equal(patches.join(records(narrow), tensor), WHOLE)


def test_what_no_tile_computes_is_masked():
    patches = Patches(((0, 3),), ((0, 4),), 24, narrow=True)
    tensor = Tensor("t", WHOLE.shape, "int16", patches=patches)
    data = b"".join(WHOLE[0, row, :4].tobytes() for row in range(3))
    joined = patches.join(data, tensor)
    assert np.ma.count(joined) == 3 * 4 * 3
    assert not (joined != WHOLE).any()
    assert joined.mask[0, 3].all()
    assert joined.mask[0, :, 4].all()
