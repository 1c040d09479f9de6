import { execFileSync } from "node:child_process";
import http2 from "node:http2";
import { connect as connectSocket } from "node:net";
import { gzipSync } from "node:zlib";
import { fromBinary, getOption } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { error_mapping } from "../../gen/agtmux/v1/options_pb.js";
import {
  DaemonService,
  ErrorCode,
  ErrorCodeSchema,
  type ErrorDetail,
  ErrorDetailSchema,
  StateService,
  TargetService,
  toAgtmuxError,
  WatchType,
} from "../../src/client/index.js";
import { TestDaemon } from "../support/daemon.js";
import { exchange, HEADERS_CUT_MS, type RawAnswer } from "./raw-http.js";

let daemon: TestDaemon;
/** Connections that never finish their head; looked at by the last test, so that nobody waits for them. */
let stalled: { what: string; closed: Promise<number> }[];

beforeAll(async () => {
  daemon = await TestDaemon.start();
  stalled = ["", "POST /agtmux.v1.StateService/ListPanes HTTP/1.1\r\nHost: localh", "PRI * HT"].map(
    (what) => {
      const began = performance.now();
      const socket = connectSocket(daemon.socketPath).on("error", () => undefined);
      socket.write(what);
      socket.resume();
      return {
        what,
        closed: new Promise((resolve) => socket.once("close", () => resolve(performance.now() - began))),
      };
    },
  );
});
afterAll(async () => {
  await daemon.close();
});

const LIST = "/agtmux.v1.StateService/ListPanes";
const HEALTH = "/agtmux.v1.DaemonService/GetHealth";
const json = { "content-type": "application/json" };

/** The daemon is alive, and the same one. */
async function alive(): Promise<void> {
  const health = await daemon.client.daemon.getHealth({});
  expect(health.pid).toBe(BigInt(daemon.child.pid ?? 0));
  expect(daemon.child.exitCode).toBeNull();
}

