import json
import time
from dataclasses import replace

import open_clip
import pytest
import torch
from tiny import CONFIG, features, tiny_model
from typechecks import unchecked

from diffusionret import DiffusionRet
from diffusionret.config import GeneratorConfig, ModelConfig
from diffusionret.model import NoGenerator


@pytest.fixture(scope="module")
def zero_shot() -> DiffusionRet:
    torch.manual_seed(0)
    return DiffusionRet.from_clip("ViT-S-32-alt")


def test_untrained_it_is_zero_shot_clip(zero_shot):
    texts = ["a dog runs", "two cats sleep on a red sofa"]
    frames = torch.randn(3, 2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    clip = zero_shot.towers
    with torch.no_grad():
        ids = open_clip.get_tokenizer("ViT-S-32-alt")(texts)
        expected_text = clip.encode_text(ids, normalize=True)
        expected = clip.encode_image(frames.flatten(0, 1), normalize=True).unflatten(0, (3, 2))
        text, video = zero_shot.encode_text(texts), zero_shot.encode_frames(frames, torch.ones(3, 2).long())
        similarity = zero_shot.similarity(text, video)
    assert torch.allclose(torch.nn.functional.normalize(text.cls, dim=-1), expected_text, atol=1e-5)
    assert torch.allclose(similarity, (expected_text @ expected.mean(1).T), atol=1e-5)
    with pytest.raises(NoGenerator, match="similarity only"):
        zero_shot.generate(text, video, torch.zeros(2, 1).long(), noise=torch.zeros(2, 1))


def test_the_published_initialisation(zero_shot):
    model = zero_shot.trainable(GeneratorConfig())
    block, source = model.temporal.transformer.resblocks[3], model.towers.transformer.resblocks[3]
    assert torch.equal(block.mlp.c_fc.weight, source.mlp.c_fc.weight)
    assert torch.equal(model.temporal.positions.weight, model.towers.positional_embedding)
    assert len(model.temporal.transformer.resblocks) == 4
    assert model.generator["v2t"].q_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.text_weights[0].bias.abs().max() == 0
    assert torch.equal(model.towers.visual.conv1.weight, zero_shot.towers.visual.conv1.weight)


def test_offline_the_weights_are_asked_for_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match="connect to the internet once"):
        DiffusionRet.from_clip("ViT-B-32-quickgelu", "openai")
    with pytest.raises(ValueError, match="list_models"):
        DiffusionRet.from_clip("ViT-Z-1")
    with pytest.raises(ConnectionError, match="cannot be reached"):
        DiffusionRet.from_pretrained("somebody/some-model")


def test_save_and_load(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path / "m")
    again = DiffusionRet.from_pretrained(tmp_path / "m")
    assert again.config == model.config and not again.training
    assert json.loads((tmp_path / "m/config.json").read_text())["generator"]["steps"] == 10
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), atol=2e-3), name


def test_weights_that_do_not_fit_are_named(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["temporal_layers"] = 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"missing temporal\.transformer\.resblocks\.1"):
        DiffusionRet.from_pretrained(tmp_path)
    config["colour"] = "red"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="colour"):
        DiffusionRet.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="no model 'nothing'"):
        DiffusionRet.from_pretrained("nothing")


def test_a_config_survives_json():
    config = replace(CONFIG, clip=replace(CONFIG.clip, vision_layers=(1, 2, 3, 4)))
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with unchecked(), pytest.raises(ValueError, match="frame_rule"):
        replace(CONFIG, frame_rule="some")


def test_generation_argues_about_its_arguments():
    model = tiny_model()
    text, video = features(3, 4)
    candidates = torch.tensor([[0, 1]] * 3)
    with pytest.raises(ValueError, match="pass the noise"):
        model.generate(text, video, candidates, steps=5)
    with pytest.raises(ValueError, match="noise is"):
        model.generate(text, video, candidates, steps=5, noise=torch.zeros(2, 2))
    with pytest.raises(ValueError, match="choose t2v"):
        model.generate(text, video, candidates, "t2t", steps=5, noise=torch.zeros(3, 2))


