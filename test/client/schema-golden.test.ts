import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { WatchScope } from "../../gen/agtmux/v1/state_pb.js";
import { safeJson } from "../../src/client/cli/printable.js";
import { runCli } from "../../src/client/cli/run.js";
import { watchMessageJson } from "../../src/client/cli/watch-json.js";
import { STATE_WORDS } from "../../src/client/cli/words.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { fakeIo } from "./support/fake-io.js";
import { fullDaemon, streamOf } from "./support/full-daemon.js";
import { openComplaints, published, SCHEMA_FOLDER, strictComplaints } from "./support/schemas.js";

const GOLDEN = join(import.meta.dirname, "golden");

/** Command lines by the golden file of what they print. */
const PRINTED = {
  "list-panes-ended.json": "list panes --ended 1h --json",
  "events.json": "events --json",
  "actions.json": "actions --json",
  "action-result-attach.json": "attach %1 --json",
  "action-result-send.json": "send %1 hi --enter --json",
  "action-result-approve.json": "approve %1 --yes --json",
  "action-result-deny.json": "deny %1 --yes --json",
  "action-result-interrupt.json": "interrupt %1 --json",
  "action-result-view-output.json": "view-output %1 --colors --json",
  "action-result-kill.json": "kill %1 --yes --json",
  "target.json": "target add vm1 --kind ssh --json",
  "target-list.json": "target list --json",
  "target-remove.json": "target remove vm1 --yes --json",
  "hooks-change.json": "hooks install --json",
  "hooks-status.json": "hooks status --json",
  "daemon.json": "daemon status --json",
  "daemon-stop.json": "daemon stop --json",
  "config.json": "config show --json",
  "error.json": "explain runtime:ab --json",
};

describe("the command line's JSON", () => {
  const daemon = new DaemonDouble();
  beforeAll(() => daemon.listen(fullDaemon));
  afterAll(() => daemon.remove());

  it.each(Object.entries(PRINTED))("TC-021 is as in golden/%s for: %s", async (file, line) => {
    const io = fakeIo({ env: { AGTMUX_SOCKET: daemon.socket } });
    await runCli(line.split(" "), io);
    await expect(io.stdout.text() || io.stderr.text()).toMatchFileSnapshot(join(GOLDEN, file));
  });

  it.each([
    ["panes", WatchScope.PANES],
    ["windows", WatchScope.WINDOWS],
    ["sessions", WatchScope.SESSIONS],
  ])("TC-045 is as in golden/watch-%s.jsonl for each type of message", async (name, scope) => {
    const io = fakeIo({ env: { AGTMUX_SOCKET: daemon.socket } });
    await runCli(["watch", "--format", "jsonl", "--once", "--scope", name], io);
    const lines = streamOf(scope).map((message) => safeJson(watchMessageJson(message)));
    expect(io.stdout.text()).toBe(`${lines[0]}\n`);
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(join(GOLDEN, `watch-${name}.jsonl`));
  });
});

/** Each JSON document of the golden files, with the schema that its file is named after. */
const documents = readdirSync(GOLDEN)
  .filter((file) => /\.jsonl?$/.test(file))
  .flatMap((file) => {
    const schema = /^(watch|action-result)/.exec(file)?.[0] ?? file.replace(/(-ended)?\.json$/, "");
    const text = readFileSync(join(GOLDEN, file), "utf8");
    const parts = file.endsWith("l") ? text.trim().split("\n") : [text];
    return parts.map((part, index) => {
      const title = parts.length > 1 ? `${file} line ${index + 1}` : file;
      const value: unknown = JSON.parse(part);
      return { title, schema, value };
    });
  });

describe("TC-035 TC-045 TC-018 golden output", () => {
  it.each(documents)("$title is all that schema $schema knows", ({ schema, value }) => {
    expect(strictComplaints(schema, value)).toEqual([]);
    expect(openComplaints(schema, value)).toEqual([]);
  });

  it("is there for every schema, and of every type and scope of a stream", () => {
    const covered = new Set(documents.map(({ schema }) => schema));
    expect([...published.keys()].filter((name) => !covered.has(name))).toEqual(["common"]);
    const messages = documents.map(({ value }) => value as { scope?: string; type?: string });
    const kinds = new Set(messages.map(({ scope, type }) => `${scope} ${type}`));
    for (const scope of ["panes", "windows", "sessions"])
      for (const type of ["snapshot", "delta", "bookmark", "reset"])
        expect(kinds).toContain(`${scope} ${type}`);
  });
});

/** Maps: their keys are data, so that a schema cannot know them. */
const MAPS = new Set(["by_agent", "by_target", "attributes", "details", "by_state"]);
/** Settings are of any type. */
const ANY = new Set(["value", "default_value"]);

/** Facts that may be absent by themselves; all others may not. */
const OPTIONAL = [
  "action-result: argv",
  "action-result: closed",
  "action-result: ended",
  "action-result: prompt_text",
  "action-result: stopped",
  "action-result: submitted",
  "actions: items[].caller",
  "actions: items[].completed_at",
  "actions: items[].error_code",
  "actions: items[].runtime_id",
  "actions: next_page_token",
  "daemon: channels[].channel",
  "daemon: channels[].last_at",
  "events: items[].action_id",
  "events: items[].channel",
  "events: items[].transition",
  "events: next_page_token",
  "explain: candidates[].channel",
  "explain: candidates[].effective_at",
  "explain: candidates[].event_id",
  "explain: channels[].channel",
  "explain: channels[].detail",
  "explain: evidence[].ingested_at",
  "explain: evidence[].transition",
  "filters: agents",
  "filters: include_plain",
  "filters: needs_action",
  "filters: sessions",
  "filters: states",
  "hooks-change: files[].agent_type",
  "hooks-change: files[].backup_path",
  "list-panes: target_errors[].last_ok_at",
  "pane: agent_pid",
  "pane: agent_session_id",
  "pane: channel",
  "pane: end_reason",
  "pane: exit_status",
  "pane: prompt_text",
  "target: boot_id",
  "target: health_message",
  "target: health_reason",
  "target: last_ok_at",
  "target: ssh_target",
  "target: tmux_socket",
  "target: tmux_version",
  "trace: agent_type",
];

