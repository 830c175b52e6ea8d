"""One operation of the API: what the framework knows of it, completed with all that can come back."""

from collections.abc import Mapping
from typing import Any

from fastapi.routing import APIRoute

from ..auth.routing import ApiRoute
from .curl import sample
from .examples import Examples, id_of
from .headers import headers_of
from .naming import camel, camel_path, operation_id
from .refusals import described, refusals
from .schemas import without_null

_SUCCESS = {
    200: "It is in the body.",
    201: "It was created, and is in the body.",
    202: "It was begun.",
    204: "It is done; there is no body.",
}
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Operation:
    """An operation and its part of the document, which `complete` changes in place."""

    def __init__(self, route: APIRoute, method: str, document: dict[str, Any]) -> None:
        self.route = route
        self.method = method
        self.path = camel_path(route.path_format)
        self.document = document
        self.document["operationId"] = operation_id(route)
        self._headers = {each["name"] for each in document.get("parameters", ()) if each["in"] == "header"}

    @property
    def checks_version(self) -> bool:
        """Whether it takes If-Match."""
        return "If-Match" in self._headers

    @property
    def status(self) -> int:
        """The status of its success."""
        return self.route.status_code or 200

    def complete(self, others: Mapping[tuple[str, str], "Operation"], examples: Examples) -> None:
        """Add parameters as they are on the wire, every answer with its headers and an example, links, and a curl sample."""
        same_path = [other for (_, path), other in others.items() if path == self.route.path_format]
        tagged = self.method != "DELETE" and any(other.checks_version for other in same_path)
        below = self._below(others)
        if isinstance(self.route, ApiRoute):
            self.document["description"] += (
                f"\n\nAn API key needs the scope `{self.route.access.scope}`, or one that includes it."
            )
        self._complete_parameters(examples, revalidates=tagged and self.method == "GET")
        self._complete_body(examples)
        self._complete_answers(examples, tagged=tagged, below=below)
        self.document["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": sample(self)}]

    def _below(self, others: Mapping[tuple[str, str], "Operation"]) -> list["Operation"]:
        """The operations on what a POST creates."""
        if self.status != 201:  # noqa: PLR2004 - created
            return []
        return [
            other
            for (_, path), other in others.items()
            if path.rpartition("/")[0] == self.route.path_format and path.endswith("}")
        ]

    def _complete_parameters(self, examples: Examples, *, revalidates: bool) -> None:
        shown = self.document.setdefault("parameters", [])
        for parameter in shown:
            parameter["name"] = camel(parameter["name"]) if parameter["in"] == "path" else parameter["name"]
            if parameter["in"] == "path":
                name = parameter["name"]
                own = parameter["schema"].pop("examples", None)
                parameter.setdefault("description", f"Id of the {_words(name.removesuffix('Id'))}.")
                parameter["example"] = own[0] if own else id_of(name.removesuffix("Id"))
            parameter["schema"] = without_null(parameter["schema"])
            parameter["schema"].pop("title", None)
            parameter.setdefault("description", examples.described(parameter["schema"]))
            parameter["schema"].pop("description", None)
        if revalidates:
            shown.append(_IF_NONE_MATCH)
        if not shown:
            del self.document["parameters"]

    def _complete_body(self, examples: Examples) -> None:
        content = self.document.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            content["example"] = examples.of(content["schema"])
            if not content["example"]:
                examples.missing.add(f"{content['schema'].get('$ref', self.path).rpartition('/')[2]}: any field")

    def _complete_answers(self, examples: Examples, *, tagged: bool, below: list["Operation"]) -> None:
        answers = self.document["responses"]
        success = answers[str(self.status)]
        answers.clear()
        success["description"] = _SUCCESS[self.status]
        more: tuple[str, ...] = ()
        if tagged or any(other.method == "GET" and other.checks_version_of(below) for other in below):
            more += ("ETag",)
        if any(other.method == "GET" for other in below):
            more += ("Location",)
        if "Idempotency-Key" in self._headers:
            more += ("Idempotency-Replayed",)
        success["headers"] = headers_of(self.status, more)
        if "content" in success:
            content = success["content"]["application/json"]
            content["example"] = self._answer_example(examples, content["schema"])
        links = dict(_link(other) for other in below)
        if links:
            success["links"] = links
        answers[str(self.status)] = success
        if tagged and self.method == "GET":
            answers["304"] = {"description": "You have it already.", "headers": headers_of(304, ("ETag",))}
        for status, errors in refusals(self.route, self._required(examples)).items():
            answers[str(status)] = {**described(errors), "headers": headers_of(status)}

    @staticmethod
    def checks_version_of(siblings: list["Operation"]) -> bool:
        """Whether what these operations are about has a version."""
        return any(sibling.checks_version for sibling in siblings)

    def _answer_example(self, examples: Examples, schema: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = examples.of(schema)
        queries = {each["name"] for each in self.document.get("parameters", ()) if each["in"] == "query"}
        body["meta"] = None
        if "page" in queries:
            body["meta"] = {"page": 1, "perPage": 20, "total": 1}
        elif "cursor" in queries:
            body["meta"] = {"perPage": 20, "nextCursor": None}
        return body

    def _required(self, examples: Examples) -> list[str]:
        content = self.document.get("requestBody", {}).get("content", {}).get("application/json", {})
        return examples.required(content.get("schema", {}))


def _link(operation: Operation) -> tuple[str, dict[str, Any]]:
    """How the id of what was created leads to another operation."""
    name = operation.document["operationId"]
    parameter = operation.path.partition("{")[2].partition("}")[0]
    return name, {"operationId": name, "parameters": {parameter: "$response.body#/data/id"}}


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "An `ETag` that was read before: the answer is 304, without a body, if nothing has changed since.",
    "schema": {"type": "string"},
}
