import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ActionService,
  type GetActionRequest,
  type ListActionsRequest,
  ResultCode,
} from "../../gen/agtmux/v1/action_pb.js";
import { AgentState, ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { EventService, type ListEventsRequest } from "../../gen/agtmux/v1/event_pb.js";
import { StateService } from "../../gen/agtmux/v1/state_pb.js";
import { refusal, runWords } from "./support/action-daemon.js";
import { ACTIONS } from "./support/action-samples.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { type FakeIoOptions, NOW } from "./support/fake-io.js";
import { agentPane } from "./support/samples.js";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

const run = (line: string, options?: FakeIoOptions) => runWords(double, line.split(" "), options);

describe("agtmux actions", () => {
  const lists: ListActionsRequest[] = [];
  const gets: GetActionRequest[] = [];
  const serving = (actions: typeof ACTIONS) => (router: ConnectRouter) => {
    lists.length = 0;
    gets.length = 0;
    router.service(StateService, { listPanes: () => ({ panes: [agentPane(2, AgentState.IDLE)] }) });
    router.service(ActionService, {
      listActions: (request) => {
        lists.push(request);
        return { schemaVersion: 1, actions };
      },
      getAction: (request) => {
        gets.push(request);
        const [action] = actions;
        if (action === undefined) throw refusal(ErrorCode.E_REF_NOT_FOUND, "no action has that id");
        return { schemaVersion: 1, action };
      },
    });
  };

  it("tells what was done, newest first", async () => {
    await double.listen(serving(ACTIONS));
    const { status, out } = await run("actions", { columns: 130 });
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot(join(import.meta.dirname, "golden", "actions.txt"));
  });

  it("asks for what was said", async () => {
    await double.listen(serving(ACTIONS));
    await run("actions");
    await run("actions --runtime runtime:ab --limit 5");
    await run("actions --pane %2 --since 90s");
    expect(lists).toMatchObject([
      { runtimeId: "", paneRef: "", limit: 0 },
      { runtimeId: "ab", limit: 5 },
      { paneRef: "pane:host/work/@2/%2" },
    ]);
    expect(lists[0]?.since).toBeUndefined();
    const since = lists[2]?.since;
    expect(since && timestampMs(since)).toBe(NOW.getTime() - 90_000);
  });

  it("tells of one", async () => {
    await double.listen(serving(ACTIONS));
    const { status, out } = await run("actions --id a-9 --json");
    expect(status).toBe(0);
    expect(gets).toMatchObject([{ actionId: "a-9" }]);
    expect(JSON.parse(out).items).toHaveLength(1);
  });

  it("ends with 4 where there is none of that id, and says so where there are none at all", async () => {
    await double.listen(serving([]));
    expect((await run("actions --id a-9")).status).toBe(4);
    expect(await run("actions")).toEqual({ status: 0, out: "No actions.\n", err: "" });
  });

  it("shows nothing raw of what was written down", async () => {
    const evil = "a\u001b]52;c;x\u0007\nb\u202e";
    const action = {
      ...{ actionId: evil, actionType: evil, requestRef: evil, ref: evil, message: evil, caller: evil },
      pane: { target: evil, sessionName: evil, windowId: evil, paneId: evil },
      resultCode: ResultCode.OK,
    };
    await double.listen(serving([action]));
    for (const line of ["actions", "actions --json"])
      expect((await run(line)).out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect((await run("actions")).out.trim().split("\n")).toHaveLength(2);
  });

  it("is told by a daemon that does not serve it", async () => {
    await double.listen((router) => {
      router.service(ActionService, {
        listActions: () => {
          throw new ConnectError("no", Code.Unimplemented);
        },
      });
    });
    const { status, err } = await run("actions");
    expect(status).toBe(1);
    expect(err).toContain("(E_UNIMPLEMENTED)");
  });
});

describe("agtmux events --action", () => {
  it("lists the events that one action caused", async () => {
    const requests: ListEventsRequest[] = [];
    await double.listen((router) => {
      router.service(EventService, {
        listEvents: (request) => {
          requests.push(request);
          return { schemaVersion: 1 };
        },
      });
    });
    await run("events --action a-1 --limit 3");
    expect(requests).toMatchObject([{ filter: { actionId: "a-1", runtimeId: "", paneRef: "" }, limit: 3 }]);
  });
});
