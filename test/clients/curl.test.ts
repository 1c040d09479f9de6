import { Curl } from "./curl.js";
import { type Cannot, runScenarios } from "./run-scenarios.js";

const OVER_HTTP1: Cannot = {
  "learns the services from the daemon": {
    why: "gRPC's reflection goes both ways at once, which HTTP/1.1 does not",
    says: /returned error: 505/u,
  },
};

runScenarios("curl", [
  { name: "POST of JSON", open: (socket) => new Curl(socket), cannot: OVER_HTTP1 },
  { name: "POST of JSON over HTTP/2", open: (socket) => new Curl(socket, { http2: true }), cannot: {} },
  {
    name: "Connect GET",
    open: (socket) => new Curl(socket, { get: true }),
    cannot: {
      ...OVER_HTTP1,
      "is refused with more than 4 MiB, and may try again with less": {
        why: "an argument holds 128 KiB, and the message stands in the URL",
        says: /E2BIG/u,
      },
      "asks grpc.health.v1": {
        why: "gRPC's own contract does not mark its methods as free of side effects",
        says: /called with POST/u,
      },
    },
  },
]);
