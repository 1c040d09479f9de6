import { create } from "@bufbuild/protobuf";
import { HookFileAction, type HookTrace, HookTraceSchema } from "../../../gen/agtmux/v1/hook_pb.js";
import type { HookActivity } from "./hook-activity.js";
import { type FoundFile, type HookChange, HookRefusal, settingsOf } from "./hook-change.js";
import { activityOf, type HookHost } from "./hook-look.js";
import type { HookSettings } from "./hook-settings.js";

/** What the user should know beside a change, about the file as it was found. */
export async function tracesOf(
  host: HookHost,
  change: HookChange,
  notice: string,
  remove: boolean,
): Promise<readonly HookTrace[]> {
  const { file, action } = change;
  const settings = settingsOf(file, host.scriptPath);
  const activity: HookActivity =
    settings === undefined ? { records: [] } : await knownActivity(host, file, settings);
  const traces = settings === undefined ? [] : foreignTraces(file, settings, activity, remove);
  if (!remove) {
    const due = action !== HookFileAction.UNCHANGED || activity.inactive !== undefined;
    return due && notice !== "" ? [trace(file, file.path, notice), ...traces] : traces;
  }
  const moves = activity.records.length > 0 && action === HookFileAction.STRIP;
  if (moves && settings?.ours().some(({ followed }) => followed) === true) {
    const message =
      "hooks behind ours move up by one: the agent knows them by position and will ask to review them";
    traces.push(trace(file, file.path, message));
  }
  return traces;
}

/** By now the files are written: what cannot be read beside them is told of and fails nothing. */
async function knownActivity(host: HookHost, file: FoundFile, settings: HookSettings): Promise<HookActivity> {
  try {
    return await activityOf(host, file, settings);
  } catch (cause) {
    if (!(cause instanceof HookRefusal)) throw cause;
    return { records: [], inactive: cause.message };
  }
}

/** What the agent, or another daemon, keeps about hooks of ours; not ours to change. */
export function foreignTraces(
  file: FoundFile,
  settings: HookSettings,
  activity: HookActivity,
  remove: boolean,
): HookTrace[] {
  const stays = remove
    ? "stays, and means nothing once the hook is gone"
    : "the agent's own; not touched by AGTMUX";
  return [
    ...activity.records.map(({ path, key }) =>
      trace(file, path, `trust record [hooks.state."${key}"]: ${stays}`),
    ),
    ...settings
      .strangers()
      .map((path) =>
        trace(file, file.path, `hooks of another AGTMUX state directory are here too (${path})`),
      ),
  ];
}

function trace(file: FoundFile, path: string, message: string): HookTrace {
  return create(HookTraceSchema, { agentType: file.agentType, path, message });
}
