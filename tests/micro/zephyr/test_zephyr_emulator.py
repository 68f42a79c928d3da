"""QEMU's command is the build's own, with serial ports a host can talk to."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from tvm_tiny.errors import BoardError
from tvm_tiny.micro.elf import Sizes
from tvm_tiny.micro.zephyr import emulator
from tvm_tiny.micro.zephyr.build import Build
from tvm_tiny.micro.zephyr.devicetree import node_paths, serial_index

DTS = """\
/dts-v1/;

/ {
\t#address-cells = < 0x1 >;
\tchosen {
\t\tzephyr,console = &uart0;
\t};
\tsoc {
\t\tperipheral@50000000 {
\t\t\tuart1: arduino_serial: uart@201000 {
\t\t\t\tstatus = "okay";
\t\t\t};
\t\t\tuart0: uart@200000 {   /* node '/soc/...' */
\t\t\t\tstatus = "okay";
\t\t\t};
\t\t\tuart10: uart@1200000 {
\t\t\t};
\t\t};
\t\tsystem-clock {
\t\t};
\t\ttimer: timer@1000 {
\t\t};
\t};
};
"""
PARENT = "/soc/peripheral@50000000"
RUN = (
    "cd /b && /usr/bin/touch x && /usr/bin/qemu-system-arm -cpu cortex-m3 -machine mps2-an385 "
    "-nographic -vga none -pidfile qemu.pid -chardev stdio,id=con,mux=on -serial chardev:con "
    "-mon chardev=con,mode=readline -icount shift=7 -chardev pty,id=hostS0 -serial chardev:hostS0 "
    "-semihosting-config enable=on,target=auto,chardev=con -kernel /b/zephyr/zephyr.elf"
)


@pytest.fixture
def build(tmp_path, monkeypatch) -> Build:
    (tmp_path / "zephyr").mkdir()
    (tmp_path / "zephyr" / "zephyr.dts").write_text(DTS)
    answer = subprocess.CompletedProcess([], 0, f"cc x.c\n{RUN}\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(emulator, "read_string", lambda *_: f"{PARENT}/uart@201000")
    return Build(tmp_path, tmp_path / "zephyr" / "zephyr.elf", Sizes(0, 0))


def test_paths_of_nodes_are_read():
    assert node_paths(DTS)[:4] == ["/", "/chosen", "/soc", PARENT]
    assert f"{PARENT}/uart@201000" in node_paths(DTS)


@pytest.mark.parametrize(("uart", "index"), [("200000", 0), ("201000", 1), ("1200000", 2)])
def test_serial_ports_are_numbered_by_address(tmp_path, uart, index):
    path = tmp_path / "zephyr.dts"
    path.write_text(DTS)
    assert serial_index(path, f"{PARENT}/uart@{uart}") == index


@pytest.mark.parametrize("uart", [f"{PARENT}/uart@300000", "/soc/system-clock"])
def test_a_node_that_is_no_uart_is_refused(tmp_path, uart):
    path = tmp_path / "zephyr.dts"
    path.write_text(DTS)
    with pytest.raises(BoardError, match=f"no node {uart}"):
        serial_index(path, uart)


def test_machine_is_kept_and_serial_ports_are_ours(build):
    command = emulator.emulator_command(build)
    assert shlex.join(command).startswith("/usr/bin/qemu-system-arm -cpu cortex-m3 -machine mps2")
    assert not any("con" in word.split(",")[0].split("=") for word in command)
    assert "-nographic" not in command
    assert "-pidfile" not in command
    assert "enable=on,target=auto" in command
    assert command[-2:] == ["-serial", f"file:{build.folder}/console.log"]


def test_the_only_uart_is_the_sessions(build, monkeypatch):
    monkeypatch.setattr(emulator, "read_string", lambda *_: f"{PARENT}/uart@200000")
    assert "-serial" not in emulator.emulator_command(build)


def test_ports_between_console_and_session_go_nowhere(build, monkeypatch):
    monkeypatch.setattr(emulator, "read_string", lambda *_: f"{PARENT}/uart@1200000")
    assert emulator.emulator_command(build)[-2:] == ["-serial", "null"]


def test_an_application_without_session_is_refused(build, monkeypatch):
    monkeypatch.setattr(emulator, "read_string", lambda *_: None)
    with pytest.raises(BoardError, match="set CONFIG_TVM_TINY_SESSION=y"):
        emulator.emulator_command(build)


def test_a_board_without_emulator_is_refused(build, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ninja: error: unknown target 'run_qemu'")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(BoardError, match="no QEMU for this board"):
        emulator.emulator_command(build)
