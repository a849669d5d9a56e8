import {
  create,
  createFileRegistry,
  type DescMessage,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";

// A service with every kind of streaming, which the contract does not have, and a map field.

const file = create(FileDescriptorProtoSchema, {
  name: "test/v1/echo.proto",
  package: "test.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "Echo",
      field: [
        { name: "text", number: 1, type: Type.STRING, label: Label.OPTIONAL, jsonName: "text" },
        {
          name: "labels",
          number: 2,
          type: Type.MESSAGE,
          label: Label.REPEATED,
          typeName: ".test.v1.Echo.LabelsEntry",
          jsonName: "labels",
        },
      ],
      nestedType: [
        {
          name: "LabelsEntry",
          options: { mapEntry: true },
          field: ["key", "value"].map((name, index) => ({
            name,
            number: index + 1,
            type: Type.STRING,
            label: Label.OPTIONAL,
            jsonName: name,
          })),
        },
      ],
    } as Partial<DescriptorProto> as never,
  ],
  service: [
    {
      name: "EchoService",
      method: [
        { name: "Say", inputType: ".test.v1.Echo", outputType: ".test.v1.Echo" },
        {
          name: "Watch",
          inputType: ".test.v1.Echo",
          outputType: ".test.v1.Echo",
          serverStreaming: true,
        },
        {
          name: "Upload",
          inputType: ".test.v1.Echo",
          outputType: ".test.v1.Echo",
          clientStreaming: true,
        },
        {
          name: "Chat",
          inputType: ".test.v1.Echo",
          outputType: ".test.v1.Echo",
          clientStreaming: true,
          serverStreaming: true,
        },
      ],
    },
  ],
});

const registry = createFileRegistry(file, () => undefined);
export const EchoService = registry.getService("test.v1.EchoService") as NonNullable<
  ReturnType<typeof registry.getService>
>;
export const EchoSchema = registry.getMessage("test.v1.Echo") as DescMessage;

/** A message with a map in no particular order and text beyond ASCII. */
export const echo = create(EchoSchema, {
  text: "grüße ✓",
  labels: { zulu: "1", alpha: "2", mike: "" },
} as never);

type Echo = MessageShape<typeof EchoSchema>;

/** Answers what it was sent, twice where it streams. */
export function echoRoutes(router: ConnectRouter): void {
  router.rpc(EchoService.method.say as never, ((request: Echo) => request) as never);
  router.rpc(
    EchoService.method.watch as never,
    async function* (request: Echo) {
      yield request;
      yield request;
    } as never,
  );
}
