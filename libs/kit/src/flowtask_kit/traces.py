"""OpenTelemetry traces, and the W3C context that crosses the outbox and NATS with a message."""

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("flowtask")  # stands for the provider that comes later; asking for it each time is slow


def configure(service: str, endpoint: str | None, *, exporter: SpanExporter | None = None) -> TracerProvider:
    """Make the process's tracer provider; spans go to `endpoint` (OTLP over HTTP) or to the given exporter, or nowhere.

    Ids are made and carried even when nothing is exported, so that logs of all services can be joined; more is not kept then.
    """
    if exporter is None and endpoint is not None:
        # A tenth of a second at each start that most processes do not need.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"flowtask-{service}"}),
        sampler=ALWAYS_OFF if exporter is None else DEFAULT_ON,
    )
    if exporter is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def tracer() -> trace.Tracer:
    """The tracer of FlowTask's own spans."""
    return _TRACER


def inject(headers: dict[str, str]) -> dict[str, str]:
    """Add the current context's `traceparent` to headers, and return them."""
    _PROPAGATOR.inject(headers)
    return headers


def extract(headers: Mapping[str, str] | None) -> Context:
    """The context that a message's headers carry; an empty one where they carry none."""
    return _PROPAGATOR.extract(headers or {})
