"""What is accepted and what is refused, with the very words, against the files beside this one."""

import resource
import time
from pathlib import Path

import pytest

from kilter.project.load import InvalidProject, validate

FILES = Path(__file__).parent / "files"
VALID = sorted(FILES.glob("valid-*.yaml"))
INVALID = sorted(FILES.glob("invalid-*.yaml"))


def faults(text: str | bytes, directory: str = "shop") -> list[str]:
    """The faults of a text, as lines; empty when it is valid."""
    try:
        validate(text.encode() if isinstance(text, str) else text, "kilter.yaml", directory)
    except InvalidProject as error:
        return [str(fault) for fault in error.faults]
    return []


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
@pytest.mark.requirement("Y1", "CT-Q4")
def test_a_valid_file_has_no_faults(file: Path) -> None:
    assert faults(file.read_bytes()) == []


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
@pytest.mark.requirement("C1", "C3", "C13", "Y1", "Y2", "Y3", "Y4", "Y6", "Y7", "Y8", "Y10", "Y13")
def test_an_invalid_file_gets_every_fault_at_its_place_in_the_words_beside_it(file: Path) -> None:
    assert "\n".join(faults(file.read_bytes())) + "\n" == file.with_suffix(".txt").read_text()


@pytest.mark.requirement("Y5")
@pytest.mark.parametrize("text", ["[" * 3000, "{a: " * 3000, "- " * 3000, "name: " + "9" * 5000, "port: 1" + "0" * 400])
def test_numbers_and_nesting_beyond_measure_are_faults_and_never_tracebacks(text: str) -> None:
    assert len(faults(text)) == 1


