"""Weights by name: what does not fit is refused, and without a connection nobody waits."""

from __future__ import annotations

import socket

import pytest
from huggingface_hub import constants

from diffusionret import hub
from diffusionret.model import DiffusionRet


def test_weights_of_another_activation_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError) as caught:
        DiffusionRet.from_clip("ViT-B-32", "openai")
    assert str(caught.value) == (
        "The weights 'openai' were trained with QuickGELU, unlike ViT-B-32: use clip:ViT-B-32-quickgelu:openai."
    )
    hub.check_weights("ViT-B-32-quickgelu", "openai", True)
    hub.check_weights("ViT-B-32", "laion2b_s34b_b79k", False)
    monkeypatch.setattr(hub, "get_pretrained_cfg", lambda *_: {"url": "somewhere"})
    with pytest.raises(
        ValueError, match="without QuickGELU, unlike ViT-B-32-quickgelu: use clip:ViT-B-32:new"
    ):
        hub.check_weights("ViT-B-32-quickgelu", "new", True)


def test_a_mistyped_name_is_no_missing_connection() -> None:
    with pytest.raises(
        ValueError, match=r"no weights 'opanai' of ViT-B-32-quickgelu: open_clip has openai, "
    ):
        DiffusionRet.from_clip("ViT-B-32-quickgelu", "opanai")
    with pytest.raises(
        ValueError, match=r"knows no model 'ViT-B-32-quikgelu': did you mean ViT-B-32-quickgelu"
    ):
        DiffusionRet.from_clip("ViT-B-32-quikgelu", "openai")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path) -> list[str]:
    """A machine without a connection, and every host it tries."""
    tried: list[str] = []

    def refuse(address, *_, **__):
        tried.append(address[0])
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub, "getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tried


def test_without_a_connection_it_fails_at_once(offline: list[str]) -> None:
    with pytest.raises(ConnectionError, match="not in the local cache and could not be fetched"):
        DiffusionRet.from_clip("ViT-B-32-quickgelu", "openai")
    with pytest.raises(
        ConnectionError, match="not in the local cache and the Hugging Face Hub cannot be reached"
    ):
        hub.model_folder("somebody/something")
    assert offline == ["huggingface.co"] * 2
    assert not constants.HF_HUB_OFFLINE


def test_behind_a_proxy_the_proxy_is_tried(offline: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "http://proxy.example:3128"})
    assert not hub.reachable() and offline == ["proxy.example"]
