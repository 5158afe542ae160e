"""A net that began with ImageNet's weights is the one that is built when it is read again."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.errors import ConfigError  # noqa: E402
from model.reference.architecture import build  # noqa: E402

models = importlib.import_module("torchvision.models")  # which the former lets be imported


def published(patch: pytest.MonkeyPatch, arch: str, **options: object) -> None:
    """Have weights of the published shapes at hand, which torchvision would download."""
    state = models.get_model(arch, weights=None, **options).state_dict()

    def fetched(*_: object, **__: object) -> object:
        return state

    patch.setattr("torchvision.models._api.load_state_dict_from_url", fetched)


@pytest.mark.parametrize(
    ("arch", "side_px", "options"),
    [
        ("resnet18", 64, {}),
        ("regnet_y_400mf", 64, {}),
        ("maxvit_t", 224, {}),  # its head has no bias
        ("googlenet", 64, {"init_weights": False}),  # these have heads for training alone
        ("inception_v3", 96, {"init_weights": False}),
    ],
)
def test_a_net_from_imagenet_is_read_again_and_has_one_head(
    arch: str, side_px: int, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(monkeypatch, arch, **options)
    net = build(arch, 5, imagenet=True)
    build(arch, 5).load_state_dict(net.state_dict())
    assert net.train()(torch.zeros(2, 3, side_px, side_px)).shape == (2, 5)


def test_imagenet_weights_of_a_variant_are_refused_before_hours_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As vit_h_14's are, which is too large for a test.
    weights = SimpleNamespace(DEFAULT=models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1)
    monkeypatch.setattr(models, "get_model_weights", lambda _: weights)
    published(monkeypatch, "vit_b_16", image_size=384)
    with pytest.raises(ConfigError, match=r"a variant \(encoder\.pos_embedding has another shape"):
        build("vit_b_16", 5, imagenet=True)
