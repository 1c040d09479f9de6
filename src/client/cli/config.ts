import { type ConfigEntry, DaemonService } from "../../../gen/agtmux/v1/daemon_pb.js";
import type { Context } from "./context.js";
import { time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import { textTable } from "./text-table.js";

/** The value that a setting's JSON text stands for; the text itself if it is not JSON. */
function settingValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A newer daemon may have another notation; its text is still better than nothing.
    return printable(text);
  }
}

function entryJson(entry: ConfigEntry) {
  return {
    key: printable(entry.key),
    value: settingValue(entry.value),
    default_value: settingValue(entry.defaultValue),
    origin: printable(entry.origin),
  };
}

/** `agtmux config show` */
export async function showConfig(
  context: Context,
  options: { readonly json?: boolean | undefined },
): Promise<void> {
  const { io } = context;
  const answer = await context.client(DaemonService).getConfig({});
  if (options.json) {
    const json = {
      schema_version: answer.schemaVersion,
      ...time("generated_at", answer.generatedAt),
      entries: answer.entries.map(entryJson),
    };
    io.stdout.write(`${safeJson(json, 2)}\n`);
    return;
  }
  const view = await tableView(io, answer);
  const columns = [
    { title: "SETTING", min: 12, shrink: 1 },
    { title: "VALUE", min: 8, shrink: 2 },
    { title: "DEFAULT", min: 8, shrink: 3 },
    { title: "FROM", min: 7, shrink: 0 },
  ];
  const rows = answer.entries.map((entry) => {
    const changed = entry.value !== entry.defaultValue;
    return [
      { text: printable(entry.key) },
      { text: printable(entry.value), style: changed ? view.palette.strong : undefined },
      { text: printable(entry.defaultValue), style: view.palette.faint },
      { text: printable(entry.origin) },
    ];
  });
  io.stdout.write(`${textTable(columns, rows, view, view.palette.header).join("\n")}\n`);
}
