"""Our Project API servers, by the bytes on their pipes and by a client."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError, DataError, TransportError
from tvm_tiny.micro import Session
from tvm_tiny.micro.compiler import runtime_folder
from tvm_tiny.micro.project_api import ClientTransport, ForeignProject, ProjectClient, Server
from tvm_tiny.micro.project_api.handler import Handler
from tvm_tiny.micro.projects import PROJECT_TYPES, create_project

QUERY = {"method": "server_info_query", "params": {"tvm_version": "0.14.0"}}


@pytest.fixture
def templates():
    with runtime_folder() as runtime:
        yield runtime / "projects"


class Line:
    """A transport that gives back what is written."""

    name = "loop"

    def __init__(self):
        self.data = b""
        self.closed = 0

    def write(self, data, timeout_s):
        self.data += data

    def read(self, size, timeout_s):
        if self.data == b"cut":
            raise TransportError("loop: closed from the other side")
        taken, self.data = self.data[: min(size, 3)], self.data[min(size, 3) :]
        return taken

    def close(self):
        self.closed += 1


@pytest.fixture
def handler(templates):
    made = Handler(templates / "host")
    made._transport = Line()
    return made


def ask(handler, *lines):
    """The replies to lines, each a dict (its "jsonrpc" and "id" are added) or raw bytes."""
    raw = [
        line
        if isinstance(line, bytes)
        else json.dumps({"jsonrpc": "2.0", "id": number, **line}).encode()
        for number, line in enumerate(lines, 1)
    ]
    out = io.BytesIO()
    Server(io.BytesIO(b"\n".join(raw) + b"\n"), out, handler).serve()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def call(method, **params):
    return {"method": method, "params": params}


@pytest.mark.parametrize("name", PROJECT_TYPES)
def test_every_type_is_a_template(templates, name):
    (reply,) = ask(Handler(templates / name), QUERY)
    info = reply["result"]
    assert (info["platform_name"], info["is_template"]) == (name, True)
    assert info["protocol_version"] == 1
    fields = {"name", "choices", "default", "type", "required", "optional", "help"}
    assert all(set(option) == fields for option in info["project_options"])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"3", -32600),
        ({**QUERY, "jsonrpc": "1.0"}, -32600),
        ({**QUERY, "method": 3}, -32600),
        ({**QUERY, "method": "__init__ "}, -32600),
        ({**QUERY, "params": []}, -32600),
        ({**QUERY, "id": [1]}, -32600),
        ({**QUERY, "id": True}, -32600),
        ({**QUERY, "method": "serve"}, -32601),
        ({**QUERY, "method": "_open"}, -32601),
        (call("build"), -32602),
        (call("build", options=[]), -32602),
        (call("build", options={}, more=1), -32602),
        (call("read_transport", n="5", timeout_sec=1), -32602),
        (call("read_transport", n=True, timeout_sec=1), -32602),
        (call("write_transport", data="~~~~~ ", timeout_sec=1), -32602),
        (call("build", options={}), -32000),
    ],
)
def test_wrong_requests_get_their_code_and_the_next_is_served(handler, line, code):
    wrong, right = ask(handler, line, QUERY)
    assert wrong["error"]["code"] == code
    assert "\n" not in wrong["error"]["message"]
    assert right["result"]["platform_name"] == "host"


def test_notifications_are_not_answered(handler):
    request = json.dumps({"jsonrpc": "2.0", **QUERY}).encode()
    assert [reply["id"] for reply in ask(handler, request, QUERY)] == [2]


def test_transport_data_is_base85(handler):
    data = bytes(range(256))
    write = call("write_transport", data=base64.b85encode(data).decode(), timeout_sec=1.0)
    replies = ask(
        handler,
        write,
        call("read_transport", n=2, timeout_sec=1.0),
        call("read_transport", n=254, timeout_sec=None),
        call("read_transport", n=1, timeout_sec=0),
    )
    read = [base64.b85decode(reply["result"]["data"]) for reply in replies[1:3]]
    assert replies[0]["result"] is None
    assert read == [data[:2], data[2:]]
    assert replies[3]["error"] == {"code": -32000, "message": "IoTimeoutError", "data": None}


def test_a_closed_line_has_the_name_that_clients_know(handler):
    line = handler._transport
    line.data = b"cut"
    first, *_, last = ask(
        handler,
        call("read_transport", n=1, timeout_sec=1),
        call("close_transport"),
        call("close_transport"),
        call("read_transport", n=1, timeout_sec=1),
    )
    for reply in (first, last):
        assert (reply["error"]["code"], reply["error"]["message"]) == (
            -32000,
            "TransportClosedError",
        )
    assert line.closed == 1


def test_a_program_that_is_missing_is_told_in_words(archive, tmp_path):
    create_project(tmp_path / "p", [archive], "host", {})
    (reply,) = ask(Handler(tmp_path / "p"), call("open_transport", options={}))
    error = reply["error"]
    assert error["code"] == -32000
    assert "is not built" in error["message"]
    assert error["data"] == {"class": "BoardError", "exit_code": 8, "message": error["message"]}


def test_hanging_up_closes_the_line(handler):
    line = handler._transport
    ask(handler, QUERY)
    assert line.closed == 1


def test_a_project_is_made_built_and_run_by_requests_alone(templates, archive, samples, tmp_path):
    require(toolchain.HOST_CC)
    folder = tmp_path / "p"
    parameters = {
        "model_library_format_path": str(archive),
        "standalone_crt_dir": "/nowhere",
        "project_dir": str(folder),
        "options": {"profile": None},
    }
    with ProjectClient(templates / "host") as client:
        client.call("generate_project", **parameters)
        with pytest.raises(DataError, match="exists already"):
            client.call("generate_project", **parameters)
        with pytest.raises(DataError, match="is a template"):
            client.call("build", options={})
    client = ProjectClient(folder)
    info = client.info()
    assert info["is_template"] is False
    assert info["model_library_format_path"] == str(folder / "model.tar")
    options = {option["name"]: option["default"] for option in info["project_options"]}
    client.call("build", options=options)
    client.call("flash", options=options)
    with Session(ClientTransport(client, options)) as session:
        found = session.run([samples[0]])
    direct = create_project(tmp_path / "q", [archive], "host", {})
    direct.build()
    with Session(direct.open_transport()) as session:
        np.testing.assert_array_equal(found[0], session.run([samples[0]])[0])


def test_a_project_shows_its_own_values_as_defaults(archive, tmp_path):
    create_project(tmp_path / "p", [archive], "host", {"profile": True})
    with ProjectClient(tmp_path / "p") as client:
        (option,) = (o for o in client.info()["project_options"] if o["name"] == "profile")
        assert option["default"] is True


def test_a_damaged_project_is_one_line(archive, tmp_path):
    create_project(tmp_path / "p", [archive], "host", {})
    (tmp_path / "p" / "project.json").write_text("{}")
    with pytest.raises(BoardError, match=r"ended with status 6: .*damaged"):
        ForeignProject(tmp_path / "p").build()


def test_a_server_speaks_on_standard_streams_too(templates):
    script = templates / "host" / "microtvm_api_server.py"
    request = json.dumps({"jsonrpc": "2.0", "id": "a", **QUERY}) + "\n"
    done = subprocess.run(
        [sys.executable, script], input=request, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["id"] == "a"


def test_a_python_without_tvm_tiny_is_one_line(templates):
    script = templates / "host" / "microtvm_api_server.py"
    done = subprocess.run(
        [sys.executable, "-S", "-E", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
