"""Arduino, ESP-IDF and CMSIS packs: laid out as their tools want, and everything compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.micro.projects import create_project

WARNINGS = ["-Wall", "-Wextra", "-Werror"]

ARDUINO_H = """\
#pragma once
#include <stddef.h>
#include <stdint.h>
struct Stream {
  void begin(unsigned long);
  int available();
  int read();
  size_t write(const uint8_t*, size_t);
  template <typename T> void print(T);
  template <typename T> void println(T);
  void println();
};
extern Stream Serial;
unsigned long micros();
void delay(unsigned long);
"""

ESP_HEADERS = {
    "driver/uart.h": """\
#pragma once
#include <stdint.h>
typedef int uart_port_t;
enum { UART_NUM_0, UART_DATA_8_BITS, UART_PARITY_DISABLE, UART_STOP_BITS_1,
       UART_HW_FLOWCTRL_DISABLE };
typedef struct { int baud_rate, data_bits, parity, stop_bits, flow_ctrl; } uart_config_t;
int uart_driver_install(uart_port_t, int, int, int, void*, int);
int uart_param_config(uart_port_t, const uart_config_t*);
int uart_read_bytes(uart_port_t, void*, uint32_t, uint32_t);
int uart_write_bytes(uart_port_t, const void*, uint32_t);
""",
    "esp_err.h": "#define ESP_ERROR_CHECK(x) ((void)(x))\n",
    "esp_log.h": "enum { ESP_LOG_NONE };\nvoid esp_log_level_set(const char*, int);\n",
    "esp_system.h": "void esp_restart(void);\n",
    "esp_timer.h": "#include <stdint.h>\nint64_t esp_timer_get_time(void);\n",
    "freertos/FreeRTOS.h": "#include <stddef.h>\n",
    "freertos/task.h": "void vTaskDelay(unsigned);\n",
}

COMPONENT = """\
cmake_minimum_required(VERSION 3.16)
project(check C)
function(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  list(TRANSFORM ARG_SRCS PREPEND "${COMPONENT}/")
  list(TRANSFORM ARG_INCLUDE_DIRS PREPEND "${COMPONENT}/")
  add_library(component STATIC ${ARG_SRCS})
  target_include_directories(component PUBLIC ${ARG_INCLUDE_DIRS})
endfunction()
include("${COMPONENT}/CMakeLists.txt")
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["arduino", "esp-idf", "cmsis-pack"])
@pytest.mark.parametrize("target", ["host", "cortex-m0", "cortex-m55", "rv32"])
def test_all_sources_compile(archives, tmp_path, kind, target):
    require(toolchain.HOST_CC)
    from tvm_tiny.targets import TARGETS

    require(TARGETS[target].compiler)
    project = create_project(tmp_path / "p", archives, kind, {})
    image = project.build({"target": target})
    assert image.path.is_file()
    assert image.flash_bytes > 0


def test_arduino_finds_headers_and_examples(archives, tmp_path):
    project = create_project(tmp_path / "p", archives, "arduino", {})
    text = (project.folder / "library.properties").read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines())
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category",
            "url", "architectures"} <= set(properties)  # fmt: skip
    assert properties["name"] == "tvm_tiny_one"
    for header in properties["includes"].split(","):
        assert (project.folder / "src" / header).is_file()


def test_arduino_sketches_compile_and_link_with_the_library(archives, tmp_path):
    require(toolchain.HOST_CC)
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler (apt install g++)")
    project = create_project(tmp_path / "p", archives, "arduino", {})
    project.build({"target": "host"})
    stub = write(tmp_path / "stub", {"Arduino.h": ARDUINO_H})
    for name in ("Inference", "Session"):
        sketch = project.folder / "examples" / name / f"{name}.ino"
        run(compiler, *WARNINGS, "-x", "c++", "-std=c++11", "-include", stub / "Arduino.h",
            f"-I{project.folder / 'src'}", "-c", sketch, "-o", tmp_path / f"{name}.o")  # fmt: skip
        library = project.folder / "build" / "libmodels.a"
        run("ld", "-r", tmp_path / f"{name}.o", library, "-o", tmp_path / "linked.o")


