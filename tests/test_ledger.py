"""The ledger: one byte count in all units, and what is deployed apart from what is sent."""

import numpy as np
import pytest

from moo_fs import MooFsError
from moo_fs.coding.quantiser import fit_tables
from moo_fs.ledger import Item, Ledger, Rate, deployed_items, hard_ledger


def test_one_byte_count_in_all_units():
    """1500 bytes: 12 kbit; over 64 x 64 pixels 12000 / 4096 = 2.93 bits, over 64 x 16 x 16 elements .73 bits."""
    rate = Rate(1500, elements=64 * 16 * 16, pixels=64 * 64)
    assert (rate.bytes, rate.kbit, rate.kilobytes) == (1500, 12.0, 1.5)
    assert (rate.bits_per_pixel, rate.bits_per_element) == (2.9296875, 0.732421875)


@pytest.mark.parametrize("wrong", [(-1, 5, 5), (float("nan"), 5, 5), (1, 0, 5), (1, 5, 0)])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(MooFsError, match="rate: wanted bytes of 0 or more"):
        Rate(wrong[0], elements=wrong[1], pixels=wrong[2])


def test_what_is_deployed_counts_nothing_per_image():
    ledger = Ledger((Item("a", 16, False, ""), Item("b", 2.5, False, ""), Item("c", 100, True, "")), 7, 18)
    assert (ledger.coded_bytes, ledger.deployed_bytes, ledger.per_image_bytes) == (18.5, 100, 118.5)
    assert ledger.rows()[2] == {"name": "c", "bytes": 100, "deployed": True, "about": ""}


def test_an_allocation_deploys_depths_ranges_levels_and_tables():
    """5 channels, depths 0 1 2 8 and one that is constant: 20 bits of depths, 3 ranges, 2 + 4 + 256 levels, 2 means."""
    maps = np.random.default_rng(0).random((4, 5, 8, 8)).astype(np.float32)
    maps[:, 4] = 1
    bits = [0, 1, 2, 8, 3]
    cells = fit_tables(maps).select(np.array(bits))
    sizes = {item.name: item.bytes for item in deployed_items(cells, code_tables=True)}
    wanted = {"depths": 3, "mask": 0, "ranges": 24, "reconstructions": 4 * 264, "code-tables": 3 * 262}
    assert sizes == wanted
    assert all(item.deployed for item in deployed_items(cells, code_tables=True))
    assert {item.name: item.bytes for item in deployed_items(cells, code_tables=False)} == wanted | {"code-tables": 0}
    ledger = hard_ledger(cells, bits, positions=64, header=16, payload=90, entropy=91.5, code_tables=True)
    assert ledger.coded_bytes == 106
    assert ledger.entropy_bytes == 107.5
    assert ledger.nominal_bytes == 14 * 64 / 8
    assert ledger.deployed_bytes == sum(wanted.values())
