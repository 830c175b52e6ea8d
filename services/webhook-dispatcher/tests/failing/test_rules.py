import pytest

from flowtask_webhook_dispatcher.failing.rules import Disable, Warn, judge


@pytest.mark.parametrize(
    ("hours", "warned", "verdict"),
    [
        (0, 0, None),
        (59, 0, None),
        (60, 0, Warn(50)),
        (60, 1, Warn(50)),
        (60, 50, None),
        (89, 50, None),
        (90, 50, Warn(75)),
        (107, 75, None),
        (108, 75, Warn(90)),
        (109, 0, Warn(90)),
        (119, 90, None),
        (120, 90, Disable()),
        (500, 0, Disable()),
    ],
)
def test_what_follows_from_hours_of_failures(hours, warned, verdict):
    assert judge(hours, 120, warned) == verdict
