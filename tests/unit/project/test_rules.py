"""Grammars of single values."""

import pytest

from kilter.project.rules import absolute, schedule, size, up_to


@pytest.mark.parametrize(
    "text",
    [
        "0 3 * * *",
        "*/15 0-6 1,15 */2 ?",
        "0-30/10,45 5/2 01 JAN-mar Mon-Fri",
        "59 23 31 12 6",
        "* * * dec sun,sat",
        "@hourly",
        "@daily",
        "@weekly",
        "@monthly",
    ],
)
def test_a_schedule_is_what_kubernetes_takes_for_one(text: str) -> None:
    assert schedule(text) == ""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("60 * * * *", "minute cannot be '60', it is 0 to 59"),
        ("61 25 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of the month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * mon *", "month cannot be 'mon', it is 1 to 12 or jan to dec"),
        ("0 0 * * 7", "day of the week cannot be '7', it is 0 to 6 or sun to sat"),
        ("0 0 * * 5#2", "day of the week"),
        ("0 0 L * *", "day of the month"),
        ("a b c d e", "minute"),
        ("30-10 * * * *", "minute"),
        ("1-2-3 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("*/2/2 * * * *", "minute"),
        ("*-5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        (f"{'9' * 5000} * * * *", "minute"),
    ],
)
def test_a_schedule_that_kubernetes_refuses_says_which_field_it_is(text: str, field: str) -> None:
    assert f"is no cron expression: the {field}" in schedule(text)


@pytest.mark.parametrize("text", ["", "daily", "* * * *", "* * * * * *", "@reboot", "TZ=UTC * * * * *"])
def test_a_schedule_of_another_form_is_told_of_the_five_fields(text: str) -> None:
    assert "is no cron expression; it has five fields, such as 0 3 * * *" in schedule(text)


@pytest.mark.parametrize("text", ["500m", "512", "64k", "0.5Mi"])
def test_a_size_below_a_mebibyte_is_taken_for_a_slip(text: str) -> None:
    assert size(text) == f"'{text}' is less than a mebibyte; write it as 256Mi or 1Gi"
    assert size("1Mi") == size("2G") == size("1048576") == ""


def test_a_duration_that_is_too_long_says_what_the_most_is() -> None:
    assert up_to("30m")("31m") == "'31m' is longer than 30m, the most that it can be"
    assert up_to("30m")("1800s") == up_to("1h")("60m") == ""
    assert "is not a duration" in up_to("1h")("long")


@pytest.mark.parametrize("text", ["/", "//"])
def test_the_root_of_a_container_is_no_directory_to_be_made_writable(text: str) -> None:
    assert absolute(text) == f"'{text}' is the whole file system; name a directory in it"
    assert absolute("/tmp/") == ""
