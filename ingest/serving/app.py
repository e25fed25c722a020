"""The paths of the server, their OpenAPI description, and how refusals look.

Every refusal is an RFC 9457 problem. 400 is a request that is not as described, 422 one that is and still
cannot be answered, such as a query with an open quote; then ``error`` holds the library's error.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import bindsearch
from bindsearch.answers import Answer, MomentSequence, Neighbour
from bindsearch.errors import BindsearchError, LibraryBusy, LibraryDamaged, LibraryMissing
from bindsearch.ingest.serving.control import Control
from bindsearch.ingest.serving.desk import Desk
from bindsearch.ingest.serving.models import (
    AroundAsked,
    Nothing,
    PauseAsked,
    Problem,
    RescanAsked,
    SearchAsked,
    SequenceAsked,
)
from bindsearch.remote.status import DaemonStatus
from bindsearch.remote.wire import error_record

if TYPE_CHECKING:
    from bindsearch.ingest.daemon.metrics import SearchTimes

log = logging.getLogger("bindsearch.serving")

JSON = "application/json"
PROBLEM = "application/problem+json"

Run = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in another thread."""

Segment = Annotated[int, InPath(ge=1, le=2**63 - 1)]
Side = Annotated[int, Query(ge=16, le=4096)]

_STATUS = {LibraryMissing: 404, LibraryBusy: 409, LibraryDamaged: 503}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": why,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, why in {
        400: "The request is not as described here.",
        401: "Over TCP, the token is missing or wrong.",
        404: "There is no such thing.",
        408: "The request took too long to arrive.",
        409: "Another process is in the way.",
        413: "The request is too long.",
        422: "The request cannot be answered; error says why.",
        503: "The library cannot be used now, or too many ask at once.",
    }.items()
}


def as_json(record: Any) -> bytes:
    """JSON in ASCII, so that names which are no UTF-8 survive."""
    return json.dumps(record, separators=(",", ":")).encode("ascii")


def problem(status: int, detail: str, **more: Any) -> bytes:
    """The body of a refusal."""
    return as_json({"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more})


def make_app(desk: Desk, control: Control, run: Run, times: SearchTimes) -> FastAPI:
    """The application that answers by ``desk`` and ``control``, in the threads of ``run``."""
    app = FastAPI(
        title="bindsearch",
        version=bindsearch.__version__,
        description="Searches in one library, and its daemon.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=_REFUSALS,
    )
    _add_refusals(app)
    _add_searches(app, desk, run, times)
    _add_previews(app, desk, run)
    _add_orders(app, desk, control, run)
    _add_looks(app, control, run, times)
    return app


def describe(app: FastAPI, *, far: bool) -> dict[str, Any]:
    """The OpenAPI description; from ``far`` with the token that is asked for there."""
    told = {**app.openapi()}
    told["components"] = {**told["components"]}
    told["components"]["schemas"] = {
        **told["components"]["schemas"],
        "Problem": Problem.model_json_schema(ref_template="#/components/schemas/{model}"),
    }
    problem_schema = told["components"]["schemas"]["Problem"]
    told["components"]["schemas"] |= problem_schema.pop("$defs", {})
    if far:
        told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"token": []}]
    return told


def is_far(request: Request) -> bool:
    """Whether it came over TCP."""
    return not request.scope.get("state", {}).get("local", False)


def _answer(record: Any) -> Response:
    return Response(as_json(record), media_type=JSON)


