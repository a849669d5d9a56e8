import fc from "fast-check";
import {
  type BareItem as LibraryBareItem,
  type InnerList as LibraryInnerList,
  type Item as LibraryItem,
  parseDictionary as libraryParse,
  serializeDictionary,
  serializeInnerList,
  serializeItem,
} from "structured-headers";
import { expect, test } from "vitest";
import {
  type BareItem,
  FieldSyntaxError,
  type Member,
  type Parameters,
  parseDictionary,
} from "../../src/auth/structured-fields.ts";

type LibraryMember = LibraryItem | LibraryInnerList;

function parse(text: string): Map<string, Member> | undefined {
  try {
    return parseDictionary(text);
  } catch (error) {
    if (error instanceof FieldSyntaxError) return undefined;
    throw error;
  }
}

/** What the library read, as our parser tells it. */
function ours(value: LibraryBareItem, mine: BareItem | undefined): BareItem {
  // A decimal without a fraction reads as a number like an integer: only its text tells.
  if (typeof value === "number" && mine?.kind !== "other") return { kind: "integer", value };
  if (typeof value === "string") return { kind: "string", value };
  if (value instanceof ArrayBuffer) return { kind: "bytes", value: Buffer.from(value) };
  return { kind: "other" };
}

function expectParameters(mine: Parameters, theirs: ReadonlyMap<string, LibraryBareItem>): void {
  expect([...mine.keys()]).toEqual([...theirs.keys()]);
  for (const [name, value] of theirs) expect(mine.get(name)).toEqual(ours(value, mine.get(name)));
}

function expectSame(mine: Member, theirs: LibraryMember): void {
  expectParameters(mine.parameters, theirs[1]);
  if (mine.list === undefined) {
    expect(mine.item).toEqual(ours(theirs[0] as LibraryBareItem, mine.item));
  } else {
    const items = theirs[0] as LibraryItem[];
    expect(mine.list).toHaveLength(items.length);
    for (const [i, { item, parameters }] of mine.list.entries()) {
      const [value, theirParameters] = items[i] as LibraryItem;
      expect(item).toEqual(ours(value, item));
      expectParameters(parameters, theirParameters);
    }
  }
  if (mine.canonical) expect(mine.text).toBe(serialized(theirs));
}

function serialized(member: LibraryMember): string {
  return Array.isArray(member[0])
    ? serializeInnerList(member as LibraryInnerList)
    : serializeItem(member as LibraryItem);
}

/** Compares one text's readings. @returns whether ours accepted it */
function agrees(text: string): boolean {
  const mine = parse(text);
  if (mine === undefined) return false;
  const theirs = libraryParse(text);
  expect([...mine.keys()]).toEqual([...theirs.keys()]);
  for (const [key, member] of theirs) expectSame(mine.get(key) as Member, member);
  return true;
}

const key = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/);
const string = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map(charOf), maxLength: 20 });
const integer = fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 });
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => value.slice().buffer as ArrayBuffer);
const bare = fc.oneof(string, integer, bytes);
const parameters = fc.uniqueArray(fc.tuple(key, bare), {
  maxLength: 7,
  selector: ([name]) => name,
});
const item = fc.tuple(bare, parameters).map(([value, list]): LibraryItem => [value, new Map(list)]);
const innerList = fc
  .tuple(fc.array(item, { maxLength: 6 }), parameters)
  .map(([items, list]): LibraryInnerList => [items, new Map(list)]);
const dictionary = fc
  .uniqueArray(fc.tuple(key, fc.oneof(item, innerList)), {
    maxLength: 4,
    selector: ([name]) => name,
  })
  .map((members) => new Map<string, LibraryMember>(members));

function charOf(code: number): string {
  return String.fromCharCode(code);
}