function post(
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = json,
): Promise<RawAnswer> {
  const lines = Object.entries({
    host: "localhost",
    ...headers,
    "content-length": String(Buffer.byteLength(body)),
  });
  const head = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}connection: close\r\n\r\n`;
  return exchange(daemon.socketPath, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
}

/** The typed detail of a Connect error as JSON. */
function detailOf(answer: RawAnswer): ErrorDetail {
  const parsed = JSON.parse(answer.body) as { code: string; details?: { type: string; value: string }[] };
  const detail = parsed.details?.find(({ type }) => type === ErrorDetailSchema.typeName);
  if (detail === undefined) throw new Error(`no detail in ${answer.body}`);
  return fromBinary(ErrorDetailSchema, base64Decode(detail.value));
}

describe("one socket", () => {
  const options = () => ({
    baseUrl: "http://localhost",
    nodeOptions: { createConnection: () => connectSocket(daemon.socketPath) },
  });
  const transports: [string, () => Transport][] = [
    ["Connect over HTTP/1.1", () => createConnectTransport({ ...options(), httpVersion: "1.1" })],
    [
      "Connect over HTTP/1.1 in JSON",
      () => createConnectTransport({ ...options(), httpVersion: "1.1", useBinaryFormat: false }),
    ],
    ["Connect GET", () => createConnectTransport({ ...options(), httpVersion: "1.1", useHttpGet: true })],
    ["Connect over h2c", () => createConnectTransport({ ...options(), httpVersion: "2" })],
    ["gRPC", () => createGrpcTransport(options())],
    ["gRPC-Web over HTTP/1.1", () => createGrpcWebTransport({ ...options(), httpVersion: "1.1" })],
    ["gRPC-Web over h2c", () => createGrpcWebTransport({ ...options(), httpVersion: "2" })],
  ];

  it.each(transports)(
    "TC-067 serves %s: a read, a stream, and errors with their detail",
    async (_name, make) => {
      const transport = make();
      const state = createClient(StateService, transport);
      const listed = await state.listPanes({ filter: { targets: ["host"] } });
      expect(listed.requestedTargets).toEqual(["host"]);
      const abort = new AbortController();
      for await (const message of state.watch({}, { signal: abort.signal })) {
        expect(message.type).toBe(WatchType.SNAPSHOT);
        break;
      }
      abort.abort();
      const provoked: [() => Promise<unknown>, ErrorCode][] = [
        [() => state.explainPane({ ref: "nonsense" }), ErrorCode.E_REF_INVALID],
        [() => state.explainPane({ ref: "pane:host/a/@1/%1" }), ErrorCode.E_REF_NOT_FOUND],
        [
          () => createClient(TargetService, transport).connectTarget({ name: "none" }),
          ErrorCode.E_TARGET_NOT_FOUND,
        ],
        [() => createClient(DaemonService, transport).diagnose({}), ErrorCode.E_UNIMPLEMENTED],
        [
          async () => {
            for await (const _ of state.watch({ cursor: "bad" }));
          },
          ErrorCode.E_CURSOR_INVALID,
        ],
      ];
      for (const [call, code] of provoked) {
        const error = await call().then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (!(error instanceof ConnectError)) throw new Error(`${ErrorCode[code]} was not refused: ${error}`);
        const [detail] = error.findDetails(ErrorDetailSchema);
        expect(detail?.code, ErrorCode[code]).toBe(code);
        expect(detail?.message).not.toBe("");
        expect(Number(error.code)).toBe(getOption(value(code), error_mapping).grpcCode);
      }
    },
  );

  it("TC-067 curl with JSON lists panes, and gets the health document by GET", () => {
    const curl = (...words: string[]): unknown =>
      JSON.parse(
        execFileSync("curl", ["-sS", "--unix-socket", daemon.socketPath, ...words], { encoding: "utf8" }),
      );
    expect(curl("-H", "content-type: application/json", "-d", "{}", `http://localhost${LIST}`)).toMatchObject(
      {
        schemaVersion: 1,
        summary: {},
      },
    );
    const message = encodeURIComponent(JSON.stringify({ filter: { targets: ["host"] } }));
    expect(curl(`http://localhost${LIST}?connect=v1&encoding=json&message=${message}`)).toMatchObject({
      requestedTargets: ["host"],
    });
    expect(curl("http://localhost/v1/health")).toMatchObject({
      schemaVersion: 1,
      pid: String(daemon.child.pid),
      degradations: [],
    });
  });

  it("TC-067 tells HTTP/2 from HTTP/1.1 even when the first bytes come one by one", async () => {
    const socket = connectSocket(daemon.socketPath);
    await new Promise((resolve) => socket.once("connect", resolve));
    const sent: Buffer[] = [];
    // http2 writes its preface at once; it is held back and sent byte by byte.
    const write = socket.write.bind(socket);
    Object.assign(socket, {
      write: (chunk: Buffer, ...rest: [never]) => {
        sent.push(Buffer.from(chunk));
        for (const byte of chunk) write(Buffer.from([byte]));
        const done: unknown = rest.at(-1);
        if (typeof done === "function") done();
        return true;
      },
    });
    const session = http2.connect("http://localhost", { createConnection: () => socket });
    const stream = session.request({ ":method": "POST", ":path": LIST, ...json });
    stream.end("{}");
    const status = await new Promise((resolve, reject) => {
      stream.once("response", (headers) => resolve(headers[":status"])).once("error", reject);
      session.once("error", reject);
    });
    expect(status).toBe(200);
    session.destroy();
    const request = `POST ${LIST} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`;
    const slow = connectSocket(daemon.socketPath);
    let answer = "";
    slow.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    slow.setNoDelay(true);
    for (const byte of Buffer.from(request)) {
      slow.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => slow.once("close", resolve));
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
  });
});

function value(code: ErrorCode) {
  const found = ErrorCodeSchema.values.find(({ number }) => number === code);
  if (found === undefined) throw new Error(`no code ${code}`);
  return found;
}

