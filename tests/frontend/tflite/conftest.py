"""Failures inside the shared checks show the values compared, as in a test itself."""

import pytest

pytest.register_assert_rewrite("tflite_checks")
