import { GrpcJs } from "./grpc-js.js";
import { runScenarios } from "./run-scenarios.js";

runScenarios("@grpc/grpc-js", [
  { name: "proto-loader, unix: target", open: (socket) => new GrpcJs(socket), cannot: {} },
]);
