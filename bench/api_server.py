"""The servers that `bench api` loads: `python -m bench.api_server ping|api`, with the settings of the API service.

`ping` is a bare FastAPI app. `api` is the real one, with routes added that stop after one layer of it, so that the
difference between two of them is what a layer costs.
"""

import sys

import uvicorn
from fastapi import FastAPI

from flowtask_api.app import create_app
from flowtask_api.auth.dependencies import Authenticated
from flowtask_api.auth.routing import api_router
from flowtask_api.auth.scopes import Resource
from flowtask_api.http.dependencies import DirectTx
from flowtask_api.settings import ApiSettings
from flowtask_kit import logs
from flowtask_kit.service.server import serve


def ping_app() -> FastAPI:
    """One route that answers at once."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/ping")
    async def ping() -> dict[str, str]:
        return {"ping": "pong"}

    return app


def layered(settings: ApiSettings) -> FastAPI:
    """The API with its layers laid bare."""
    app = create_app(settings)
    router = api_router("Layers", "/layers", resource=Resource.TASKS)

    @app.get("/layers/shell")
    async def shell() -> dict[str, str]:
        return {"ping": "pong"}

    @router.get("/caller")
    async def caller(caller: Authenticated) -> dict[str, str]:
        del caller
        return {"ping": "pong"}

    @router.get("/transaction")
    async def transaction(tx: DirectTx, caller: Authenticated) -> dict[str, str]:
        del caller
        await tx.execute("SELECT 1")
        return {"ping": "pong"}

    app.router.routes.extend(router.routes)
    return app


def main() -> None:
    """Serve until SIGTERM."""
    settings = ApiSettings()
    if sys.argv[1] == "ping":
        uvicorn.run(
            ping_app(), port=settings.port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
        )
    else:
        logs.configure("api", settings.log_level)
        serve(layered(settings), settings)


if __name__ == "__main__":
    main()
