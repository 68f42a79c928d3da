"""Flash and RAM that a Zephyr executable needs.

The linker's writable sections do not show RAM, since Zephyr has writable tables of devices in
flash. A section counts by the address where it runs and the address where it is loaded from.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section
from elftools.elf.segments import Segment

from ..elf import Sizes


def image_sizes(path: Path) -> Sizes:
    """Sums of an executable's sections.

    Flash holds the sections that are loaded; RAM those that start-up code copies or clears. An
    image that does not run from flash is in RAM as a whole. Stacks of threads are included, since
    Zephyr keeps them among its data.
    """
    with path.open("rb") as file:
        image = ELFFile(file)
        loaded = [part for part in image.iter_segments() if part["p_type"] == "PT_LOAD"]
        in_place = any(_is_copied(part) for part in loaded if part["p_filesz"])
        flash = ram = 0
        for section in image.iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            empty = section["sh_type"] == "SHT_NOBITS"
            copied = any(_is_copied(part) and _holds(part, section) for part in loaded)
            flash += 0 if empty else section["sh_size"]
            ram += section["sh_size"] if empty or copied or not in_place else 0
    return Sizes(flash, ram)


def _is_copied(segment: Segment) -> bool:
    """Whether a segment runs at another address than it is loaded at."""
    return bool(segment["p_vaddr"] != segment["p_paddr"])


def _holds(segment: Segment, section: Section) -> bool:
    start = segment["p_vaddr"]
    return bool(start <= section["sh_addr"] < start + segment["p_memsz"])
