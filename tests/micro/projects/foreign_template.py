"""A template that knows nothing of tvm_tiny: a Project API server in one file, as others write.

Its "board" is `cat`. The option `fault` makes one method misbehave.
"""

import argparse
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
MODEL = HERE / "model.tar"
OPTIONS = [
    {
        "name": "fault", "choices": None, "default": "none", "type": "str", "required": None,
        "optional": ["generate_project", "build", "flash", "open_transport"], "help": "Of tests.",
    },
    {
        "name": "project_type", "choices": ["host_driven"], "default": None, "type": "str",
        "required": ["generate_project"], "optional": None, "help": "Kind of project.",
    },
]  # fmt: skip


class NamedError(Exception):
    """An error that clients know by name."""


class Handler:
    process = None

    def server_info_query(self, tvm_version):
        return {
            "platform_name": "cat",
            "is_template": not MODEL.exists(),
            "model_library_format_path": "" if not MODEL.exists() else str(MODEL),
            "project_options": OPTIONS,
            "protocol_version": 1,
        }

    def generate_project(self, model_library_format_path, standalone_crt_dir, project_dir, options):
        project = pathlib.Path(project_dir)
        project.mkdir()
        shutil.copy(__file__, project / "microtvm_api_server.py")
        self.fault(options)
        assert options["project_type"] == "host_driven"
        assert pathlib.Path(standalone_crt_dir, "include").is_dir()
        shutil.copy(model_library_format_path, project / "model.tar")

    def build(self, options):
        assert set(options) == {"fault", "project_type"}
        self.fault(options)
        (HERE / "build").mkdir(exist_ok=True)

    def flash(self, options):
        self.fault(options)

    def open_transport(self, options):
        self.fault(options)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, bufsize=0)
        names = ("start_retry", "start", "established")
        return {"timeouts": {f"session_{name}_timeout_sec": 0 for name in names}}

    def close_transport(self):
        self.process.terminate()
        self.process.wait()

    def read_transport(self, n, timeout_sec):
        if not select.select([self.process.stdout], [], [], timeout_sec)[0]:
            raise NamedError("IoTimeoutError")
        data = os.read(self.process.stdout.fileno(), n)
        if not data:
            raise NamedError("TransportClosedError")
        return {"data": base64.b85encode(data).decode()}

    def write_transport(self, data, timeout_sec):
        raw = base64.b85decode(data)
        if raw == b"close":
            self.process.terminate()
        else:
            self.process.stdin.write(raw)

    def fault(self, options):
        if options["fault"] == "die":
            sys.exit("no licence for this compiler")
        if options["fault"] == "raise":
            raise RuntimeError("ninja: build stopped")
        if options["fault"] == "babble":
            out.write("Building...\n")


def answer(handler, request):
    try:
        result = {"result": getattr(handler, request["method"])(**request["params"])}
    except NamedError as error:
        result = {"error": {"code": -32000, "message": str(error), "data": {"traceback": "..."}}}
    except Exception as error:
        data = {"traceback": f"Traceback:\n  File x\n{type(error).__name__}: {error}\n"}
        message = f"calling method {request['method']}"
        result = {"error": {"code": -32000, "message": message, "data": data}}
    return {"jsonrpc": "2.0", "id": request["id"], **result}


parser = argparse.ArgumentParser()
parser.add_argument("--read-fd", type=int, required=True)
parser.add_argument("--write-fd", type=int, required=True)
given = parser.parse_args()
out = os.fdopen(given.write_fd, "w", buffering=1)
handler = Handler()
for line in os.fdopen(given.read_fd):
    out.write(json.dumps(answer(handler, json.loads(line))) + "\n")
