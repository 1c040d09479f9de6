import { PythonGrpcio } from "./python-grpcio.js";
import { runScenarios } from "./run-scenarios.js";

runScenarios("Python grpcio", [
  { name: "code from protoc, unix: target", open: (socket) => new PythonGrpcio(socket), cannot: {} },
]);