def bomb() -> str:
    lines = ["x-a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"x-{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(lines)


@pytest.mark.requirement("Y6")
@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "services:\n" + "".join(f"  a{number}:\n" for number in range(90_000)),
        "# " + "x" * 1_100_000,
        "name: '" + "'" * 900_000,
        "env: {A: " + "1_" * 400_000 + "x}",
        "env: {A: '" + "x" * 900_000 + "'}",
        "[" * 900_000,
    ],
    ids=["bomb", "many services", "large", "quotes", "underscores", "value", "brackets"],
)
def test_large_files_are_refused_quickly_and_in_little_memory(text: str) -> None:
    data = text.encode()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert len(faults(data)) == 1
    assert time.process_time() - began < 1.0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("schedule: @hourly", "kilter.yaml:1:11 text cannot begin with @ here; write it in quotes"),
        ("schedule: */5 * * * *", "kilter.yaml:1:11 text cannot begin with * here; write it in quotes"),
        ("environments:\n  *: {}", "kilter.yaml:2:3 text cannot begin with * here; write it in quotes"),
        ("environments:\n  *-x: {}", "kilter.yaml:2:3 the alias *-x has no anchor before it; write text in quotes"),
    ],
)
def test_text_that_yaml_takes_for_something_else_is_told_to_be_quoted(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_a_value_that_looks_like_a_map_is_told_to_be_indented_or_quoted() -> None:
    (told,) = faults("env:\n  A: b: c")
    assert told.startswith("kilter.yaml:2:7 no `key: value` can stand here; indent it")
    assert told.endswith("write text with a `: ` in quotes")


@pytest.mark.requirement("Y9")
def test_values_of_variables_are_taken_literally() -> None:
    text = """env: {A: "x\\ny", B: '"q"', C: "${HOME}", D: "{{ x }}", E: "", F: null}"""
    config = validate(text.encode(), "kilter.yaml", "shop")
    assert config.env == {"A": "x\ny", "B": '"q"', "C": "${HOME}", "D": "{{ x }}", "E": "", "F": None}


@pytest.mark.requirement("NS-Q1", "C2")
def test_the_directory_names_the_project_and_a_bad_one_is_refused_with_a_proposal() -> None:
    assert faults("detect: true", "Shop") == []
    assert "add `name: my-shop`" in faults("detect: true", "My Shop")[0]
    assert faults("name: fine", "My Shop") == []
    assert faults("name: " + "a" * 42) == []
    assert "at most 42 characters" in faults("name: " + "a" * 43)[0]


@pytest.mark.requirement("DP-Q37")
def test_the_name_of_an_app_on_the_platform_is_refused_naming_the_character() -> None:
    assert faults("app: acme/shop") == []
    assert faults("app: " + "o" * 40 + "/" + "a" * 40) == []
    assert "'Acme' cannot name an org or an app: character 1 is 'A'" in faults("app: Acme/shop")[0]
    assert "character 4 is a second '-' in a row" in faults("app: acme/my--shop")[0]
    assert "must be <org>/<app>" in faults("app: acme/shop/web")[0]


@pytest.mark.requirement("C3")
def test_control_characters_in_a_directory_name_are_shown_by_their_code_points() -> None:
    (fault,) = faults("detect: true", "a\x1b[31mb\u202e")
    assert "<U+001B>" in fault
    assert "<U+202E RIGHT-TO-LEFT OVERRIDE>" in fault


@pytest.mark.requirement("NS-Q7", "CT-Q4")
def test_the_forms_of_a_service_mean_what_the_schema_says() -> None:
    text = b'services: {postgres: , redis: "7", mailpit: false, cache: {type: redis}}'
    config = validate(text, "kilter.yaml", "shop")
    assert list(config.services) == ["postgres", "redis", "cache"]
    assert (config.services["postgres"].version, config.services["redis"].version) == (None, "7")
    assert config.services["cache"].type == "redis"
    assert config.withheld == {"mailpit"}
    assert list(validate(b"services: [redis, postgres]", "kilter.yaml", "shop").services) == ["redis", "postgres"]


def test_short_forms_of_seeds_and_the_profile_are_spelled_out() -> None:
    config = validate(b"seed: [a.sql]\nprofile: basic", "kilter.yaml", "shop")
    assert (config.seed[0].file, config.seed[0].mode, config.profile.base) == ("a.sql", "once", "basic")


@pytest.mark.parametrize(
    ("process", "over", "place"),
    [
        ("port: 80, schedule: '@daily'", "", "processes.w.port"),
        ("port: 80, schedule: '@daily'", "replicas: 1", "processes.w.port"),
        ("port: 80", "schedule: '@daily'", "environments.dev.processes.w"),
        ("schedule: '@daily'", "port: 80", "environments.dev.processes.w"),
        ("schedule: '@daily', port: 0", "", ""),
        ("port: 80", "port: 0, schedule: '@daily'", ""),
    ],
)
def test_a_process_that_runs_at_set_times_has_no_port(process: str, over: str, place: str) -> None:
    found = faults(
        f"processes: {{w: {{command: [x], {process}}}}}\nenvironments: {{dev: {{processes: {{w: {{{over}}}}}}}}}\n"
    )
    wanted = f" {place}: it runs at set times, so nobody could rely on its port"
    assert [fault[fault.index(" ") :] for fault in found] == ([wanted] if place else [])


@pytest.mark.requirement("LC-Q14")
def test_a_stopped_flag_may_be_true_or_false() -> None:
    for written in ("true", "false"):
        cluster = validate(f"cluster: {{stopped: {written}}}".encode(), "kilter.yaml", "shop").cluster
        assert cluster is not None
        assert cluster.stopped is (written == "true")


def test_a_fault_of_one_part_does_not_hide_the_faults_of_another() -> None:
    found = faults("port: x\nservices:\n  a: {hostPort: 30001}\n  b: {hostPort: 30001}\n")
    assert [fault.split()[0] for fault in found] == ["kilter.yaml:1:7", "kilter.yaml:4:17"]


@pytest.mark.requirement("C3")
@pytest.mark.parametrize(
    "text", ['deploy: {buildArgs: {A: "a\\0b"}}', 'env: {A: "a\\0b"}', 'processes: {w: {command: ["a\\0b"]}}']
)
def test_a_text_that_no_program_can_be_given_is_a_fault(text: str) -> None:
    place = text.index('"a') + 1
    assert faults(text) == [f"kilter.yaml:1:{place} holds a NUL character, which no program can be given"]


@pytest.mark.requirement("Y8")
def test_a_dockerfile_may_lie_anywhere_in_the_project_and_nowhere_else() -> None:
    def told(dockerfile: str) -> list[str]:
        return faults(f"components: {{web: {{path: services/web, port: 80, dockerfile: {dockerfile}}}}}")

    assert told("../../docker/web.Dockerfile") == told("../../Dockerfile") == []
    for place in ("../../../Dockerfile", "a/../../../../x"):
        (fault,) = told(place)
        assert fault.endswith(f"components.web.dockerfile: the path '{place}' leads out of the project")
    assert "must be relative" in told("/etc/x")[0]


def test_a_byte_order_mark_moves_no_place() -> None:
    assert faults(b"\xef\xbb\xbfname: \xff") == faults(b"name: \xff")


def test_a_number_with_a_point_is_no_whole_one() -> None:
    """JSON schema takes 80.0 for one, so that only the model refuses it."""
    found = faults("port: 80.0\nservices:\n  redis: {hostPort: 31000.0, version: 8.0}\nversion: 9999999999999.0\n")
    assert found == [
        "kilter.yaml:1:7 port: expected a whole number, got the number 80.0",
        "kilter.yaml:3:21 services.redis.hostPort: expected a whole number, got the number 31000.0",
        'kilter.yaml:3:39 services.redis.version: expected text, got the number 8.0; write it in quotes: "8.0"',
        "kilter.yaml:4:10 version: expected a whole number, got the number 9999999999999.0",
    ]


def test_a_file_with_hundreds_of_faults_shows_the_first_ones_and_their_number() -> None:
    with pytest.raises(InvalidProject, match="has 300 faults") as raised:
        validate("".join(f"key{number}: 1\n" for number in range(300)).encode(), "kilter.yaml", "shop")
    assert raised.value.exit_code == 2
    assert raised.value.details[-1] == "… and 250 more"
