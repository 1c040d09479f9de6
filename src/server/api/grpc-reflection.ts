import { create, createRegistry, type DescFile, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  type ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.js";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/**
 * gRPC's server reflection over `files` and what they import: tools learn the contract from the daemon itself. The same
 * for v1 and v1alpha, whose messages are alike.
 */
export function grpcReflectionService(files: readonly DescFile[]): ServiceImpl<typeof ServerReflection> {
  const known = withImports(files);
  const services = files.flatMap((file) => file.services.map(({ typeName }) => ({ name: typeName })));
  return {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) yield response(request, answer(request, known, services));
    },
  };
}

function response(request: ServerReflectionRequest, messageResponse: Answer): ServerReflectionResponse {
  return create(ServerReflectionResponseSchema, {
    validHost: request.host,
    originalRequest: request,
    messageResponse,
  });
}

function answer(
  { messageRequest: asked }: ServerReflectionRequest,
  known: ReadonlyMap<string, DescFile>,
  services: readonly { name: string }[],
): Answer {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: [...services] } };
    case "fileByFilename":
      return found(known.get(asked.value));
    case "fileContainingSymbol":
      return found(fileOf(asked.value, known));
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      return found(
        extensionsOf(containingType, known).find(({ number }) => number === extensionNumber)?.file,
      );
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = extensionsOf(asked.value, known).map(({ number }) => number);
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: asked.value, extensionNumber },
      };
    }
    default:
      return failure(Code.InvalidArgument, "nothing was asked");
  }
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** A file with everything that it imports, itself first. */
function found(file: DescFile | undefined): Answer {
  if (file === undefined) return failure(Code.NotFound, "not found");
  const fileDescriptorProto = [...withImports([file]).values()].map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function withImports(files: readonly DescFile[]): Map<string, DescFile> {
  const all = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    const { name } = file.proto;
    if (all.has(name)) return;
    all.set(name, file);
    file.dependencies.forEach(add);
  };
  files.forEach(add);
  return all;
}

/** The file that declares a service, method, message, enum, field or extension of that full name. */
function fileOf(symbol: string, known: ReadonlyMap<string, DescFile>): DescFile | undefined {
  const registry = createRegistry(...known.values());
  const declared = registry.get(symbol);
  if (declared !== undefined) return declared.file;
  const dot = symbol.lastIndexOf(".");
  const member = symbol.slice(dot + 1);
  const parent = dot < 0 ? undefined : registry.get(symbol.slice(0, dot));
  const has =
    (parent?.kind === "service" && parent.methods.some(({ name }) => name === member)) ||
    (parent?.kind === "message" && parent.fields.some(({ name }) => name === member)) ||
    (parent?.kind === "enum" && parent.values.some(({ name }) => name === member));
  return has ? parent?.file : undefined;
}

function extensionsOf(
  typeName: string,
  known: ReadonlyMap<string, DescFile>,
): { number: number; file: DescFile }[] {
  return [...known.values()]
    .flatMap((file) => file.extensions)
    .filter(({ extendee }) => extendee.typeName === typeName)
    .map(({ number, file }) => ({ number, file }));
}