describe("an odd request", () => {
  const hosts: [string, number][] = [
    ["Host: localhost\r\n", 200],
    ["Host: LOCALHOST:80\r\n", 200],
    ["Host: 127.0.0.1:1\r\n", 200],
    ["Host: localhost:99999\r\n", 200],
    ["Host:\r\n", 200],
    ["", 200],
    ["Host: a b\r\n", 401],
    ["Host: [::1\r\n", 401],
    ["Host: evil.example\r\n", 401],
    ["Host: localhost.evil.example\r\n", 401],
    ["Host: %2Ftmp%2Fx.sock\r\n", 401],
    [`Host: ${"a".repeat(1_025)}\r\n`, 401],
    ["Host: localhost\r\nOrigin: http://localhost\r\n", 401],
    ["Host: localhost\r\nOrigin: null\r\n", 401],
    ["Host: localhost\r\nReferer: http://localhost/x\r\n", 401],
  ];

  const named = hosts.map(([head, status]) => ({ shown: JSON.stringify(head).slice(0, 60), head, status }));
  it.each(named)("TC-086 HTTP/1.1 with $shown is answered $status", async ({ head, status }) => {
    const answer = await exchange(
      daemon.socketPath,
      `POST ${LIST} HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`,
    );
    expect(answer.status).toBe(status);
    if (status === 401) expect(detailOf(answer).code).toBe(ErrorCode.E_UNAUTHENTICATED);
    await alive();
  });

  it("TC-086 HTTP/1.0 without Host is served", async () => {
    const answer = await exchange(daemon.socketPath, `GET /v1/health HTTP/1.0\r\n\r\n`);
    expect(answer.status).toBe(200);
  });

  it("TC-086 HTTP/2 authorities: the socket's own path is served as gRPC libraries send it, odd ones are refused", async () => {
    const ask = async (authority: string): Promise<unknown> => {
      const session = http2.connect("http://localhost", {
        createConnection: () => connectSocket(daemon.socketPath),
      });
      session.on("error", () => undefined);
      try {
        const stream = session.request({
          ":method": "POST",
          ":path": LIST,
          ":authority": authority,
          ...json,
        });
        stream.end("{}");
        return await new Promise((resolve) => {
          stream
            .once("response", (headers) => resolve(headers[":status"]))
            .once("error", () => resolve("error"));
          stream.resume();
        });
      } finally {
        session.destroy();
      }
    };
    expect(await ask(encodeURIComponent(daemon.socketPath))).toBe(200);
    expect(await ask("localhost")).toBe(200);
    expect(await ask("localhost:99999")).toBe(200);
    for (const authority of ["%2Ftmp%2Fx.sock", "[::1", "evil.example", "localhost.evil.example"]) {
      expect([authority, await ask(authority)]).toEqual([authority, 401]);
    }
    // No authority at all: HTTP/2 itself refuses such a stream, where it checks.
    for (const authority of ["a b", "localhost@evil.example"]) expect(await ask(authority)).not.toBe(200);
    await alive();
  });

  it("TC-018 TC-086 what no method sees is an error with its detail too", async () => {
    const table: [Promise<RawAnswer>, number, ErrorCode][] = [
      [post("/agtmux.v1.StateService/Nothing", "{}"), 501, ErrorCode.E_UNIMPLEMENTED],
      [post("/", "{}"), 501, ErrorCode.E_UNIMPLEMENTED],
      [post("/v1/health", "{}"), 400, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, "{"), 400, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, '{"filter": 5}'), 400, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, "\xff\xfe", { "content-type": "application/proto" }), 400, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, "{}", { "content-type": "text/plain" }), 415, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, "{}", { ...json, "connect-timeout-ms": "soon" }), 400, ErrorCode.E_INVALID_ARGUMENT],
      [post(LIST, "{}", { ...json, "content-encoding": "zstd" }), 501, ErrorCode.E_UNIMPLEMENTED],
      [post("/agtmux.v1.TargetService/ConnectTarget", '{"name":"x"}'), 404, ErrorCode.E_TARGET_NOT_FOUND],
      [
        exchange(daemon.socketPath, `PUT ${LIST} HTTP/1.1\r\nHost: localhost\r\nconnection: close\r\n\r\n`),
        405,
        ErrorCode.E_INVALID_ARGUMENT,
      ],
    ];
    for (const [call, status, code] of table) {
      const answer = await call;
      expect([answer.status, ErrorCode[detailOf(answer).code]], answer.body).toEqual([
        status,
        ErrorCode[code],
      ]);
    }
    const grpc = createGrpcTransport({
      baseUrl: "http://localhost/nowhere",
      nodeOptions: { createConnection: () => connectSocket(daemon.socketPath) },
    });
    const refused = await createClient(DaemonService, grpc)
      .getHealth({})
      .catch((error: unknown) => error);
    expect(toAgtmuxError(refused).code).toBe(ErrorCode.E_UNIMPLEMENTED);
    expect(ConnectError.from(refused).findDetails(ErrorDetailSchema)).toHaveLength(1);
  });

  it("TC-086 what is larger than 4 MiB is refused as such, declared or sent, plain or packed", async () => {
    const exhausted = async (answer: Promise<RawAnswer>): Promise<void> => {
      const got = await answer;
      expect([got.status, ErrorCode[detailOf(got).code]]).toEqual([429, "E_RESOURCE_EXHAUSTED"]);
    };
    const huge = Buffer.alloc(5 * 1024 * 1024, 0x20);
    await exhausted(post(LIST, huge));
    // Without a declared length it shows only while it is read; the answer must still arrive.
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), huge.subarray(0, 0x100000), Buffer.from("\r\n")]);
    const chunked = `POST ${LIST} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    await exhausted(
      exchange(
        daemon.socketPath,
        Buffer.concat([Buffer.from(chunked), ...Array.from({ length: 16 }, () => chunk)]),
      ),
    );
    await exhausted(
      post(LIST, gzipSync(Buffer.alloc(512 * 1024 * 1024)), { ...json, "content-encoding": "gzip" }),
    );
    await exhausted(
      exchange(
        daemon.socketPath,
        `POST ${LIST} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5000000000\r\n\r\n{}`,
      ),
    );
    // An envelope that declares 4 GiB.
    const head = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2]);
    const stream = await post("/agtmux.v1.StateService/Watch", head, {
      "content-type": "application/connect+proto",
    });
    expect(stream.body).toContain("resource_exhausted");
    const grpcWeb = createGrpcWebTransport({
      baseUrl: "http://localhost",
      httpVersion: "1.1",
      nodeOptions: { createConnection: () => connectSocket(daemon.socketPath) },
    });
    const grpc = createGrpcTransport({
      baseUrl: "http://localhost",
      nodeOptions: { createConnection: () => connectSocket(daemon.socketPath) },
    });
    for (const transport of [grpc, grpcWeb]) {
      const error = await createClient(StateService, transport)
        .explainPane({ ref: "x".repeat(5 * 1024 * 1024) })
        .catch((thrown: unknown) => ConnectError.from(thrown));
      if (!(error instanceof ConnectError)) throw new Error("5 MiB were taken");
      expect(error.code).toBe(Code.ResourceExhausted);
      expect(error.findDetails(ErrorDetailSchema)[0]?.code).toBe(ErrorCode.E_RESOURCE_EXHAUSTED);
    }
    await alive();
  });

  it("TC-086 survives two thousand fuzzed request heads and answers the next good call", {
    timeout: 60_000,
  }, async () => {
    const seed = 20_260_801;
    console.log(`seed ${seed}`);
    const word = fc.string({ unit: "binary", maxLength: 24 });
    const line = fc.oneof(
      fc.tuple(
        fc.constantFrom(
          "Host",
          "content-type",
          "content-length",
          "transfer-encoding",
          "expect",
          "upgrade",
          "connect-timeout-ms",
          "connection",
        ),
        word,
      ),
      fc.tuple(word, word),
    );
    const path = fc.oneof(
      fc.constantFrom(
        LIST,
        HEALTH,
        `${LIST}?connect=v1&encoding=json&message=`,
        "/v1/health",
        "//",
        "*",
        "http://[",
        "http://a b/",
      ),
      word,
    );
    const head = fc
      .tuple(
        fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PRI"),
        path,
        fc.constantFrom("1.1", "1.0", "2.0", ""),
        fc.array(line, { maxLength: 4 }),
        word,
      )
      .map(([method, target, version, lines, body]) => {
        const headers = lines.map(([name, given]) => `${name}: ${given}\r\n`).join("");
        return Buffer.from(`${method} ${target} HTTP/${version}\r\n${headers}\r\n${body}`, "latin1");
      });
    const heads = fc.sample(head, { numRuns: 2_000, seed });
    for (let at = 0; at < heads.length; at += 50) {
      await Promise.all(
        heads.slice(at, at + 50).map(
          (bytes) =>
            new Promise<void>((resolve) => {
              const socket = connectSocket(daemon.socketPath).on("error", () => undefined);
              socket.once("close", () => resolve()).resume();
              socket.end(bytes);
              setTimeout(() => socket.destroy(), 300).unref();
            }),
        ),
      );
      if (at % 500 === 0) await alive();
    }
    await alive();
    expect(daemon.log).not.toContain('"uncaught"');
  });

  it("TC-086 a head that never ends is cut off; others are not held up by it", {
    timeout: HEADERS_CUT_MS + 5_000,
  }, async () => {
    await alive();
    for (const { what, closed } of stalled) {
      const ms = await closed;
      expect(ms, JSON.stringify(what)).toBeLessThan(HEADERS_CUT_MS);
    }
    await alive();
  });
});

describe("the table of errors", () => {
  it("TC-053 gives every code a gRPC code and the HTTP status that Connect sends for it", () => {
    const http: Readonly<Record<number, number>> = {
      3: 400,
      4: 504,
      5: 404,
      6: 409,
      8: 429,
      9: 400,
      11: 400,
      12: 501,
      13: 500,
      14: 503,
      16: 401,
    };
    for (const code of ErrorCodeSchema.values) {
      if (code.number === ErrorCode.E_UNSPECIFIED) continue;
      const mapping = getOption(code, error_mapping);
      expect([code.name, mapping.httpStatus]).toEqual([code.name, http[mapping.grpcCode]]);
      expect(mapping.exitStatus).toBeGreaterThan(0);
    }
  });
});