def _refusal(status: int, detail: str, **more: Any) -> Response:
    return Response(problem(status, detail, **more), status, media_type=PROBLEM)


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(BindsearchError)
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, BindsearchError)
        status = next((own for kind, own in _STATUS.items() if isinstance(error, kind)), 422)
        return _refusal(status, _shown(str(error)), error=error_record(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        places = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return _refusal(400, _shown("; ".join(places)))

    @app.exception_handler(HTTPException)
    async def missing(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = _refusal(error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(OSError)
    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return _refusal(500, "something went wrong here; the daemon's log tells more")


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _add_searches(app: FastAPI, desk: Desk, run: Run, times: SearchTimes) -> None:
    async def timed(search: Callable[..., Any], asked: Any, request: Request) -> Response:
        begun, outcome = time.perf_counter(), "failed"
        try:
            record = await run(search, asked, is_far(request))
            outcome = "answered"
            return _answer(record)
        except BindsearchError:
            outcome = "refused"
            raise
        finally:
            times.add(time.perf_counter() - begun, outcome)

    @app.post("/v1/search", responses={200: {"model": Answer}})
    async def search(asked: SearchAsked, request: Request) -> Response:
        """The best hits for a query, best first."""
        return await timed(desk.search, asked, request)

    @app.post("/v1/search/sequence", responses={200: {"model": dict[str, list[MomentSequence]]}})
    async def search_sequence(asked: SequenceAsked, request: Request) -> Response:
        """Moments that came one after the other, best first."""
        return await timed(desk.search_sequence, asked, request)

    @app.post("/v1/search/around", responses={200: {"model": dict[str, list[Neighbour]]}})
    async def search_around(asked: AroundAsked, request: Request) -> Response:
        """What was about when a hit was."""
        return await timed(desk.search_around, asked, request)


def _add_previews(app: FastAPI, desk: Desk, run: Run) -> None:
    @app.get(
        "/v1/segments/{segment_id}/preview",
        responses={200: {"content": {"image/webp": {}}}},
        response_class=Response,
    )
    async def preview(segment_id: Segment, side: Side = 256) -> Response:
        """A picture of a segment, at most so many points wide and high."""
        path = await run(desk.preview, segment_id, side)
        return Response(await run(path.read_bytes), media_type="image/webp")

    @app.get("/v1/segments/{segment_id}/preview/path", include_in_schema=False)
    async def preview_path(segment_id: Segment, request: Request, side: Side = 256) -> Response:
        """The file that holds that picture; only on the socket."""
        if is_far(request):
            raise HTTPException(404)
        return _answer({"path": str(await run(desk.preview, segment_id, side))})


def _add_orders(app: FastAPI, desk: Desk, control: Control, run: Run) -> None:
    done: dict[int | str, dict[str, Any]] = {200: {"model": Nothing}}

    @app.post("/v1/pause", responses=done)
    async def pause(asked: PauseAsked) -> Response:
        """Have indexing wait."""
        await run(control.pause, asked.seconds)
        return _answer({})

    @app.post("/v1/resume", responses=done)
    async def resume(_: Nothing) -> Response:
        """Have indexing go on."""
        await run(control.resume)
        return _answer({})

    @app.post("/v1/rescan", responses=done)
    async def rescan(asked: RescanAsked, request: Request) -> Response:
        """Have paths, or all roots if none are given, brought up to date."""
        await run(control.rescan, await run(desk.paths_of_roots, asked.paths, is_far(request)))
        return _answer({})

    @app.post("/v1/retry", responses=done)
    async def retry(_: Nothing) -> Response:
        """Have files that failed tried again."""
        await run(control.retry_failed)
        return _answer({})


def _add_looks(app: FastAPI, control: Control, run: Run, times: SearchTimes) -> None:
    @app.get("/v1/status", responses={200: {"model": DaemonStatus}})
    async def status() -> Response:
        """What the daemon is doing."""
        return _answer((await run(control.status)).record())

    @app.get("/healthz", responses={200: {"model": Nothing}})
    async def healthz() -> Response:
        """Whether the server answers at all."""
        return _answer({})

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
    async def metrics() -> Response:
        """The same as numbers, for Prometheus."""
        from bindsearch.ingest.daemon.metrics import CONTENT_TYPE, metrics_text

        return Response(metrics_text(await run(control.status), times), media_type=CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return _answer(describe(app, far=is_far(request)))
