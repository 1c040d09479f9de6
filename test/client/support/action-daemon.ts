import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  type ActionResultSchema,
  ActionService,
  type ActionTarget,
  type ApproveRequest,
  type AttachRequest,
  type DenyRequest,
  type InterruptRequest,
  type KillRequest,
  Outcome,
  ResultCode,
  type SendRequest,
  type ViewOutputRequest,
} from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode, ErrorDetailSchema } from "../../../gen/agtmux/v1/common_pb.js";
import { ListPanesResponseSchema, type Pane, StateService } from "../../../gen/agtmux/v1/state_pb.js";
import { runCli } from "../../../src/client/cli/run.js";
import type { DaemonDouble } from "./daemon-double.js";
import { type FakeIoOptions, fakeIo, NOW } from "./fake-io.js";

type ActionRequest =
  | AttachRequest
  | SendRequest
  | ApproveRequest
  | DenyRequest
  | InterruptRequest
  | ViewOutputRequest
  | KillRequest;

/** What a test may have the daemon answer. */
export interface Answers {
  readonly result?: MessageInitShape<typeof ActionResultSchema>;
  readonly outcome?: Outcome;
  readonly argv?: string[];
  readonly lines?: string[];
  readonly promptId?: string;
  readonly promptText?: string;
}

export const RESULT = {
  actionId: "a-1",
  resultCode: ResultCode.OK,
  completedAt: timestampFromDate(NOW),
  message: "sent",
};

export function refusal(code: ErrorCode, message: string, details: Record<string, string> = {}) {
  const value = { code, message, details };
  return new ConnectError("x", Code.FailedPrecondition, undefined, [{ desc: ErrorDetailSchema, value }]);
}

/** Lists `panes`, and answers every action with what it is told; kill as the daemon does, which wants it confirmed. */
export class ActionDaemon {
  readonly calls: [name: string, request: ActionRequest][] = [];
  readonly callers: (string | null)[] = [];
  reads = 0;
  /** What a kill that is not confirmed is told that it would do. */
  effect = "C-c stops a turn";
  /** Thrown instead of an answer. */
  refuses: ConnectError | undefined;
  /** Answers without a result. */
  resultless = false;
  /** Done once a request to send has come, before it is answered. */
  before: (() => Promise<void>) | undefined;

  constructor(
    readonly panes: Pane[] | ((read: number) => Pane[]),
    readonly answers: Answers = {},
  ) {}

  readonly routes = (router: ConnectRouter): void => {
    const { answers } = this;
    const {
      result = {},
      outcome = Outcome.YES,
      argv = ["tmux"],
      lines = [],
      promptId = "",
      promptText = "",
    } = answers;
    const answered = (name: string, request: ActionRequest, { requestHeader }: HandlerContext) => {
      this.calls.push([name, request]);
      this.callers.push(requestHeader.get("agtmux-caller"));
      if (this.refuses !== undefined) throw this.refuses;
      return this.resultless ? { schemaVersion: 1 } : { schemaVersion: 1, result: { ...RESULT, ...result } };
    };
    router.service(StateService, {
      listPanes: () => {
        this.reads += 1;
        const panes = typeof this.panes === "function" ? this.panes(this.reads) : this.panes;
        return create(ListPanesResponseSchema, {
          schemaVersion: 1,
          generatedAt: timestampFromDate(NOW),
          panes,
        });
      },
    });
    router.service(ActionService, {
      attach: (request, context) => ({ ...answered("attach", request, context), argv }),
      send: async (request, context) => {
        const made = answered("send", request, context);
        await this.before?.();
        return { ...made, submitted: request.enter ? outcome : Outcome.UNSPECIFIED };
      },
      approve: (request, context) => ({ ...answered("approve", request, context), closed: outcome }),
      deny: (request, context) => ({ ...answered("deny", request, context), closed: outcome }),
      interrupt: (request, context) => ({ ...answered("interrupt", request, context), stopped: outcome }),
      viewOutput: (request, context) => ({
        ...answered("viewOutput", request, context),
        lines,
        truncated: true,
        promptId,
        promptText,
      }),
      kill: (request, context) => {
        const made = answered("kill", request, context);
        if (request.confirmed) return { ...made, ended: outcome };
        const { effect } = this;
        throw refusal(ErrorCode.E_CONFIRMATION_REQUIRED, `to be confirmed: ${effect}`, { effect });
      },
    });
  };

  /** The requests so far, of any kind. */
  get requests(): ActionRequest[] {
    return this.calls.map(([, request]) => request);
  }

  /** The targets of the requests so far. */
  get targets(): (ActionTarget | undefined)[] {
    return this.requests.map(({ target }) => target);
  }
}

/** Runs a command line, given word by word, against the double. */
export async function runWords(daemon: DaemonDouble, words: readonly string[], options: FakeIoOptions = {}) {
  const io = fakeIo({ ...options, env: { AGTMUX_SOCKET: daemon.socket, NO_COLOR: "1", ...options.env } });
  const status = await runCli(words, io);
  return { status, out: io.stdout.text(), err: io.stderr.text() };
}
