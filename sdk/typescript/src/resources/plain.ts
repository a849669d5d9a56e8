import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { PdaasError } from "../errors.ts";

/** A value that the contract promises. */
export function present<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new PdaasError(`The service answered without ${name}.`, { code: "internal" });
}

/** A time as a Date, to the millisecond; undefined stays undefined. */
export function dateOf<T extends Timestamp | undefined>(time: T) {
  return (time && timestampDate(time)) as T extends Timestamp ? Date : Date | undefined;
}

/** The lower case names of a generated enum. */
export type NameOf<E> = Lowercase<Extract<keyof E, string>>;

/** A value of a generated enum by its name in lower case; `unspecified` when it is newer than this package. */
export function nameOf<E extends Record<string, number>>(values: E, value: number): NameOf<E> {
  const name = Object.keys(values).find((key) => values[key] === value) ?? "UNSPECIFIED";
  return name.toLowerCase() as NameOf<E>;
}
