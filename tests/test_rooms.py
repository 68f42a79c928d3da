"""The rooms of docs/architecture.md: who may import whom."""

import pytest
from pages.rooms import imports, modules, room_of, rooms


@pytest.mark.parametrize(("path", "module"), list(modules()), ids=lambda v: str(v)[-40:])
def test_no_import_goes_up(path, module):
    order = list(rooms())
    own = order.index(room_of(module))
    found = {name for name in imports(path, module) if name.split(".")[1] != "_version"}
    assert not {name for name in found if order.index(room_of(name)) > own}


def test_every_room_is_there():
    found = {room_of(module) for _, module in modules()}
    assert found == set(rooms())
