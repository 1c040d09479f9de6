import { Buf, type BufOptions } from "./buf.js";
import { type Cannot, type Runner, runScenarios } from "./run-scenarios.js";

const REFLECTING: Cannot = {
  "is told that a method is not served": {
    why: "it calls only what the daemon's reflection lists",
    says: /failed to find service/u,
  },
};

function runner(way: BufOptions): Runner {
  return {
    name: `${way.protocol}, schema from ${way.schema}`,
    open: (socket) => new Buf(socket, way),
    cannot: way.schema === "reflection" ? REFLECTING : {},
  };
}

/** Where the schema comes from does not change what goes over the wire, but for HTTP/2, which reflection needs. */
function briefly(way: BufOptions): Runner {
  return {
    ...runner(way),
    only: [
      "lists panes by every kind of filter",
      "watches: the picture at once, then each change",
      "reads the typed detail of an error",
    ],
  };
}

runScenarios("buf curl", [
  runner({ protocol: "connect", schema: "files" }),
  runner({ protocol: "grpc", schema: "reflection" }),
  runner({ protocol: "grpcweb", schema: "files" }),
  briefly({ protocol: "connect", schema: "reflection" }),
  briefly({ protocol: "grpc", schema: "files" }),
  briefly({ protocol: "grpcweb", schema: "reflection" }),
]);
