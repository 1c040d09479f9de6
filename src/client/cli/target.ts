import { ErrorCode, TargetHealth, TargetKind } from "../../../gen/agtmux/v1/common_pb.js";
import { type Target, TargetService } from "../../../gen/agtmux/v1/target_pb.js";
import { AgtmuxError, usageError } from "../errors.js";
import { confirm } from "./confirm.js";
import { type Context, confirmationRequired } from "./context.js";
import type { Io } from "./io.js";
import { type JsonObject, time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import { healthWord, kindWord, targetJson } from "./target-json.js";
import { textTable } from "./text-table.js";

/** A connection may take a whole ssh handshake per hop; the daemon has its own deadlines within this one. */
const CONNECT_TIMEOUT_MS = 90_000;

export interface TargetAddOptions {
  readonly kind?: string | undefined;
  readonly sshTarget?: string | undefined;
  readonly tmuxSocket?: string | undefined;
  readonly acceptNewHostKey?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export interface JsonOption {
  readonly json?: boolean | undefined;
}

export interface TargetRemoveOptions extends JsonOption {
  readonly yes?: boolean | undefined;
}

function kindFrom(text: string | undefined): TargetKind {
  if (text === "local") return TargetKind.LOCAL;
  if (text === "ssh") return TargetKind.SSH;
  const given = text === undefined ? "is missing" : `"${text}" is neither`;
  throw usageError("--kind", `--kind ${given}: write --kind local or --kind ssh`);
}

async function targetLines(io: Io, targets: readonly Target[]): Promise<string[]> {
  const view = await tableView(io, targets);
  const columns = [
    { title: "TARGET", min: 8, shrink: 1 },
    { title: "KIND", min: 5, shrink: 0 },
    { title: "HEALTH", min: 10, shrink: 0 },
    { title: "WHY", min: 8, shrink: 2 },
    { title: "TMUX", min: 5, shrink: 0 },
    { title: "WHERE", min: 8, shrink: 4 },
  ];
  const rows = targets.map((target) => [
    { text: printable(target.name) },
    { text: kindWord(target.kind) },
    {
      text: healthWord(target.health),
      style: target.health === TargetHealth.OK ? undefined : view.palette.warning,
    },
    { text: printable(target.healthReason) },
    { text: printable(target.tmuxVersion) },
    {
      text: [target.sshTarget, target.tmuxSocket]
        .filter((word) => word !== "")
        .map(printable)
        .join(" "),
    },
  ]);
  return textTable(columns, rows, view, view.palette.header);
}

function print(io: Io, json: JsonObject, lines: readonly string[], asJson: boolean | undefined): void {
  io.stdout.write(asJson ? `${safeJson(json, 2)}\n` : `${lines.join("\n")}\n`);
}

async function printTarget(
  io: Io,
  schemaVersion: number,
  target: Target,
  asJson: boolean | undefined,
): Promise<void> {
  const json = { schema_version: schemaVersion, target: targetJson(target) };
  print(io, json, asJson ? [] : await targetLines(io, [target]), asJson);
}

/** The daemon always sends the target; a message without one is a defect of it. */
function required(target: Target | undefined): Target {
  if (target !== undefined) return target;
  throw new AgtmuxError(ErrorCode.E_INTERNAL, "the daemon answered without a target");
}

/** `agtmux target add NAME`. A target that is not reached yet is stored all the same: that is said on stderr. */
export async function addTarget(context: Context, name: string, options: TargetAddOptions): Promise<void> {
  const request = {
    name,
    kind: kindFrom(options.kind),
    sshTarget: options.sshTarget ?? "",
    tmuxSocket: options.tmuxSocket ?? "",
    acceptNewHostKey: options.acceptNewHostKey ?? false,
  };
  const call = { timeoutMs: CONNECT_TIMEOUT_MS };
  const answer = await context.client(TargetService).addTarget(request, call);
  const target = required(answer.target);
  await printTarget(context.io, answer.schemaVersion, target, options.json);
  if (isReached(target)) return;
  const why = printable(target.healthMessage || target.healthReason || "it has not answered yet");
  context.io.stderr.write(
    `agtmux: target ${printable(name)} is stored, but not reached: ${why}. Then: agtmux target connect ${printable(name)}\n`,
  );
}

/** Faults of an attempt come with a message; what a reached host lacks is not one. */
function isReached({ health, healthReason, healthMessage }: Target): boolean {
  if (health === TargetHealth.DOWN || health === TargetHealth.CONNECTING) return false;
  return health !== TargetHealth.DEGRADED || healthMessage === "" || healthReason.endsWith("_unsupported");
}

/**
 * `agtmux target connect NAME`. After printing the target: E_TARGET_UNREACHABLE if it was not reached, E_TMUX_UNSUPPORTED if its
 * tmux is too old to be watched.
 */
export async function connectTarget(context: Context, name: string, options: JsonOption): Promise<void> {
  const call = { timeoutMs: CONNECT_TIMEOUT_MS };
  const answer = await context.client(TargetService).connectTarget({ name }, call);
  const target = required(answer.target);
  await printTarget(context.io, answer.schemaVersion, target, options.json);
  if (!isReached(target)) {
    const cause = target.healthReason || "unreachable";
    const word = target.health === TargetHealth.DOWN ? "down" : "not reached";
    const message = `target ${name} is ${word}: ${printable(target.healthMessage) || cause}`;
    throw new AgtmuxError(ErrorCode.E_TARGET_UNREACHABLE, message, { target: name, cause }, true);
  }
  if (target.healthReason === "tmux_unsupported") {
    const message = `the tmux of target ${name} is ${target.tmuxVersion}, older than 3.3`;
    throw new AgtmuxError(ErrorCode.E_TMUX_UNSUPPORTED, message, {
      target: name,
      version: target.tmuxVersion,
    });
  }
}

/** `agtmux target list` */
export async function listTargets(context: Context, options: JsonOption): Promise<void> {
  const answer = await context.client(TargetService).listTargets({});
  const json = {
    schema_version: answer.schemaVersion,
    ...time("generated_at", answer.generatedAt),
    items: answer.targets.map(targetJson),
  };
  print(context.io, json, options.json ? [] : await targetLines(context.io, answer.targets), options.json);
}

/** `agtmux target remove NAME`. Without a terminal and without `--yes`: E_CONFIRMATION_REQUIRED. */
export async function removeTarget(
  context: Context,
  name: string,
  options: TargetRemoveOptions,
): Promise<void> {
  const { io } = context;
  if (!options.yes) {
    if (io.ask === undefined) {
      throw confirmationRequired(
        `removing a target ends its runtimes; say so: agtmux target remove ${name} --yes`,
      );
    }
    await confirm(io, `Remove target ${name} and end its runtimes? Their history stays.`);
  }
  const { schemaVersion, endedRuntimes } = await context.client(TargetService).removeTarget({ name });
  const json = { schema_version: schemaVersion, name, ended_runtimes: endedRuntimes };
  print(io, json, [`removed ${printable(name)}; ${endedRuntimes} runtimes ended`], options.json);
}