def test_the_esp_component_builds_by_its_own_cmake_file(archives, tmp_path):
    require(toolchain.HOST_CC)
    require("cmake")
    project = create_project(tmp_path / "p", archives, "esp-idf", {})
    check = write(tmp_path / "check", {"CMakeLists.txt": COMPONENT})
    build = tmp_path / "build"
    run("cmake", "-S", check, "-B", build, f"-DCOMPONENT={project.folder}")
    run("cmake", "--build", build)


def test_the_esp_example_compiles(archives, tmp_path):
    require(toolchain.HOST_CC)
    project = create_project(tmp_path / "p", archives, "esp-idf", {})
    stub = write(tmp_path / "stub", ESP_HEADERS)
    main = project.folder / "examples" / "session" / "main" / "main.c"
    run("cc", *WARNINGS, "-std=c11", f"-I{stub}", f"-I{project.folder / 'include'}",
        "-c", main, "-o", tmp_path / "main.o")  # fmt: skip


def test_a_pack_describes_every_file_once(archives, tmp_path):
    options = {"vendor": "Example", "pack": "models"}
    project = create_project(tmp_path / "p", archives, "cmsis-pack", options)
    package = ET.parse(project.folder / "Example.models.pdsc").getroot()
    assert (package.findtext("vendor"), package.findtext("name")) == ("Example", "models")
    named = [file.get("name") for file in package.iter("file") if file.get("category") != "include"]
    assert len(set(named)) == len(named)
    private = re.compile(r"src/.*\.h")
    files = {
        path.relative_to(project.folder).as_posix()
        for part in ("include", "src")
        for path in (project.folder / part).rglob("*")
        if path.is_file()
    }
    assert {name for name in files if not private.fullmatch(name)} == set(named)
    conditions = {condition.get("id") for condition in package.iter("condition")}
    assert {c.get("condition") for c in package.iter("component")} - {None} == conditions
    parts = {(c.get("Cclass"), c.get("Cgroup"), c.get("Csub")) for c in package.iter("component")}
    needed = {(r.get("Cclass"), r.get("Cgroup"), r.get("Csub")) for r in package.iter("require")}
    assert needed <= parts


def test_vendors_tools_are_named_where_they_are_missing(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    arduino = create_project(tmp_path / "a", [archive], "arduino", {})
    with pytest.raises(ToolchainError, match=r"arduino-cli not found: install it as https"):
        arduino.build({"fqbn": "arduino:avr:uno"})
    with pytest.raises(DataError, match="no serial port"):
        arduino.flash()
    esp = create_project(tmp_path / "e", [archive], "esp-idf", {})
    with pytest.raises(ToolchainError, match=r"idf\.py not found"):
        esp.build({"chip": "esp32s3"})
    pack = create_project(tmp_path / "c", [archive], "cmsis-pack", {})
    for verb in (pack.flash, pack.open_transport):
        with pytest.raises(DataError, match="no program"):
            verb()


def test_vendors_tools_get_the_example(archive, tmp_path, monkeypatch):
    """Stand-ins that write down what they are asked for; the second one fails."""
    tools = tmp_path / "tools"
    write(tools, {
        "arduino-cli": f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n',
        "idf.py": "#!/bin/sh\necho 'CMake Error: no IDF_PATH' >&2\nexit 2\n",
    })  # fmt: skip
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    arduino = create_project(tmp_path / "a", [archive], "arduino", {})
    arduino.build({"fqbn": "a:b:c"})
    arduino.flash({"fqbn": "a:b:c", "port": "/dev/x"})
    compiled, uploaded = (tmp_path / "asked").read_text().splitlines()
    assert compiled.startswith(f"compile --fqbn a:b:c --library {arduino.folder} ")
    assert uploaded.startswith("upload --fqbn a:b:c --port /dev/x ")
    assert compiled.endswith(uploaded.rsplit(" ", 1)[1])
    assert uploaded.endswith("/examples/Session")
    esp = create_project(tmp_path / "e", [archive], "esp-idf", {})
    with pytest.raises(BoardError, match=r"idf\.py failed: CMake Error: no IDF_PATH"):
        esp.build({"chip": "esp32"})
