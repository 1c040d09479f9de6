"""Follows the agents of all panes over gRPC: prints a line per change, and goes on after a break.

Needs grpcio (Debian: python3-grpcio) and the code that protoc makes of the contract; see README.md beside this file.
"""

import os
import pathlib
import time

import grpc
from agtmux.v1 import common_pb2, state_pb2, state_pb2_grpc


def socket_path() -> str:
    if os.environ.get("AGTMUX_SOCKET"):
        return os.environ["AGTMUX_SOCKET"]
    state_home = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    state_dir = os.environ.get("AGTMUX_STATE_DIR") or pathlib.Path(state_home) / "agtmux"
    return (pathlib.Path(state_dir) / "socket").read_text().strip()


def say(*words: object) -> None:
    print(*words, flush=True)


def say_item(pane: state_pb2.Pane) -> None:
    state = common_pb2.AgentState.Name(pane.agent.state).removeprefix("AGENT_STATE_").lower()
    say(state, pane.agent.agent_type, pane.ref, pane.agent.reason_code)


def follow(stub: state_pb2_grpc.StateServiceStub, cursor: str) -> str:
    """Prints what comes until the stream ends or breaks; returns the cursor to go on with."""
    try:
        for message in stub.Watch(state_pb2.WatchRequest(cursor=cursor)):
            cursor = message.cursor or cursor
            if message.type == state_pb2.WATCH_TYPE_RESET:
                say("reset", message.reset_reason)  # all that was known is void; a snapshot follows
            for item in message.items:
                say_item(item.pane)
            for change in message.changes:
                if change.op == state_pb2.CHANGE_OP_DELETE:
                    say("gone", change.pane.target, change.pane.session_name, change.pane.pane_id)
                else:
                    say_item(change.item.pane)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
            return ""  # the cursor is of no use: from a snapshot again
        say("disconnected", error.code().name)
    return cursor


def main() -> None:
    cursor = ""
    while True:
        try:
            with grpc.insecure_channel(f"unix:{socket_path()}") as channel:
                cursor = follow(state_pb2_grpc.StateServiceStub(channel), cursor)
        except FileNotFoundError:
            say("disconnected", "no daemon has served yet")
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
