// esbuild plugins that keep the CLI's start short.
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** commander imports node:child_process for subcommands that are programs of their own; there are none (7 ms). */
const LAZY = `
  const load = () => process.getBuiltinModule("node:child_process");
  export const spawn = (...words) => load().spawn(...words);
  export default new Proxy({}, { get: (_, name) => load()[name] });
`;

/**
 * Node's own modules by getBuiltinModule instead of import: an import of node:fs or node:http runs every getter
 * of the module, which loads streams, promises, even fetch (25 ms).
 */
export const builtins = {
  name: "builtins",
  setup(build) {
    build.onResolve({ filter: /^(node:)?[a-z_/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, "");
      return builtinModules.includes(name) ? { path: name, namespace: "builtin" } : undefined;
    });
    build.onLoad({ filter: /^child_process$/, namespace: "builtin" }, () => ({
      contents: LAZY,
      loader: "js",
    }));
    build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(`node:${path}`)).filter(
        (name) => name !== "default",
      );
      const lines = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`);
      const get = `const builtin = /* @__PURE__ */ process.getBuiltinModule("node:${path}");`;
      return { contents: [get, "export default builtin;", ...lines].join("\n"), loader: "js" };
    });
  },
};

/** The JavaScript of a decoded message: its own fields, over a prototype with the defaults of its type. */
function literal(value, prototypes) {
  if (Array.isArray(value)) return `[${value.map((each) => literal(each, prototypes)).join(",")}]`;
  if (typeof value === "bigint") throw new Error("unexpected value in a descriptor");
  if (value instanceof Uint8Array) return `Uint8Array.of(${value.join(",")})`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const { $typeName: type, ...fields } = value;
  const isEmpty = (field) => Array.isArray(field) && field.length === 0;
  if (type === undefined) {
    // An unknown field: its number, wire type and bytes.
    return `{${Object.entries(fields)
      .map(([name, field]) => `${name}:${literal(field, prototypes)}`)
      .join(",")}}`;
  }
  let prototype = prototypes.get(type);
  if (prototype === undefined) {
    const lists = Object.fromEntries(
      Object.entries(fields)
        .filter(([, field]) => Array.isArray(field))
        .map(([name]) => [name, []]),
    );
    prototype = {
      name: `p${prototypes.size}`,
      json: JSON.stringify({ $typeName: type, ...Object.getPrototypeOf(value), ...lists }),
    };
    prototypes.set(type, prototype);
  }
  const own = Object.entries(fields).filter(([, field]) => field !== undefined && !isEmpty(field));
  const body = own.map(([name, field]) => `${JSON.stringify(name)}:${literal(field, prototypes)}`);
  return `{${[`__proto__:${prototype.name}`, ...body].join(",")}}`;
}

function protoCamelCase(name) {
  return name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

function restoreJsonNames(message) {
  for (const field of message.field)
    if (!Object.hasOwn(field, "jsonName")) field.jsonName = protoCamelCase(field.name);
  for (const nested of message.nestedType) restoreJsonNames(nested);
}

function hydrated(base64) {
  const file = fromBinary(FileDescriptorProtoSchema, Buffer.from(base64, "base64"));
  for (const message of file.messageType) restoreJsonNames(message);
  file.dependency = [];
  const prototypes = new Map();
  const body = literal(file, prototypes);
  const declarations = [...prototypes.values()].map(({ name, json }) => `const ${name}=${json};`);
  return `(()=>{${declarations.join("")}return ${body}})()`;
}

/**
 * Descriptors decoded at build time. Generated code carries them as base64 and decodes them on every start, for
 * which the runtime first builds the descriptor of descriptors: together half of what `node -e 0` takes.
 */
export const descriptors = {
  name: "descriptors",
  setup(build) {
    build.onLoad({ filter: /_pb\.(ts|js)$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      // What a file imports for its options only is not needed to read messages.
      const lean = source
        .replace(/\[file_agtmux_v1_options(?:, )?/, "[")
        .replace(/^import .* from "\.\/options_pb\.js";$/m, "");
      const contents = lean.replace(
        /fileDesc\("([A-Za-z0-9+/=]+)"/g,
        (_, base64) => `fileDesc(${hydrated(base64)}`,
      );
      return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
    });
    build.onLoad({ filter: /codegenv2\/file\.js$/ }, () => ({
      contents: `
        import { createEmbeddedFileRegistry } from "../registry.js";
        export function fileDesc(root, imports = []) {
          root.dependency = imports.map((file) => file.proto.name);
          const find = (name) => imports.find((file) => file.proto.name === name);
          return createEmbeddedFileRegistry(root, find).getFile(root.name);
        }`,
      resolveDir: undefined,
      loader: "js",
    }));
  },
};