def test_seeds_are_an_axis_and_average_in_the_ranking():
    model = tiny_model()
    text, video = features(3, 4)
    similarity = model.similarity(text, video)
    candidates = similarity.topk(2, dim=1).indices
    noise = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))
    many = model.generate(text, video, candidates, steps=5, noise=noise)
    one = model.generate(text, video, candidates, steps=5, noise=noise[2])
    assert many.x.shape == (6, 5, 3, 2)
    assert torch.allclose(many.x[:, 2], one.x, atol=1e-5)
    boosts = torch.stack([(2.0 * many.x[-1, s]).softmax(-1) for s in range(5)]).mean(0)
    expected = similarity.scatter_add(1, candidates, 0.5 * boosts)
    assert torch.allclose(model.rerank(similarity, many, alpha=0.5, beta=2.0), expected, atol=1e-5)


def test_text_that_is_cut_is_named():
    model = tiny_model()
    assert model.cut("a red boat") == ""
    long = "a red boat sails along the coast while a small white dog looks out over the quiet water"
    assert long.endswith(model.cut(long)) and "water" in model.cut(long)
    ids, mask = model.tokenize([long, "hi"])
    assert ids.shape == (2, 16) and mask.sum(1).tolist() == [16, 3]


def test_preprocessing_is_clips():
    model = tiny_model()
    frames = torch.randint(
        0, 256, (2, 3, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    x = model.preprocess(frames)
    assert x.shape == (2, 3, 3, 32, 32)
    from PIL import Image

    transform = open_clip.image_transform(32, is_train=False, resize_mode="shortest")
    expected = transform(Image.fromarray(frames[1, 2].numpy()))
    assert (x[1, 2] - expected).abs().max() < 0.05


@pytest.mark.parametrize("change", ["dim", "mask"])
def test_features_that_do_not_fit_together_are_refused(change):
    model, (text, video) = tiny_model(), features(2, 2)
    text = text._replace(cls=text.cls[:, :16]) if change == "dim" else text
    video = video._replace(mask=video.mask[:, :2]) if change == "mask" else video
    with unchecked(), pytest.raises(ValueError, match="do not fit together"):
        model.generate(text, video, torch.zeros(2, 1).long(), steps=3, noise=torch.zeros(2, 1))


def test_the_end_of_an_endless_text_is_found_at_once():
    model = tiny_model()
    begun = time.process_time()  # what other work takes is not counted
    assert len(model.cut("a red boat " * 5000)) > 50_000
    assert time.process_time() - begun < 10  # a word at a time it would take minutes


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", b"{", "config.json does not describe a model: copy or download the model again."),
        ("config.json", b'{"name": 3}', "config.json does not describe a model"),
        ("config.json", b"[]", "config.json does not describe a model"),
        ("model.safetensors", b"", "cannot be read: copy or download the model again."),
        ("model.safetensors", 999 * b"x", "cannot be read"),
    ],
)
def test_a_damaged_folder_is_one_sentence(tmp_path, file, content, sentence):
    tiny_model().save_pretrained(tmp_path)
    assert (tmp_path / file).is_file()
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        DiffusionRet.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value) and "pickle" not in str(caught.value)


def test_weights_of_other_sizes_are_one_sentence(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"text_width": 32', '"text_width": 64'))
    with pytest.raises(ValueError, match=r"do not fit its config\.json: copy or download"):
        DiffusionRet.from_pretrained(tmp_path)


def test_weights_in_a_file_do_not_say_where_they_lie(tmp_path):
    """The name stands on the page of the app."""
    file = tmp_path / "weights.pt"
    torch.save(DiffusionRet.from_clip("ViT-S-32-alt").towers.state_dict(), file)
    assert DiffusionRet.from_clip("ViT-S-32-alt", str(file)).config.name == "ViT-S-32-alt weights.pt"
