import asyncio

import pytest

TASKS, PROJECTS = "/api/v1/tasks", "/api/v1/projects"


@pytest.fixture
async def task(client):
    """The path of a task, and its tag."""
    made = await client.post(TASKS, json={"title": "Seen"})
    return made.headers["location"], made.headers["etag"]


@pytest.mark.parametrize(("path", "body"), [(TASKS, {"title": "T"}), (PROJECTS, {"name": "P"})])
async def test_a_tag_stays_while_nothing_changes_and_is_another_after_each_change(client, path, body):
    made = await client.post(path, json=body)
    where, first = made.headers["location"], made.headers["etag"]
    assert (await client.get(where)).headers["etag"] == first
    same = await client.patch(where, json=body)
    assert same.headers["etag"] == first
    changed = await client.patch(where, json=dict.fromkeys(body, "other"))
    assert changed.headers["etag"] not in {first, None}
    assert (await client.get(where)).headers["etag"] == changed.headers["etag"]


@pytest.mark.parametrize("header", ["{tag}", '"x", {tag}', "W/{tag}", "*", '"x",W/{tag} ,"y"'])
async def test_what_the_caller_has_is_not_sent_again(client, task, header):
    where, tag = task
    answer = await client.get(where, headers={"If-None-Match": header.format(tag=tag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("header", ['"x"', "nonsense", "", '"1', "1"])
async def test_what_the_caller_has_not_is_sent(client, task, header):
    assert (await client.get(task[0], headers={"If-None-Match": header})).status_code == 200


async def test_a_task_that_shows_a_renamed_project_is_sent_again_and_can_still_be_written(client):
    project = (await client.post(PROJECTS, json={"name": "Old"})).headers["location"]
    made = await client.post(TASKS, json={"title": "T", "projectId": project.rpartition("/")[2]})
    where, tag = made.headers["location"], made.headers["etag"]
    await client.patch(project, json={"name": "New"})

    again = await client.get(where, headers={"If-None-Match": tag})
    assert (again.status_code, again.json()["data"]["project"]["name"]) == (200, "New")
    assert (await client.patch(where, json={"title": "U"}, headers={"If-Match": tag})).status_code == 200


@pytest.mark.parametrize("header", ["{tag}", '"x", {tag}', "*"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_what_is_as_it_was_seen_is_changed(client, task, method, header):
    where, tag = task
    body = None if method == "DELETE" else {"title": "New"}
    answer = await client.request(method, where, json=body, headers={"If-Match": header.format(tag=tag)})
    assert answer.status_code in {200, 204}


@pytest.mark.parametrize("header", ['"99"', "W/{tag}", "nonsense", '"x"', ""])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_what_is_not_as_it_was_seen_stays_and_tells_nothing(client, task, outbox, account, method, header):
    where, tag = task
    told = len(await outbox(account.workspace_id))
    body = None if method == "DELETE" else {"title": "New"}
    answer = await client.request(method, where, json=body, headers={"If-Match": header.format(tag=tag)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert (await client.get(where)).json()["data"]["title"] == "Seen"
    assert len(await outbox(account.workspace_id)) == told


async def test_a_project_is_guarded_too(client):
    made = await client.post(PROJECTS, json={"name": "P"})
    where, tag = made.headers["location"], made.headers["etag"]
    await client.patch(where, json={"name": "Q"})
    assert (await client.patch(where, json={"name": "R"}, headers={"If-Match": tag})).status_code == 412
    assert (await client.delete(where, headers={"If-Match": tag})).status_code == 412
    assert (await client.delete(where, headers={"If-Match": '"2"'})).status_code == 204


async def test_of_many_who_have_seen_the_same_exactly_one_wins_each_round(client, task):
    where, tag = task
    for number in range(3):
        answers = await asyncio.gather(
            *(
                client.patch(where, json={"title": f"{number}-{writer}"}, headers={"If-Match": tag})
                for writer in range(200)
            )
        )
        (won,) = [answer for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers if answer is not won} == {412}
        assert (await client.get(where)).json()["data"]["title"] == won.json()["data"]["title"]
        tag = won.headers["etag"]
