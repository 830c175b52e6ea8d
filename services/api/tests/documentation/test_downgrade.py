import pytest

from flowtask_api.documentation.downgrade import to_openapi_3_0

REF = {"$ref": "#/components/schemas/A"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": "null"}, {"nullable": True, "enum": [None]}),
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "description": "d"},
            {"type": "string", "maxLength": 3, "nullable": True, "description": "d"},
        ),
        ({"anyOf": [REF, {"type": "null"}]}, {"allOf": [REF], "nullable": True}),
        (
            {"anyOf": [REF, {"type": "string"}, {"type": "null"}]},
            {"anyOf": [REF, {"type": "string"}], "nullable": True},
        ),
        ({"const": "x"}, {"enum": ["x"]}),
        ({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"}),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 9}, {
            "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True,
        }),
        ({**REF, "default": "x"}, {"allOf": [REF], "default": "x"}),
        ({"type": "array", "items": {"const": 1}}, {"type": "array", "items": {"enum": [1]}}),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"enum": [1]}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"properties": {"const": {"const": 1}}}, {"properties": {"const": {"enum": [1]}}}),
    ],
)  # fmt: skip
def test_each_word_of_3_1_that_3_0_does_not_know_is_said_in_its_own(schema, expected):
    given = {"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {"S": schema}}}

    made = to_openapi_3_0(given)

    assert made["openapi"] == "3.0.3"
    assert made["components"]["schemas"]["S"] == expected
    assert given["components"]["schemas"]["S"] is schema


def test_examples_are_data_and_stay_as_they_are():
    content = {"schema": {"const": 1}, "example": {"schema": {"const": 1}}, "examples": {"a": {"value": {"const": 1}}}}
    given = {"components": {}, "paths": {"/a": {"get": {"responses": {"200": {"content": {"x": content}}}}}}}

    made = to_openapi_3_0(given)["paths"]["/a"]["get"]["responses"]["200"]["content"]["x"]

    assert made == {**content, "schema": {"enum": [1]}}
