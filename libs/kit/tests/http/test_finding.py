import httpx2 as httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from flowtask_kit.http.finding import Finder

PATHS = [
    ("/", "GET"),
    ("/livez", "GET"),
    ("/api/v1/tasks", "GET"),
    ("/api/v1/tasks", "POST"),
    ("/api/v1/tasks/search", "GET"),
    ("/api/v1/tasks/{id}", "GET"),
    ("/api/v1/tasks/{id}/copies", "POST"),
    ("/files/{path:path}", "GET"),
    ("/{anything}/v1/tasks", "GET"),
    ("/api/v1/later", "GET"),
]


async def told(request):
    return PlainTextResponse(f"{request.scope['place']} {request.path_params}")


def routes():
    def place(number):
        async def app(scope, receive, send):
            scope["place"] = number
            response = PlainTextResponse(f"{number} {scope['path_params']}")
            await response(scope, receive, send)

        return app

    made = []
    for number, (path, method) in enumerate(PATHS):
        route = Route(path, told, methods=[method])
        route.app = place(number)
        made.append(route)
    return made


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/", "/livez", "/livez/", "/api/v1/tasks", "/api/v1/tasks/", "/api/v1/tasks/search", "/api/v1/tasks/7",
        "/api/v1/tasks/7/copies", "/api/v1/tasks/7/copies/8", "/files/a/b/c", "/x/v1/tasks", "/api/v1/later", "/nothing",
        "/API/v1/tasks", "/api/v1/tasks/{id}", "",
    ],
)  # fmt: skip
async def test_paths_go_where_the_router_alone_would_send_them(path, method):
    router = Router(routes(), redirect_slashes=False)
    answers = []
    for app in (router, Finder(router.routes, router)):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notes") as client:
            answer = await client.request(method, path)
            answers.append((answer.status_code, answer.text, answer.headers.get("allow")))
    assert answers[0] == answers[1]
