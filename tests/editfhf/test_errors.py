"""What errors of somebody else's code become in our sentences."""

import pytest

from editfhf.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("no such bucket"), "no such bucket"),
        (RuntimeError("\n\n  out of luck  \nTraceback …"), "out of luck"),
        (ConnectionError(), "ConnectionError"),
        (ValueError(" \n "), "ValueError"),
    ],
)
def test_the_first_line_of_an_error_says_something_whatever_it_holds(error, line):
    assert first_line(error) == line
