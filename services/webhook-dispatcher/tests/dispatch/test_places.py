from uuid import UUID

import orjson
import pytest

from flowtask_contracts.commands.webhooks import Ordering
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent
from flowtask_webhook_dispatcher.dispatch.places import place_of


@pytest.fixture
def event(cloud_event):
    return lambda **more: PublicEvent.parse(cloud_event(**more))


@pytest.mark.parametrize(
    ("ordering", "data", "expected"),
    [
        (Ordering.RESOURCE, {"projectId": "p"}, ("t", None)),
        (Ordering.PROJECT, {"projectId": "p"}, ("t", "p")),
        (Ordering.PROJECT, {"projectId": None}, ("t", "t")),
        (Ordering.PROJECT, {"name": "a project"}, ("t", "t")),
        (Ordering.PROJECT, {"projectId": 7}, ("t", "t")),
        (Ordering.PROJECT, {"projectId": ""}, ("t", "t")),
        (Ordering.PROJECT, None, ("t", "t")),
        (Ordering.PROJECT, ["projectId"], ("t", "t")),
    ],
)
def test_an_event_has_the_place_of_its_resource_and_of_its_project(event, ordering, data, expected):
    assert place_of(ordering, event(subject="t", data=data)) == expected


def test_an_event_of_nothing_waits_for_nobody(event):
    document = orjson.loads(event().raw)
    del document["subject"]
    alone = PublicEvent.parse(orjson.dumps(document))
    for ordering in (Ordering.RESOURCE, Ordering.PROJECT):
        assert UUID(place_of(ordering, alone).key) == alone.id
        assert place_of(ordering, alone).group is None


@pytest.mark.parametrize("key", ["\N{GRINNING FACE}" * 999, "x" * 201])
def test_a_key_that_no_index_could_hold_has_a_short_one_in_its_place(event, key):
    long, other = event(subject=key), event(subject=key[:-1] + "y")
    place = place_of(Ordering.PROJECT, long)
    assert len(place.key.encode()) <= 800
    assert place == place_of(Ordering.PROJECT, long)
    assert place.key != place_of(Ordering.PROJECT, other).key


def test_a_project_whose_id_no_column_could_hold_is_a_key_all_the_same(event):
    place = place_of(Ordering.PROJECT, event(subject="t", data={"projectId": "a\0b"}))
    assert "\0" not in place.group
