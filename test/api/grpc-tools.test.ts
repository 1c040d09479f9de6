import { connect as connectSocket } from "node:net";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { TestDaemon } from "../support/daemon.js";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon.close());

function transport(of = daemon) {
  return createGrpcTransport({
    baseUrl: "http://localhost",
    nodeOptions: { createConnection: () => connectSocket(of.socketPath) },
  });
}

type Asked =
  | {
      case: "listServices" | "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType";
      value: string;
    }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } };

async function reflect(service: typeof ServerReflection, asked: Asked) {
  async function* once() {
    yield { host: "h", messageRequest: asked };
  }
  for await (const answer of createClient(service, transport()).serverReflectionInfo(once())) {
    return answer.messageResponse;
  }
  throw new Error("no answer");
}

describe.each([
  ["v1", ServerReflection],
  // The messages of both versions have the same fields.
  ["v1alpha", Alpha as unknown as typeof ServerReflection],
])("server reflection %s", (_version, service) => {
  it("lists every service", async () => {
    const answer = await reflect(service, { case: "listServices", value: "" });
    if (answer.case !== "listServicesResponse") throw new Error(String(answer.case));
    const names = answer.value.service.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["agtmux.v1.StateService", "grpc.health.v1.Health"]));
    expect(names.filter((name) => name.startsWith("agtmux.v1."))).toHaveLength(8);
  });

  it.each([
    ["a service", "agtmux.v1.StateService"],
    ["a method", "agtmux.v1.StateService.ListPanes"],
    ["a message", "agtmux.v1.Pane"],
    ["a field", "agtmux.v1.Pane.identity"],
    ["an enum", "agtmux.v1.AgentState"],
    ["an extension", "agtmux.v1.error_mapping"],
    ["another file's type", "google.protobuf.Timestamp"],
  ])("finds %s, with all that its file needs", async (_what, symbol) => {
    const answer = await reflect(service, { case: "fileContainingSymbol", value: symbol });
    if (answer.case !== "fileDescriptorResponse") throw new Error(JSON.stringify(answer.value));
    const file = answer.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    // Throws when a file is missing that another one imports.
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.reverse() }));
    const words = symbol.split(".");
    const declared = registry.get(symbol) ?? registry.get(words.slice(0, -1).join("."));
    expect(declared).toBeDefined();
  });

  it("finds extensions by what they extend", async () => {
    const containingType = "google.protobuf.EnumValueOptions";
    const all = await reflect(service, { case: "allExtensionNumbersOfType", value: containingType });
    if (all.case !== "allExtensionNumbersResponse") throw new Error(String(all.case));
    const [extensionNumber = 0] = all.value.extensionNumber;
    const one = await reflect(service, {
      case: "fileContainingExtension",
      value: { containingType, extensionNumber },
    });
    expect(one.case).toBe("fileDescriptorResponse");
  });

  it("says that it does not know what it does not know", async () => {
    for (const asked of [
      { case: "fileByFilename", value: "no/such.proto" },
      { case: "fileContainingSymbol", value: "agtmux.v1.Nothing" },
      { case: "fileContainingSymbol", value: "" },
    ] as const) {
      const answer = await reflect(service, asked);
      expect(answer).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
    }
  });
});

describe("grpc.health.v1", () => {
  it("says that the daemon and each of its services serve, and knows no others", async () => {
    const health = createClient(Health, transport());
    const SERVING = HealthCheckResponse_ServingStatus.SERVING;
    expect(await health.check({})).toMatchObject({ status: SERVING });
    expect(await health.check({ service: "agtmux.v1.StateService" })).toMatchObject({ status: SERVING });
    const refused = health.check({ service: "no.Such" });
    await expect(refused).rejects.toThrow(ConnectError);
    await expect(refused).rejects.toMatchObject({ code: Code.NotFound });
  });

  it("tells a watcher when the daemon stops", async () => {
    const other = await TestDaemon.start();
    const seen: HealthCheckResponse_ServingStatus[] = [];
    for await (const { status } of createClient(Health, transport(other)).watch({})) {
      seen.push(status);
      if (seen.length === 1) other.child.kill("SIGTERM");
    }
    expect(seen).toEqual([
      HealthCheckResponse_ServingStatus.SERVING,
      HealthCheckResponse_ServingStatus.NOT_SERVING,
    ]);
    await other.close();
  });
});
