import re

import pytest

from flowtask_kit import traces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_goes_on_under_the_id_that_it_came_with():
    assert traces.trace_id(f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE
    assert traces.trace_id(f"cc-{TRACE}-00f067aa0ba902b7-01-what-may-come") == TRACE


@pytest.mark.parametrize(
    "traceparent", [None, "", "nonsense", f"00-{TRACE.upper()}-00f067aa0ba902b7-01", f"00-{TRACE}"]
)
def test_what_comes_without_a_trace_gets_one_of_its_own(traceparent):
    first, second = traces.trace_id(traceparent), traces.trace_id(traceparent)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second
