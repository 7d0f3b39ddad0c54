import pytest
import torch

from diffusionret.checkpoint import CheckpointError, from_published_state, load_published


@pytest.fixture(scope="module")
def state(parity):
    return torch.load(parity / "small" / "checkpoint.bin", weights_only=True)


def test_every_problem_is_named(state):
    broken = dict(state)
    broken["diffusion_model.proj.weight"] = torch.zeros(3, 3)
    broken["surprise"] = torch.zeros(1)
    del broken["text_weight_fc.0.bias"]
    with pytest.raises(CheckpointError) as caught:
        from_published_state(broken)
    for name in (
        "missing text_weight_fc.0.bias",
        "unknown surprise",
        "diffusion_model.proj.weight is (3, 3)",
    ):
        assert name in str(caught.value)


def test_stage_one_has_no_generator(state):
    features_only = {k: v for k, v in state.items() if not k.startswith("diffusion_model")}
    model = from_published_state(features_only)
    assert model.generator is None and model.config.generator is None
    half = {k: v for k, v in state.items() if not k.startswith("diffusion_model_v")}
    with pytest.raises(CheckpointError, match=r"missing diffusion_model_v\."):
        from_published_state(half)


def test_converting_keeps_the_model(state, tmp_path):
    from diffusionret import DiffusionRet

    model = from_published_state(state, attention_temperature=0.5)
    model.save_pretrained(tmp_path)
    again = DiffusionRet.from_pretrained(tmp_path)
    assert again.config.generator.attention_temperature == 0.5
    assert torch.allclose(
        again.generator["t2v"].q_proj.weight, model.generator["t2v"].q_proj.weight, atol=1e-3
    )


def test_what_is_no_checkpoint_is_said_so(tmp_path):
    file = tmp_path / "x.bin"
    file.write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_published(file)
    torch.save([1, 2], file)
    with pytest.raises(CheckpointError, match="no state dict"):
        load_published(file)
    import pickle

    file.write_bytes(pickle.dumps(print))  # a pickle of code is refused, never run
    with pytest.raises(CheckpointError):
        load_published(file)