test("what the library serialises is accepted, reads the same and is canonical", () => {
  fc.assert(
    fc.property(dictionary, (members) => {
      const text = serializeDictionary(members);
      expect(agrees(text), text).toBe(true);
      expect([...parseDictionary(text).values()].every(({ canonical }) => canonical)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

const piece = fc.constantFrom(
  ...["a", "sig", "*", "=", "=", ";", ";a=", ";b", ", ", ",", " ", "  ", "\t", "(", ")", '"', "\\"],
  ...['"@path"', '""', '"\\""', ":", ":AA==:", ":AAAA:", ":AB==:", "?1", "?0", "0", "-", "007"],
  ...["1.5", "1.0", "-0", "999999999999999", "1e5", "tok/en", "A", "@1", '%"a"', "é", "\0", "é"],
);
const pieces = fc.array(piece, { maxLength: 12 }).map((list) => list.join(""));
const broken = fc
  .tuple(dictionary, fc.nat(), fc.nat({ max: 2 }), piece)
  .map(([members, at, removed, inserted]) => {
    const text = serializeDictionary(members);
    const from = text.length === 0 ? 0 : at % text.length;
    return text.slice(0, from) + inserted + text.slice(from + removed);
  });

test.each([
  ["pieces of the grammar", fc.tuple(pieces).map(([text]) => `a=${text}`)],
  ["dictionaries with a piece changed", broken],
])("%s: whatever is accepted reads the same to the library", (_, texts) => {
  let accepted = 0;
  fc.assert(
    fc.property(texts, (text) => {
      if (agrees(text)) accepted++;
    }),
    { numRuns: 5_000 },
  );
  expect(accepted).toBeGreaterThan(200);
});

test("junk throws nothing but FieldSyntaxError", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string(), pieces), (text) => {
      parse(text);
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  ["a key twice", "a=1, a=2"],
  ["a parameter twice", "a=1;b=1;b=2"],
  ["a trailing comma", "a=1,"],
  ["an upper-case key", "A=1"],
  ["a key without a value", "a"],
  ["a date", "a=@1"],
  ["a display string", 'a=%"b"'],
  ["base64 without padding", "a=:AA:"],
  ["base64 with stray bits", "a=:AB==:"],
  ["base64url", "a=:_-8=:"],
  ["an open string", 'a="b'],
  ["a bad escape", 'a="\\b"'],
  ["an open list", 'a=("b"'],
  ["a list in a list", "a=((1))"],
  ["an integer of 16 digits", "a=1000000000000000"],
  ["a tab in a list", 'a=("b"\t"c")'],
])("%s: refused", (_, text) => {
  expect(() => parseDictionary(text)).toThrow(FieldSyntaxError);
});

test.each([
  ["two spaces in a list", 'a=("b"  "c")'],
  ["a space at a list's start", 'a=( "b")'],
  ["a space at a list's end", 'a=("b" )'],
  ["a space before a parameter", "a=1; b=2"],
  ["an integer with a leading zero", "a=01"],
  ["minus zero", "a=-0"],
  ["a parameter that is true by name", "a=1;b=?1"],
])("%s: accepted, and told not to be canonical", (_, text) => {
  expect(parseDictionary(text).get("a")?.canonical).toBe(false);
});

test("one member's form says nothing of another's", () => {
  const members = parseDictionary('a=( "x"), b=("x"), c=01');
  expect([...members.values()].map(({ canonical }) => canonical)).toEqual([false, true, false]);
  expect(members.get("b")?.text).toBe('("x")');
});

const repeated = (unit: (i: number) => string, size: number) => {
  let text = "";
  for (let i = 0; text.length < size; i++) text += unit(i);
  return text.slice(0, size);
};

test.each<[string, (size: number) => string]>([
  ["spaces", (size) => repeated(() => " ", size)],
  ["members", (size) => repeated((i) => `k${i}=1,`, size)],
  ["members set far apart", (size) => repeated((i) => `k${i}=1 \t \t \t,`, size)],
  ["parameters", (size) => `a=1${repeated((i) => `;k${i}`, size)}`],
  ["components", (size) => `a=(${repeated(() => '"b" ', size)}`],
  ["open lists", (size) => `a=${repeated(() => "(", size)}`],
  ["escapes", (size) => `a="${repeated(() => '\\"', size)}`],
  ["byte sequences", (size) => repeated((i) => `k${i}=:AAAA:,`, size)],
  ["one long byte sequence", (size) => `a=:${repeated(() => "A", size)}`],
  ["digits", (size) => `a=${repeated(() => "9", size)}`],
  ["one long token", (size) => `a=${repeated(() => "t", size)}`],
])("%s: the time grows with the length, not with its square", (_, textOf) => {
  // 128 headers' worth: what takes the square of this takes minutes, and what does not, milliseconds.
  const text = textOf(128 * 2_048);
  const began = performance.now();
  parse(text);
  expect(performance.now() - began).toBeLessThan(1_000);
});
