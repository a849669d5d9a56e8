import {
  type BinaryWriteOptions,
  type DescMessage,
  type JsonWriteOptions,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";

/** How the transport serialises messages. Give the options that the transport has. */
export interface SerializationOptions {
  jsonOptions?: Partial<JsonWriteOptions> | undefined;
  binaryOptions?: Partial<BinaryWriteOptions> | undefined;
}

/**
 * The content that a transport will send for a message: protobuf-es serialises a message to the same
 * bytes every time.
 * @returns the content in pieces, or undefined when the content type is none of Connect, gRPC or gRPC-Web
 */
export function requestBody<Desc extends DescMessage>(
  contentType: string,
  desc: Desc,
  message: MessageShape<Desc>,
  options: SerializationOptions,
): Uint8Array[] | undefined {
  const match = /^application\/(?:(connect|grpc|grpc-web)(?:\+(proto|json))?|(proto|json))$/.exec(
    contentType,
  );
  if (match === null) return undefined;
  const [, enveloped, subtype, bare] = match;
  const bytes =
    (subtype ?? bare) === "json"
      ? new TextEncoder().encode(toJsonString(desc, message, options.jsonOptions))
      : toBinary(desc, message, options.binaryOptions);
  return enveloped === undefined ? [bytes] : [envelopePrefix(bytes.byteLength), bytes];
}

/** The 5 bytes before an uncompressed message: flags 0 and the length. */
export function envelopePrefix(length: number): Uint8Array {
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(1, length);
  return prefix;
}
