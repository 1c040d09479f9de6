import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  FilterSchema,
  type ListPanesRequest,
  ListPanesResponseSchema,
  ListSessionsResponseSchema,
  ListWindowsResponseSchema,
  type Pane,
  type StateService,
} from "../../../gen/agtmux/v1/state_pb.js";
import { invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { Store } from "../store/store.js";
import { endedPane } from "../watch/ended.js";
import { matcher } from "../watch/filter.js";
import type { WatchHub } from "../watch/hub.js";
import { groupSessions, sortPanes, sortSessions, sortWindows, summarize } from "../watch/listing.js";
import { reach } from "../watch/reach.js";
import { timestamp } from "../watch/rows.js";
import { observed } from "../watch/scope.js";
import type { Explainer } from "./explain.js";

const MAX_ENDED_MS = 14 * 24 * 3_600_000;

interface Parts {
  readonly hub: WatchHub;
  readonly store: Store;
  readonly explainer: Explainer;
  readonly now: () => Micros;
}

export function stateService({ hub, store, explainer, now }: Parts): ServiceImpl<typeof StateService> {
  const head = (wanted: ReadonlySet<string>) => ({
    schemaVersion: 1,
    generatedAt: timestamp(now()),
    ...reach(hub.targets, wanted),
  });

  const ended = (request: ListPanesRequest): Pane[] => {
    if (request.endedWithin === undefined) return [];
    const ms = durationMs(request.endedWithin);
    if (!(ms > 0 && ms <= MAX_ENDED_MS))
      throw invalidArgument("ended_within", "must be more than 0 and at most 14 days");
    return store.runtimes
      .endedSince(now() - ms * 1_000)
      .map((record) => endedPane(record, store.states.find(record.runtimeId)));
  };

  return {
    listPanes(request) {
      const match = matcher(request.filter);
      const panes = [...hub.view.panes(), ...ended(request)].filter((pane) => match.pane(pane));
      const response = head(match.targets);
      return create(ListPanesResponseSchema, {
        ...response,
        filter: request.filter ?? create(FilterSchema),
        summary: summarize(panes.filter((pane) => pane.agent?.endedAt === undefined)),
        panes: sortPanes(panes, request.sort).map((pane) => observed(pane, response.generatedAt)),
      });
    },
    listWindows(request) {
      const match = matcher(request.filter);
      const windows = hub.view.windows().filter((window) => match.window(window));
      return create(ListWindowsResponseSchema, {
        ...head(match.targets),
        filter: request.filter ?? create(FilterSchema),
        summary: summarize(hub.view.panes().filter((pane) => match.pane(pane))),
        windows: sortWindows(windows, request.sort),
      });
    },
    listSessions(request) {
      const match = matcher(request.filter);
      const sessions = hub.view.sessions().filter((session) => match.session(session));
      return create(ListSessionsResponseSchema, {
        ...head(match.targets),
        filter: request.filter ?? create(FilterSchema),
        summary: summarize(hub.view.panes().filter((pane) => match.pane(pane))),
        sessions: sortSessions(groupSessions(sessions, request.grouping), request.sort),
      });
    },
    explainPane: (request) => explainer.explain(request.ref),
    watch: (request, context) => hub.stream(request, context.signal),
  };
}
