import {
  type DescField,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type Message,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, invalidFields, ServiceError } from "../errors.ts";

export const maxMessageBytes = 4 * 1024 * 1024;
/** More than any field of the contract may have: what breaks a rule is told item by item. */
const maxListLength = 1_000;

/**
 * Parses a request message. Nothing is overlooked: a field that this version does not know may be
 * one that its sender relies on, such as a limit.
 * @throws ServiceError MESSAGE_MALFORMED, FIELD_UNKNOWN or FIELD_INVALID
 */
export function decode<Desc extends DescMessage>(
  desc: Desc,
  bytes: Uint8Array,
  codec: "binary" | "json",
): MessageShape<Desc> {
  const message = codec === "json" ? parseJson(desc, bytes) : parseBinary(desc, bytes);
  inspect(desc, message, "");
  return message;
}

function parseBinary<Desc extends DescMessage>(desc: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(desc, bytes);
  } catch (error) {
    throw malformed(desc, "protobuf", error);
  }
}

function parseJson<Desc extends DescMessage>(desc: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return fromJsonString(desc, text);
  } catch (error) {
    const unknown = /key "(.{1,100})" is unknown/.exec(String(error))?.[1];
    if (unknown !== undefined) throw unknownField(desc, nameOf(unknown));
    throw malformed(desc, "JSON", error);
  }
}

/** What is no name may be a secret in the wrong place. */
function nameOf(key: string): string {
  return /^\w{1,40}$/.test(key) ? `"${key}"` : "of the name that was sent";
}

function malformed(desc: DescMessage, format: string, cause: unknown): ServiceError {
  // The parser's own words may quote what was sent, which may be a secret: only a field's name is told.
  const field = /field ([\w.]{1,200})/.exec(String(cause))?.[1];
  const where = field === undefined ? "" : ` (the field ${field} is wrong)`;
  return new ServiceError(
    Code.invalidArgument,
    "MESSAGE_MALFORMED",
    `The body is not a ${desc.typeName} in ${format}${where}. Check the client's contract version and encoding.`,
    { cause },
  );
}

function unknownField(desc: DescMessage, field: string): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "FIELD_UNKNOWN",
    `${desc.name} has no field ${field}. Check its spelling, and that the server is as new as the client.`,
  );
}

/** Looks for unknown fields, and for text that cannot be stored. */
function inspect(desc: DescMessage, message: Message, path: string): void {
  const unknown = message.$unknown?.[0];
  if (unknown !== undefined) throw unknownField(desc, `number ${unknown.no}`);
  for (const field of desc.fields) {
    const value = (message as unknown as Record<string, unknown>)[field.localName];
    if (typeof value === "string") inspectText(value, path + field.name);
    else if (typeof value === "object" && value !== null) inspectNested(field, value, path);
  }
}

function inspectNested(field: DescField, value: object, path: string): void {
  const name = path + field.name;
  if (field.fieldKind === "message") inspect(field.message, value as Message, `${name}.`);
  if (field.fieldKind === "list") inspectList(field, value as unknown[], name);
  if (field.fieldKind === "map") inspectMap(field, Object.entries(value), name);
}

function inspectList(field: DescField & { fieldKind: "list" }, items: unknown[], name: string) {
  ensureFew(items.length, name);
  for (const [i, item] of items.entries()) {
    if (typeof item === "string") inspectText(item, `${name}[${i}]`);
    else if (field.listKind === "message") {
      inspect(field.message, item as Message, `${name}[${i}].`);
    }
  }
}

function inspectMap(
  field: DescField & { fieldKind: "map" },
  entries: [string, unknown][],
  name: string,
) {
  ensureFew(entries.length, name);
  for (const [key, item] of entries) {
    inspectText(key, name);
    if (typeof item === "string") inspectText(item, `${name}["${key}"]`);
    else if (field.mapKind === "message") inspect(field.message, item as Message, `${name}.`);
  }
}

function ensureFew(count: number, name: string): void {
  if (count <= maxListLength) return;
  throw invalidFields([{ field: name, description: `must have at most ${maxListLength} items` }]);
}

function inspectText(text: string, field: string): void {
  if (!text.includes("\0") && text.isWellFormed()) return;
  throw invalidFields([{ field, description: "must be Unicode text without NUL characters" }]);
}
