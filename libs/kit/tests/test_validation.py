from flowtask_contracts.errors import ErrorDetail
from flowtask_kit.validation import MAX_DETAILS, details_of


def problem(loc, msg="wrong", kind="value_error"):
    return {"loc": loc, "msg": msg, "type": kind, "input": "secret"}


def test_a_finding_names_its_field_and_what_is_wrong_and_not_the_value():
    assert details_of(
        [problem(("a", 0, "b"), "Value error, must be odd"), problem((), "no"), problem(("x",), "m", "missing")]
    ) == [
        ErrorDetail(field="a.0.b", message="must be odd"),
        ErrorDetail(field="", message="no"),
        ErrorDetail(field="x", message="This field is required"),
    ]


def test_a_strangers_field_name_is_made_fit_to_be_sent():
    (detail,) = details_of([problem(("\ud800" + "x" * 1000,))])
    assert detail.field == "?" + "x" * 199


def test_many_findings_are_cut():
    assert len(details_of([problem((str(number),)) for number in range(10_000)])) == MAX_DETAILS
