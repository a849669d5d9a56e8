import type { DescFile } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { services } from "../contract.ts";

/** Adds grpc.health.v1 to a gRPC server. @returns what tells whether the service can serve */
export function addHealth(server: Server): (ready: boolean) => void {
  const names = ["", ...services.map((service) => service.typeName)];
  const health = new HealthImplementation();
  health.addToServer(server);
  const set = (ready: boolean) => {
    for (const name of names) health.setStatus(name, ready ? "SERVING" : "NOT_SERVING");
  };
  set(false);
  return set;
}

/** Adds grpc.reflection: the contract is public, so it needs no authentication. */
export function addReflection(server: Server): void {
  const files = new Map<string, FileDescriptorProto>();
  for (const service of services) collect(service.file, files);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()] });
  const bytes = Buffer.from(toBinary(FileDescriptorSetSchema, set));
  new ReflectionService(loadFileDescriptorSetFromBuffer(bytes)).addToServer(server);
}

/** A file after all that it imports. */
function collect(file: DescFile, files: Map<string, FileDescriptorProto>): void {
  for (const dependency of file.dependencies) collect(dependency, files);
  files.set(file.name, file.proto);
}
