"""Checkpoints: what is written is read back bit for bit, everything else is refused by name."""

import hashlib
import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from models import checkpoint
from models.checkpoint import CheckpointError, checkpoint_names, load_checkpoint, save_checkpoint
from models.model import CrystalModel, PredictionError
from models.network import SPFrameNetwork
from tests.models.networks import LABELS, random_model
from tests.models.prototypes import PROTOTYPES

PROPERTIES = tuple(f"property {number}" for number in range(7))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A checkpoint of the random network in float32."""
    save_checkpoint(random_model(torch.float32), PROPERTIES, tmp_path)
    return tmp_path


def edit_config(directory: Path, *keys: str | int, value: object) -> None:
    path = directory / "config.json"
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


def replace_weights(directory: Path, weights: bytes) -> None:
    """Other weights with a hash that fits: only their content can be refused."""
    (directory / "weights.safetensors").write_bytes(weights)
    edit_config(directory, "weights_sha256", value=hashlib.sha256(weights).hexdigest())


def edit_state(directory: Path, name: str, value: torch.Tensor | None) -> None:
    state = load((directory / "weights.safetensors").read_bytes())
    if value is None:
        del state[name]
    else:
        state[name] = value
    replace_weights(directory, save(state))


def assert_same_model(first: CrystalModel, second: CrystalModel) -> None:
    assert first.labels == second.labels
    assert first.graph_settings == second.graph_settings
    assert first.network.config == second.network.config
    assert dict(first.info) == dict(second.info)
    state, other = first.network.state_dict(), second.network.state_dict()
    assert state.keys() == other.keys()
    different = [name for name in state if not torch.equal(state[name], other[name])]
    assert not different, f"not equal bit for bit: {different}"
    crystals = [PROTOTYPES["quartz"], PROTOTYPES["triclinic"]]
    before, after = first.predict(crystals), second.predict(crystals)
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_round_trip_is_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    model = random_model(dtype)
    save_checkpoint(model, PROPERTIES, tmp_path)
    assert_same_model(model, load_checkpoint(tmp_path, dtype=dtype))


def test_saving_again_gives_the_same_files(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tmp_path_factory.mktemp("again")
    save_checkpoint(load_checkpoint(directory), PROPERTIES, again)
    for name in ("config.json", "weights.safetensors"):
        assert (again / name).read_bytes() == (directory / name).read_bytes()


def test_a_directory_holds_nothing_but_json_and_safetensors(directory: Path) -> None:
    assert {path.name for path in directory.iterdir()} == {"config.json", "weights.safetensors"}
    assert json.loads((directory / "config.json").read_text())["element_properties"] == list(
        PROPERTIES
    )


def test_loaded_models_are_frozen_and_in_evaluation_mode(
    directory: Path, dtype: torch.dtype
) -> None:
    model = load_checkpoint(str(directory), dtype=dtype)
    assert model.dtype == dtype
    assert not model.network.training
    assert all(value.dtype == dtype for value in model.network.parameters())
    assert not any(value.requires_grad for value in model.network.parameters())


def test_double_precision_of_single_weights_adds_no_error(directory: Path) -> None:
    single, double = load_checkpoint(directory), load_checkpoint(directory, dtype=torch.float64)
    for name, value in single.network.state_dict().items():
        assert torch.equal(value.double(), double.network.state_dict()[name].double()), name


def test_layers_come_from_the_given_factory(directory: Path) -> None:
    class Marked(torch.nn.Linear):
        """A layer that can be told apart."""

    def factory(in_features: int, out_features: int, bias: bool = True) -> torch.nn.Linear:
        return Marked(in_features, out_features, bias)

    network = load_checkpoint(directory, linear=factory).network
    dense = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    assert dense
    assert all(isinstance(layer, Marked) for layer in dense)


def test_truncated_weights_are_refused(directory: Path) -> None:
    path = directory / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        CheckpointError, match=r"weights\.safetensors is truncated or .*sha256 differs"
    ):
        load_checkpoint(directory)


def test_truncated_weights_with_a_fitting_hash_are_refused(directory: Path) -> None:
    replace_weights(directory, (directory / "weights.safetensors").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="weights do not fit"):
        load_checkpoint(directory)


def test_one_flipped_bit_is_refused(directory: Path) -> None:
    path = directory / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="sha256 differs"):
        load_checkpoint(directory)


def test_pickled_weights_are_refused_and_not_run(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    witness = tmp_path_factory.mktemp("witness") / "ran"

    class Harmful:
        def __reduce__(self):
            return (Path.touch, (witness,))

    replace_weights(directory, pickle.dumps(Harmful()))
    with pytest.raises(CheckpointError, match="weights do not fit"):
        load_checkpoint(directory)
    assert not witness.exists()


def test_a_torch_file_is_refused(directory: Path) -> None:
    torch.save(random_model(torch.float32).network.state_dict(), directory / "weights.safetensors")
    replace_weights(directory, (directory / "weights.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="weights do not fit"):
        load_checkpoint(directory)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(directory: Path, value: float) -> None:
    edit_state(directory, "head.outer.bias", torch.tensor([0.0, value]))
    with pytest.raises(
        CheckpointError, match=r"`head\.outer\.bias` holds numbers that are not finite"
    ):
        load_checkpoint(directory)


def test_numbers_beyond_single_precision_are_refused(directory: Path) -> None:
    edit_state(directory, "head.outer.bias", torch.tensor([0.0, 1e39], dtype=torch.float64))
    with pytest.raises(
        CheckpointError, match=r"`head\.outer\.bias` .* not finite in torch\.float32"
    ):
        load_checkpoint(directory)
    load_checkpoint(directory, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_numbers_of_another_kind_are_refused(directory: Path, dtype: torch.dtype) -> None:
    edit_state(directory, "head.outer.bias", torch.ones(2).to(dtype))
    with pytest.raises(CheckpointError, match=r"weights do not fit \(`head\.outer\.bias` must be"):
        load_checkpoint(directory)


@pytest.mark.parametrize("shape", [(), (7,), (85, 7, 1)])
def test_element_tables_of_another_shape_are_refused(directory: Path, shape: tuple) -> None:
    edit_state(directory, "element_features", torch.ones(shape))
    with pytest.raises(CheckpointError, match=r"`element_features` must have shape \(Z, F\)"):
        load_checkpoint(directory)


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"])
def test_weights_that_are_no_safetensors_file_are_refused(directory: Path, data: bytes) -> None:
    replace_weights(directory, data)
    with pytest.raises(CheckpointError, match=r"weights do not fit \(no readable safetensors"):
        load_checkpoint(directory)


def test_networks_larger_than_their_file_are_not_built(directory: Path) -> None:
    sizes = {"width": 1024, "num_layers": 16, "num_scalars": 1024, "num_vectors": 256}
    for key, value in sizes.items():
        edit_config(directory, "network", key, value=value)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"config\.json has [\d,]{9,} numbers, the file"):
        load_checkpoint(directory)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "factor", "word"),
    [("head.outer.weight", 1e30, "e\\+|inf|nan"), ("layers.0.attention", 1e25, "inf|nan|e\\+")],
)
def test_predictions_that_cannot_be_right_name_their_crystal(
    directory: Path, name: str, factor: float, word: str
) -> None:
    state = load((directory / "weights.safetensors").read_bytes())
    for key in [key for key in state if key.startswith(name) and key.endswith("weight")]:
        edit_state(directory, key, state[key] * factor)
    model = load_checkpoint(directory)
    crystals = [PROTOTYPES["quartz"], PROTOTYPES["triclinic"]]
    with pytest.raises(
        PredictionError, match=rf"^structure 0: the network gives -?\S*({word})\S* standard dev"
    ) as caught:
        model.predict(crystals)
    assert set(caught.value.reasons) == {0, 1}


def test_outputs_are_refused_one_by_one() -> None:
    model = random_model(torch.float64)
    outputs = torch.tensor([[0.0, 1.0], [float("nan"), 0.0], [0.5, -101.0], [100.0, -100.0]])
    with pytest.raises(PredictionError, match=r"structure 1: .* for 'index'") as caught:
        model.predictions(outputs)
    assert set(caught.value.reasons) == {1, 2}
    assert "for 'energy'" in caught.value.reasons[2]
    kept = model.predictions(outputs[[0, 3]])
    assert all(np.isfinite(values).all() for values in kept.values())


@pytest.mark.parametrize("name", ["head.outer.bias", "element_features"])
def test_missing_weights_are_refused(directory: Path, name: str) -> None:
    edit_state(directory, name, None)
    with pytest.raises(CheckpointError, match="weights do not fit"):
        load_checkpoint(directory)


def test_surplus_weights_are_refused(directory: Path) -> None:
    edit_state(directory, "head.third.bias", torch.zeros(2))
    with pytest.raises(CheckpointError, match="weights do not fit"):
        load_checkpoint(directory)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_missing_files_are_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_checkpoint(directory)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("format_version",), 2, "format lightframe-checkpoint 2 is not lightframe-checkpoint 1"),
        (("format",), "other", "format other 1 is not"),
        (("network", "width"), 0, r"config\.json is not valid \(network\.width"),
        (("network", "width"), 13, "weights do not fit"),
        (("network", "num_layers"), 3, "weights do not fit"),
        (("network", "depth"), 3, r"network\.depth"),
        (("graph", "tie_tolerance"), -1, r"graph\.tie_tolerance"),
        (("labels", 0, "transform"), "ln", r"labels\.0\.transform"),
        (("labels", 0, "std"), 0, r"labels\.0\.std"),
        (("labels",), [LABELS[0].model_dump()], "weights do not fit"),
        (("weights_sha256",), "0" * 64, "sha256 differs"),
        (("weights_sha256",), None, "weights_sha256"),
    ],
)
def test_edited_configs_are_refused(
    directory: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    edit_config(directory, *keys, value=value)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_configs_that_are_not_an_object_are_refused(directory: Path, content: bytes) -> None:
    (directory / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json is not valid"):
        load_checkpoint(directory)


def test_unknown_names_list_the_shipped_ones(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "checkpoint_names", lambda: ("alpha", "beta"))
    with pytest.raises(
        CheckpointError, match=r"no checkpoint directory gamma .* shipped: alpha, beta"
    ):
        load_checkpoint("gamma")


def test_unknown_names_say_so_if_nothing_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "checkpoint_names", lambda: ())
    with pytest.raises(CheckpointError, match="shipped: none"):
        load_checkpoint("gamma")


def test_names_do_not_reach_outside_the_package() -> None:
    with pytest.raises(CheckpointError, match="no shipped checkpoint of that name"):
        load_checkpoint("../checkpoints/nothing")


@pytest.mark.parametrize("name", checkpoint_names())
def test_shipped_checkpoints_predict_finite_numbers(name: str) -> None:
    model = load_checkpoint(name)
    assert isinstance(model.network, SPFrameNetwork)
    predicted = model.predict([PROTOTYPES["wurtzite"], PROTOTYPES["quartz"]])
    assert set(predicted) == {label.name for label in model.labels}
    assert all(np.isfinite(values).all() for values in predicted.values())
