"""Images and the programs they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.workloads import parse_image, unpack


@pytest.mark.parametrize(
    ("image", "environment"),
    [
        ("shop/recommender:1.0.0", {}),
        ("shop/recommender", {}),
        ("shop/catalogue:2.0.0-rc.1", {}),
        ("shop/recommender:1.0.0@sha256:abc", {}),
        ("shop/recommender:1.2.0-errors", {"BAD_ERROR_RATIO": "0.03"}),
        ("shop/recommender:1.2.0-errors50", {"BAD_ERROR_RATIO": "0.5"}),
        ("shop/recommender:1.2.0-errors500", {"BAD_ERROR_RATIO": "1.0"}),
        ("shop/recommender:1.2.0-errors0", {"BAD_ERROR_RATIO": "0.0"}),
        ("shop/recommender:slow", {"SLOW_S": "0.5"}),
        ("shop/recommender:slow40", {"SLOW_S": "0.04"}),
        ("shop/recommender:never-ready", {"READY_AFTER_S": "inf"}),
        ("shop/recommender:crash", {"CRASH_AFTER_S": "60"}),
        ("shop/recommender:1.0.0-crash5", {"CRASH_AFTER_S": "5"}),
        ("shop/recommender:flow", {}),
    ],
)
def test_the_tag_says_how_an_image_behaves(image: str, environment: dict[str, str]) -> None:
    program = parse_image(image)
    assert program is not None
    assert program.environment == environment


@pytest.mark.parametrize("image", ["", "nginx:1.27", "shop/recommender:missing", "shop/recommender:1.3.0-missing"])
def test_images_that_no_registry_has(image: str) -> None:
    assert parse_image(image) is None


def test_unpacked_program_has_the_images_version(tmp_path: Path) -> None:
    program = parse_image("shop/recommender:1.2.0-errors")
    assert program is not None
    command = unpack(program, tmp_path)
    app = Path(command[-1])
    assert app.is_relative_to(tmp_path)
    assert app.with_name("VERSION").read_text() == "1.2.0-errors\n"
    assert unpack(program, tmp_path) == command