/** The shapes that occur in several places. */
const SHARED: readonly (readonly [RegExp, string])[] = [
  [/^(list-panes: items\[\]|explain: item|watch: (changes\[\]\.item|items\[\]))\./, "pane: "],
  [/^(daemon: targets\[\]|target-list: items\[\]|target: target)\./, "target: "],
  [/^.*: filters\./, "filters: "],
  [/^.*: traces\[\]\./, "trace: "],
];

function shortName(name: string): string {
  return SHARED.reduce((text, [place, shape]) => text.replace(place, shape), name);
}

type Place = { readonly path: string; readonly key: string; readonly holder: Record<string, unknown> };

/** Every property within `value`, in objects and in arrays of them. */
function* properties(value: unknown, path = ""): Generator<Place> {
  if (Array.isArray(value)) {
    for (const each of value) yield* properties(each, `${path}[]`);
  } else if (typeof value === "object" && value !== null) {
    // Sound: it is an object, and no array.
    const holder = value as Record<string, unknown>;
    for (const key of Object.keys(holder)) {
      yield { path: path === "" ? key : `${path}.${key}`, key, holder };
      yield* properties(holder[key], path === "" ? key : `${path}.${key}`);
    }
  }
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

const ONE_OF_EACH = [null, "text", 7.5, true, [7.5], { other: 7.5 }];

/** What strict validation says while `holder` is changed; the change is undone. */
function during(place: Place, document: (typeof documents)[number], change: () => void): boolean {
  const { holder } = place;
  const before = { ...holder };
  change();
  const failed = strictComplaints(document.schema, document.value).length > 0;
  for (const key of Object.keys(holder)) delete holder[key];
  Object.assign(holder, before);
  return failed;
}

describe("TC-035 TC-045 TC-018 validation", () => {
  const parentOf = (path: string): string => path.split(".").at(-2)?.replace(/\[\]$/, "") ?? "";

  it.each(documents)("notices any property of $title renamed or of another type", (document) => {
    const missed: string[] = [];
    let tried = 0;
    for (const place of properties(document.value)) {
      const { path, key, holder } = place;
      const value = holder[key];
      const rename = () => {
        delete holder[key];
        holder[`${key}_`] = value;
      };
      if (!MAPS.has(parentOf(path)) || parentOf(path) === "by_state") {
        tried += 1;
        if (!during(place, document, rename)) missed.push(`${path} renamed`);
      }
      for (const other of ANY.has(key) ? [] : ONE_OF_EACH) {
        if (kindOf(other) === kindOf(value) && typeof value !== "number") continue;
        tried += 1;
        if (!during(place, document, () => (holder[key] = other)))
          missed.push(`${path} = ${safeJson(other)}`);
      }
    }
    expect(missed).toEqual([]);
    expect(tried).toBeGreaterThan(7);
  });

  it("notices any property removed but those that may be absent", () => {
    const missed = new Set<string>();
    for (const document of documents) {
      for (const place of properties(document.value)) {
        const { path, key, holder } = place;
        if (MAPS.has(parentOf(path))) continue;
        if (!during(place, document, () => delete holder[key]))
          missed.add(shortName(`${document.schema}: ${path}`));
      }
    }
    expect([...missed].sort()).toEqual(OPTIONAL);
  });

  it("knows exactly the states and error codes of the contract", () => {
    const defs = published.get("common")?.["$defs"] as {
      state: { enum: string[] };
      error_code: { anyOf: [{ enum: string[] }] };
    };
    expect(defs.state.enum).toEqual(Object.values(STATE_WORDS).filter((word) => word !== ""));
    const codes = Object.keys(ErrorCode).filter((name) => name.startsWith("E_") && name !== "E_UNSPECIFIED");
    expect(defs.error_code.anyOf[0].enum.toSorted()).toEqual(codes.toSorted());
  });
});

describe("the published schemas", () => {
  it.each([...published])("%s has a stable name, and says of every property what it is", (name, schema) => {
    expect(schema["$id"]).toBe(`urn:agtmux:schema:1:${name}`);
    const undescribed: string[] = [];
    let seen = 0;
    for (const { path, key, holder } of properties(schema)) {
      const fact = holder[key];
      // A property that a condition or alternative names again is described where it is declared.
      if (!/(^|\.)properties\.[^.]+$/.test(path) || /(^|\.)(if|then|else)\.|\[\]/.test(path)) continue;
      seen += 1;
      const { description } = fact as { description?: string };
      if (!description) undescribed.push(path);
    }
    expect(undescribed).toEqual([]);
    expect(seen).toBeGreaterThan(0);
  });

  it("are all named in their README, which says what prints which", () => {
    const readme = readFileSync(join(SCHEMA_FOLDER, "README.md"), "utf8");
    for (const name of published.keys()) expect(readme).toContain(`${name}.schema.json`);
  });
});
