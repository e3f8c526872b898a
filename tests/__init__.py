import pytest

# So that an assertion that fails in there shows what differs, as one in a test does.
pytest.register_assert_rewrite("tests.support")
