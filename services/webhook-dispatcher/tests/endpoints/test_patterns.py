import pytest

from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.events import PUBLIC_TYPES
from flowtask_webhook_dispatcher.endpoints.patterns import check, matches


@pytest.mark.parametrize(
    ("patterns", "kind", "expected"),
    [
        (["*"], "task.created", True),
        (["*"], "something.nobody.knows", True),
        (["task.*"], "task.created", True),
        (["task.*"], "tasks.created", False),
        (["task.created"], "task.created", True),
        (["task.created"], "task.created.twice", False),
        (["task.created", "project.*"], "project.deleted", True),
        (["project.*"], "task.created", False),
        (["inbound.*"], "inbound.shop.order.paid", True),
        (["inbound.shop.*"], "inbound.shop.order.paid", True),
        (["inbound.shop.order.*"], "inbound.shop.order.paid", True),
        (["inbound.shop.*"], "inbound.shop", False),
        (["inbound.shop.*"], "inbound.shopping.paid", False),
        (["inbound.sh*"], "inbound.shop.paid", False),
        (["*.created"], "task.created", False),
        (["task.*"], "task", False),
        ([], "task.created", False),
        (["task"], "task", True),
    ],
)
def test_which_types_a_pattern_covers(patterns, kind, expected):
    assert matches(patterns, kind) is expected


def test_every_public_type_its_group_and_the_star_are_accepted():
    groups = {f"{kind.partition('.')[0]}.*" for kind in PUBLIC_TYPES}
    assert check([*PUBLIC_TYPES, *groups, "*"]) == [*PUBLIC_TYPES, *groups, "*"]


def test_repeats_are_dropped_and_the_order_stays():
    assert check(["task.created", "*", "task.created"]) == ["task.created", "*"]


@pytest.mark.parametrize(
    "pattern", ["task", "task.", "task.*.x", "*.created", "**", "Task.created", " task.created", "user.*"]
)
def test_a_pattern_that_no_event_could_match_is_refused_with_what_is_known(pattern):
    with pytest.raises(ValidationFailed) as refusal:
        check(["task.created", pattern])
    [detail] = refusal.value.details
    assert detail.field == "events"
    assert pattern in detail.message
    assert "task.created" in detail.message
