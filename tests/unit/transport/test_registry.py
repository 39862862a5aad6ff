"""Channels are found by folder; a channel from elsewhere joins without an edit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from battcrm.kit.errors import Invalid
from battcrm.transport.registry import kinds, manifest_of, register, unregister


def test_every_folder_with_a_manifest_is_a_channel() -> None:
    assert {"telegram", "webchat"} <= set(kinds())
    for kind in kinds():
        assert manifest_of(kind).kind == kind


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(Invalid) as caught:
        manifest_of("icq")
    assert "telegram" in caught.value.remedy
    with pytest.raises(Invalid):
        manifest_of("base")


def test_a_toy_channel_joins_and_leaves() -> None:
    toy = replace(manifest_of("telegram"), kind="toy", title="Toy")
    register(toy)
    try:
        assert "toy" in kinds()
        assert manifest_of("toy") is toy
    finally:
        unregister("toy")
    assert "toy" not in kinds()
    with pytest.raises(Invalid):
        register(manifest_of("telegram"))


def test_listing_kinds_imports_no_channel_and_parsing_no_http_library() -> None:
    code = (
        "import sys; from battcrm.transport.registry import kinds, manifest_of; kinds();"
        "assert not [m for m in sys.modules if m.endswith('.manifest')];"
        "manifest_of('telegram').parse(b'{\"update_id\":1}', None);"
        "assert 'aiohttp' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
