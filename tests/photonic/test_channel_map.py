"""Channel maps: the default, blocks, tables, and maps that are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.channel_map import ChannelMap, ChannelMapError, load_channel_map


def test_the_default_gives_each_tile_a_module():
    channels = ChannelMap.default([3, 2], [2, 1])
    assert channels.module.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert channels.channel.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_blocks_run_on_to_the_next_module(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(
        "channels_per_module: 4\nnum_modules: 9\nblocks:\n"
        "- {first_id: 3, count: 6, module: 2, first_channel: 3}\n"
        "- {first_id: 0, count: 3, module: 8}\n"
    )
    channels = load_channel_map(path, 9)
    assert channels.module.tolist() == [8, 8, 8, 2, 3, 3, 3, 3, 4]
    assert channels.channel.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]


@given(seed=st.integers(0, 2**32), size=st.integers(1, 40))
def test_a_table_in_any_order_is_read_back(tmp_path_factory, seed, size):
    generator = np.random.default_rng(seed)
    place = generator.permutation(3 * size)[:size]
    rows = [f"{p % 7},{i},{p // 7}" for i, p in enumerate(place)]
    generator.shuffle(rows)
    path = tmp_path_factory.mktemp("map") / "map.csv"
    path.write_text("channel,id,module\n" + "\n".join(rows) + "\n")
    channels = load_channel_map(path, size)
    assert channels.module.tolist() == (place // 7).tolist()
    assert channels.channel.tolist() == (place % 7).tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,0,0\n1,0,1\n", r"shifter 2 has no channel \(1 of them in all\)"),
        ("0,0,0\n1,0,1\n1,0,2\n2,0,3\n", "shifter 1 has two channels"),
        ("0,0,0\n1,0,1\n2,0,0\n", "module 0, channel 0 is used twice: by shifters 0 and 2"),
        ("0,0,0\n1,0,1\n2,0,8\n", "channel 8 of shifter 2 is out of range, 0 to 7"),
        ("0,0,0\n1,0,-1\n2,0,3\n", "channel -1 of shifter 1 is out of range"),
        ("0,0,0\n1,5,1\n2,0,3\n", "module 5 of shifter 1 is out of range, 0 to 1"),
        ("0,0,0\n1,0,1\n3,0,2\n", "shifter 3 is unknown; the shifters are 0 to 2"),
        ("0,0,0\n1,0,1.5\n2,0,2\n", "map.csv: `channel` of row 2 is not an integer"),
        ("0,0,0\n1,0\n2,0,2\n", "map.csv: row 2 has 2 cells, the header has 3"),
        ("0,0,99999999999999999999\n", "map.csv: "),
        ("", "holds no rows"),
    ],
)
def test_tables_are_refused(tmp_path, rows, message):
    (tmp_path / "map.csv").write_text("id,module,channel\n" + rows)
    path = tmp_path / "map.yaml"
    path.write_text("channels_per_module: 8\nnum_modules: 2\nfile: map.csv\n")
    with pytest.raises(ChannelMapError, match=message) as caught:
        load_channel_map(path, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channels_per_module: 8", "exactly one of `blocks` and `file`"),
        ("channels_per_module: 0\nfile: map.csv", "channels_per_module"),
        ("channels_per_module: 8\nfile: ../map.csv", "must lie in the folder"),
        ("channels_per_module: 8\nfile: none.csv", "no such file"),
        (
            "channels_per_module: 8\nblocks: [{first_id: 0, count: 1000000000, module: 0}]",
            "ends at",
        ),
        (
            "channels_per_module: 8\nblocks: [{first_id: 0, count: 2, module: -1}]",
            "blocks.0.module",
        ),
        (
            "channels_per_module: 8\n"
            "blocks: [{first_id: 0, count: 3, module: 0, first_channel: 8}]",
            "channel 8 of module 0 is out of range",
        ),
        (
            "channels_per_module: 8\nblocks: [{first_id: 0, count: 3, module: 0}, "
            "{first_id: 0, count: 3, module: 1}]",
            "hold more than 3 shifters",
        ),
        ("[1]", "must be a table"),
        ("channels_per_module: 8\nfile: map.csv\nnote: x", "note"),
    ],
)
def test_descriptions_are_refused(tmp_path, text, message):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ChannelMapError, match=message) as caught:
        load_channel_map(path, 3)
    assert "\n" not in str(caught.value)


def test_a_map_needs_its_columns(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("id,module\n0,0\n")
    with pytest.raises(ChannelMapError, match="has no column `channel`"):
        load_channel_map(path, 1)
    with pytest.raises(ChannelMapError, match=r"no\.yaml: No such file"):
        load_channel_map(tmp_path / "no.yaml", 1)


def test_a_map_states_the_kind_of_its_modules(tmp_path):
    path = tmp_path / "map.yaml"
    text = (
        "channels_per_module: 8\nmodule_kind: Q8b\nblocks: [{first_id: 0, count: 3, module: 2}]\n"
    )
    path.write_text(text)
    assert load_channel_map(path, 3).module_kind == "Q8b"
    path.write_text(text.replace("Q8b", "Q9"))
    with pytest.raises(ChannelMapError, match="module_kind"):
        load_channel_map(path, 3)
