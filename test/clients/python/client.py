"""Speaks gRPC for python-grpcio.ts: one JSON object a line comes in, one goes out for whatever happens to a call.

Arguments: the socket's path, and the folder of the modules that protoc generated.
in:  {"id", "method", "request", "deadline_ms"?} starts a call; {"id", "cancel": true} cancels it
out: {"id", "message"} for each message; at last {"id", "end": true, "error"?: {"status", "message", "detail"?}}
"""

import importlib
import json
import os
import sys
import threading

import google
import grpc

SOCKET, GENERATED = sys.argv[1:]
# The contract has packages below `grpc` and `google`, which are packages of Debian's too.
sys.path.append(GENERATED)
for package in (grpc, google):
    package.__path__.append(os.path.join(GENERATED, package.__name__))

from google.protobuf.json_format import MessageToDict, ParseDict  # noqa: E402
from google.rpc import status_pb2  # noqa: E402
from agtmux.v1 import common_pb2  # noqa: E402

FILES = {
    "agtmux.v1.DaemonService": "daemon",
    "agtmux.v1.StateService": "state",
    "grpc.health.v1.Health": "health",
    "grpc.reflection.v1.ServerReflection": "reflection",
    "none.v1.NoneService": "none",
}

channel = grpc.insecure_channel("unix:" + SOCKET)
calls = {}
printing = threading.Lock()


def say(**line):
    with printing:
        print(json.dumps(line), flush=True)


def error_of(error):
    told = {"status": error.code().value[0], "message": error.details()}
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            detail = common_pb2.ErrorDetail()
            status_pb2.Status.FromString(value).details[0].Unpack(detail)
            told["detail"] = MessageToDict(detail, including_default_value_fields=True)
    return told


def start(method, request, deadline_ms=None):
    service, name = method.split("/")
    folder = service.rsplit(".", 1)[0]
    messages = importlib.import_module(f"{folder}.{FILES[service]}_pb2")
    stubs = importlib.import_module(f"{folder}.{FILES[service]}_pb2_grpc")
    stub = getattr(stubs, service.rsplit(".", 1)[1] + "Stub")(channel)
    declared = messages.DESCRIPTOR.services_by_name[service.rsplit(".", 1)[1]].methods_by_name[name]
    message = ParseDict(request, getattr(messages, declared.input_type.name)())
    call = getattr(stub, name)
    timeout = None if deadline_ms is None else deadline_ms / 1000
    if isinstance(call, grpc.UnaryUnaryMultiCallable):
        future = call.future(message, timeout=timeout)
        return future, lambda: iter([future.result()])
    both_ways = isinstance(call, grpc.StreamStreamMultiCallable)
    stream = call(iter([message]) if both_ways else message, timeout=timeout)
    return stream, lambda: stream


def run(call_id, answers):
    try:
        for message in answers():
            say(id=call_id, message=MessageToDict(message))
        say(id=call_id, end=True)
    except grpc.RpcError as error:
        say(id=call_id, end=True, error=error_of(error))
    except grpc.FutureCancelledError:
        say(id=call_id, end=True, error={"status": 1, "message": "cancelled"})


for line in sys.stdin:
    asked = json.loads(line)
    call_id = asked.pop("id")
    if asked.get("cancel"):
        calls[call_id].cancel()
        continue
    calls[call_id], answers = start(**asked)
    threading.Thread(target=run, args=(call_id, answers), daemon=True).start()
