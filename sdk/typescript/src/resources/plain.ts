import {
  type Duration,
  durationFromMs,
  durationMs,
  type Timestamp,
  timestampDate,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
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

/**
 * A Date as a time, to the millisecond.
 * @returns undefined when there is none
 * @throws TypeError that names the parameter
 */
export function timestampOf(date: Date | null | undefined, name: string): Timestamp | undefined {
  if (date === undefined || date === null) return undefined;
  if (date instanceof Date && !Number.isNaN(date.getTime())) return timestampFromDate(date);
  throw new TypeError(`${name} must be a valid Date.`);
}

/** A duration in seconds, to the millisecond. */
export function secondsOf(duration: Duration | undefined): number | undefined {
  return duration && durationMs(duration) / 1000;
}

/**
 * Seconds as a duration, to the millisecond.
 * @returns undefined when there are none
 * @throws TypeError that names the parameter
 */
export function durationOf(seconds: number | null | undefined, name: string): Duration | undefined {
  if (seconds === undefined || seconds === null) return undefined;
  if (Number.isFinite(seconds)) return durationFromMs(Math.round(seconds * 1000));
  throw new TypeError(`${name} must be a number of seconds.`);
}

/** The update mask of the fields, in the contract's spelling, that have a value; null is one. */
export function maskOf(fields: Record<string, unknown>): { paths: string[] } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { paths: given.map(([field]) => field) };
}

/** A text that the contract leaves empty where there is none. */
export function filled(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** The lower case names of a generated enum. */
export type NameOf<E> = Lowercase<Extract<keyof E, string>>;

/** A value of a generated enum by its name in lower case; `unspecified` when it is newer than this package. */
export function nameOf<E extends Record<string, number>>(values: E, value: number): NameOf<E> {
  const name = Object.keys(values).find((key) => values[key] === value) ?? "UNSPECIFIED";
  return name.toLowerCase() as NameOf<E>;
}
