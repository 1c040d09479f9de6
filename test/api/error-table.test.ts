import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DescEnumValue, getOption } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { error_mapping } from "../../gen/agtmux/v1/options_pb.js";
import { connect, ErrorCode, ErrorCodeSchema } from "../../src/client/index.js";
import type { ErrorFacts } from "../clients/foreign-client.js";
import { type CommandLine, SCENARIOS } from "./error-table.js";
import { type Call, DOORS } from "./error-table-doors.js";
import { type CliRun, ErrorStage } from "./error-table-stage.js";

const CODES = ErrorCodeSchema.values.filter(({ number }) => number !== ErrorCode.E_UNSPECIFIED);

/** A silent daemon costs the CLI its own deadline, 15 s: begun at once, looked at when its turn comes. */
const SLOW = "E_TIMEOUT";

let stage: ErrorStage;
let slow: Promise<CliRun[]>;

beforeAll(async () => {
  stage = await ErrorStage.set();
  const { cli } = scenario(SLOW);
  slow =
    typeof cli === "string" ? Promise.resolve([]) : Promise.all([cli.run(stage), cli.run(stage, "--json")]);
});
afterAll(() => stage.close());

function scenario(name: string) {
  const found = SCENARIOS[name];
  if (found === undefined) throw new Error(`${name} has no scenario`);
  return found;
}

/** A capability that is to come, and whether it has; the codes that only it gives. */
interface Later {
  readonly capability: string;
  readonly codes: readonly string[];
  readonly isThere: () => Promise<boolean>;
}

const LATER: readonly Later[] = [
  {
    capability: "the configuration file",
    codes: ["E_CONFIG_INVALID"],
    isThere: async () => {
      const home = join(stage.root, "configured");
      mkdirSync(join(home, "agtmux"), { recursive: true });
      writeFileSync(join(home, "agtmux", "config.toml"), "this is no TOML");
      const { status, stdout } = await stage.cli(["config", "show", "--json"], { XDG_CONFIG_HOME: home });
      const { entries } = await stage.scene.client.daemon.getConfig({});
      return status !== 0 || stdout.includes('"file"') || entries.some(({ origin }) => origin === "file");
    },
  },
];

async function throughApi(code: DescEnumValue, calls: readonly Call[]): Promise<ErrorFacts | undefined> {
  const { grpcCode, httpStatus, retryable } = getOption(code, error_mapping);
  let first: ErrorFacts | undefined;
  for (const call of calls) {
    for (const [door, tell] of Object.entries(DOORS)) {
      const { http, status, detail } = await tell(call);
      // gRPC and streams tell their errors after a good head.
      const isPlain = door === "connectJson" && call.method.methodKind === "unary";
      expect([door, http, status, detail?.code, detail?.retryable]).toEqual([
        door,
        isPlain ? httpStatus : 200,
        grpcCode,
        code.name,
        retryable,
      ]);
      expect(detail?.message).not.toBe("");
      first ??= detail;
    }
  }
  return first;
}

async function throughCli(
  code: DescEnumValue,
  line: CommandLine,
  api: ErrorFacts | undefined,
): Promise<void> {
  const { exitStatus, retryable } = getOption(code, error_mapping);
  const both = code.name === SLOW ? await slow : undefined;
  const plain = both?.[0] ?? (await line.run(stage));
  expect([plain.status, plain.stderr]).toEqual([
    exitStatus,
    expect.stringMatching(new RegExp(`^agtmux: [^\\n]+ \\(${code.name}\\)\\n$`, "u")),
  ]);
  if (line.likeApi === true) expect(plain.stderr).toBe(`agtmux: ${api?.message} (${code.name})\n`);
  if (line.noJson !== undefined) return;
  const json = both?.[1] ?? (await line.run(stage, "--json"));
  expect(json.status).toBe(exitStatus);
  const { error } = JSON.parse(json.stderr) as { error: ErrorFacts };
  expect(error).toEqual({
    code: code.name,
    message: expect.stringMatching(/\S/u),
    details: expect.any(Object),
    retryable,
  });
  if (line.likeApi === true) expect(error).toMatchObject({ message: api?.message, details: api?.details });
}

describe("the table of errors", () => {
  it.each(CODES.filter(({ name }) => name in SCENARIOS))(
    "TC-053 TC-032 $name is told alike by Connect, gRPC, gRPC-Web and the CLI",
    async (code) => {
      const { api, cli, listed } = scenario(code.name);
      const facts = typeof api === "string" ? undefined : await throughApi(code, api(stage));
      if (listed !== undefined) {
        const { target, socketPath } = listed(stage);
        const { targetErrors } = await connect({ socket: socketPath }).state.listPanes({});
        const found = targetErrors.find((error) => error.target === target);
        expect(ErrorCode[found?.code ?? 0]).toBe(code.name);
      }
      if (typeof cli !== "string") await throughCli(code, cli, facts);
    },
  );

  it("TC-053 every code can be had, or its capability is to come; none is both, and each is seen somewhere", () => {
    const later = LATER.flatMap(({ codes }) => codes);
    expect([...Object.keys(SCENARIOS), ...later].sort()).toEqual(CODES.map(({ name }) => name).sort());
    const unseen = Object.entries(SCENARIOS).filter(
      ([, { api, cli }]) => typeof api === "string" && typeof cli === "string",
    );
    expect(unseen).toEqual([]);
  });

  it.each(LATER)(
    "TC-053 the codes that come with $capability are not due yet",
    async ({ capability, codes, isThere }) => {
      const due = (await isThere()) ? `${capability} has come: write a scenario for ${codes.join(", ")}` : "";
      expect(due).toBe("");
    },
  );
});
