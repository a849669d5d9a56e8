import fc from "fast-check";
import { type AuditExportEvent, type AuditFindingKind, verifyAuditExport } from "pdaas/audit";
import { describe, expect, test } from "vitest";
import {
  droppedTo,
  type ExportedLine,
  FakeLog,
  linesOf,
  newEntry,
  organizationId,
} from "./support/export.ts";

const log = new FakeLog(20);
const text = (value: object) => JSON.stringify(value);
const saved = (...values: object[]) =>
  values.map((value, at) => ({ name: `saved-${at + 1}`, text: text(value) }));

interface Given {
  checkpoints?: { name: string; text: string }[];
  verifierKeys?: string[];
  from?: number;
}

async function verify(lines: readonly ExportedLine[], given: Given = {}) {
  return verifyAuditExport({ lines: linesOf(lines), verifierKeys: [log.key], ...given });
}

/** Verifies these events as if the database had them. */
const verifyEvents = (events: AuditExportEvent[], given?: Given) =>
  verify([...events, log.end()], given);

async function found(verification: ReturnType<typeof verify>) {
  const { isComplete, findings } = await verification;
  expect(isComplete).toBe(findings.length === 0);
  return findings.map(({ kind, sequence }) => (sequence ? `${kind} ${sequence}` : kind));
}

describe("an export that is complete and unchanged", () => {
  test("is found to be", async () => {
    const checkpoints = saved(log.end(1), log.end(7), log.end(8), log.end());
    expect(await verifyEvents(log.events(), { checkpoints })).toEqual({
      isComplete: true,
      findings: [],
      organizationId,
      from: 1,
      to: 20,
      erased: 0,
      droppedTo: 0,
    });
  });

  test("may begin later", async () => {
    for (let first = 2; first <= 20; first++) {
      const lines = [log.start(first), ...log.events(first), log.end()];
      const checkpoints = saved(log.end(first - 1), log.end());
      const verification = await verify(lines, { checkpoints, from: first });
      expect(verification).toMatchObject({ isComplete: true, from: first, to: 20 });
      expect(await found(verify(lines, { checkpoints, from: first - 1 }))).toEqual([
        `gap ${first - 1}`,
      ]);
    }
  });

  test("may be without personal data that was erased", async () => {
    const events = log.events();
    for (const event of events.slice(3, 6)) event.personal = {};
    expect(await verifyEvents(events)).toMatchObject({ isComplete: true, erased: 3 });
  });

  test("may begin with events that retention has dropped, as the log says", async () => {
    const kept = new FakeLog(20, undefined, { 12: droppedTo(7), 15: droppedTo(9) });
    for (const last of [1, 9]) {
      const lines = [...kept.dropped(1, last), ...kept.events(last + 1), kept.end()];
      const checkpoints = saved(kept.end(3), kept.end());
      const verification = await verify(lines, { checkpoints, verifierKeys: [kept.key] });
      expect(verification).toMatchObject({ isComplete: true, from: 1, to: 20, droppedTo: last });
    }
    const lines = [kept.start(4), ...kept.dropped(4, 8), ...kept.events(9), kept.end()];
    const verification = await verify(lines, { verifierKeys: [kept.key], from: 4 });
    expect(verification).toMatchObject({ isComplete: true, from: 4, droppedTo: 8 });
  });

  test("may be signed by others too, and the log by an older key", async () => {
    const others = new FakeLog(1);
    const verifierKeys = [others.key, log.key];
    expect(await found(verifyEvents(log.events(), { verifierKeys }))).toEqual([]);
  });
});

describe("what was done to the rows is named:", () => {
  test("a gap", async () => {
    const events = log.events().toSpliced(4, 3);
    const { findings } = await verifyEvents(events);
    expect(findings[0]).toEqual({
      kind: "gap",
      message: "Events 5 to 7 are missing.",
      sequence: 5,
    });
    expect(await found(verifyEvents(events))).toEqual(["gap 5", "unproved"]);
  });

  test.each([
    ["at the beginning", 0, "gap 1"],
    ["at the end", 19, "gap 20"],
  ])("a gap %s", async (_, at, expected) => {
    const events = log.events().toSpliced(at, 1);
    expect(await found(verifyEvents(events))).toEqual([expected, "unproved"]);
  });

  test("changed bytes", async () => {
    const events = log.events();
    put(events, 5, newEntry(5).bytes);
    put(events, 9, newEntry(9).bytes);
    expect(await found(verifyEvents(events.map(unrevealed)))).toEqual(["changed 5", "changed 9"]);
  });

  test("changed personal data", async () => {
    const events = log.events();
    const address = events[4]?.personal.address;
    Object.assign(address ?? {}, { value: "203.0.113.1" });
    Object.assign(events[8] as object, { personal: { ...events[8]?.personal, name: address } });
    expect(await found(verifyEvents(events))).toEqual(["changed 5", "changed 9"]);
  });

  test("personal data whose salt takes a byte of the value", async () => {
    const events = log.events();
    const { address } = events[4]?.personal ?? {};
    const bytes = Buffer.concat([
      Buffer.from(address?.salt ?? "", "base64"),
      Buffer.from(address?.value ?? ""),
    ]);
    const [salt, value] = [bytes.subarray(0, 17), bytes.subarray(17)];
    Object.assign(address ?? {}, { salt: salt.toString("base64"), value: value.toString() });
    expect(await found(verifyEvents(events))).toEqual(["changed 5"]);
  });

  test("swapped rows", async () => {
    const events = log.events();
    swap(events, 5, 12);
    const { findings } = await verifyEvents(events);
    expect(findings.map(({ message }) => message)).toEqual(["Events 5 and 12 are swapped."]);
  });

  test("swapped lines", async () => {
    const events = log.events();
    const [one, other] = [events[4], events[5]];
    events.splice(4, 2, other as AuditExportEvent, one as AuditExportEvent);
    expect(await found(verifyEvents(events))).toEqual(["swapped 5"]);
  });

  test.each([1, 3])("%d deleted rows, and what was behind renumbered", async (count) => {
    const events = log.events();
    shift(events, 5, count);
    const verification = verifyEvents(events.slice(0, -count));
    const gap = `gap ${21 - count}`;
    expect(await found(verification)).toEqual([gap, "deleted 5", "unproved"]);
  });

  test.each([1, 3])("%d inserted rows, and what was behind renumbered", async (count) => {
    const events = log.events();
    shift(events, 5, -count);
    for (let at = 0; at < count; at++) put(events, 5 + at, newEntry(100 + at).bytes);
    const verification = verifyEvents(events.map(unrevealed));
    expect(await found(verification)).toEqual(["inserted 5"]);
  });

  test("an inserted row with a number that there is", async () => {
    const events = log.events();
    const copy = { ...(events[4] as AuditExportEvent) };
    expect(await found(verifyEvents(events.toSpliced(5, 0, copy)))).toEqual(["inserted 5"]);
  });

  test("a row behind the end", async () => {
    const events = [...log.events(), { ...(log.events()[0] as AuditExportEvent), sequence: "21" }];
    expect(await found(verifyEvents(events))).toEqual(["inserted 21"]);
  });

  test("a row that was copied over another one", async () => {
    const events = log.events();
    put(events, 5, Buffer.from(events[8]?.entry ?? "", "base64"));
    const { findings } = await verifyEvents(events.map(unrevealed));
    expect(findings.map(({ message }) => message)).toEqual([
      "At the number 5 are the bytes of event 9.",
    ]);
  });

  test("bytes with their hash, which the log has not signed, and saved checkpoints tell since when", async () => {
    const events = log.events();
    const other = new FakeLog(20).events();
    events[4] = { ...(other[4] as AuditExportEvent) };
    expect(await found(verifyEvents(events))).toEqual(["rewritten"]);
    const checkpoints = saved(log.end(4), log.end(5), log.end(20));
    const { findings } = await verifyEvents(events, { checkpoints });
    expect(findings.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
      "rewritten: Events 1 to 20 are not what the log has signed.",
      "rewritten: The first 5 events are not those of saved-2.",
    ]);
  });
});

describe("histories:", () => {
  const other = forgedBy(log);

  test("one that the log has signed beside that of a saved checkpoint", async () => {
    const checkpoints = saved(log.end(3), other.end(10));
    const { findings, isComplete } = await verifyEvents(log.events(), { checkpoints });
    expect(isComplete).toBe(false);
    expect(findings).toMatchObject([
      { kind: "forked", message: expect.stringMatching(/^saved-2 /) },
    ]);
  });

  test("one that was rolled back", async () => {
    const lines = [...log.events(1, 12), log.end(12)];
    const checkpoints = saved(log.end(12), log.end(13));
    const { findings } = await verify(lines, { checkpoints });
    expect(findings).toMatchObject([
      { kind: "rolled-back", message: expect.stringMatching(/^saved-2 /) },
    ]);
  });

  test("one that was signed for the same number of events", async () => {
    const lines = [...log.events(), log.end(20, { instanceSize: 60 })];
    expect(await found(verify(lines, { checkpoints: saved(other.end(20)) }))).toEqual(["forked"]);
    expect(await found(verify(lines, { checkpoints: saved(log.end(20)) }))).toEqual([]);
  });

  test("two of one size in the tree of all organizations", async () => {
    // The organization's own events fit.
    const checkpoints = saved(log.end(10, { instanceSize: 40 }));
    expect(await found(verifyEvents(log.events(), { checkpoints }))).toEqual(["forked"]);
  });

  test("one that cannot be held to a checkpoint, since it begins later", async () => {
    const lines = [log.start(9), ...log.events(9), log.end()];
    const checkpoints = saved(log.end(5));
    expect(await found(verify(lines, { checkpoints, from: 9 }))).toEqual(["unproved"]);
  });

  test("one before the first event that was made up", async () => {
    const lines = [other.start(9), ...log.events(9), log.end()];
    expect(await found(verify(lines, { from: 9 }))).toEqual(["rewritten"]);
  });

  test("one that begins behind its end", async () => {
    const lines = [log.start(9), log.end(5)];
    expect(await found(verify(lines, { from: 9 }))).toEqual(["unproved"]);
  });
});

describe("checkpoints of all organizations, as they are published,", () => {
  const published = (note: string) => ({ checkpoints: [{ name: "published", text: note }] });
  const at = (size: number) => log.end(size).checkpoint;

  test("fit when the export proves that their tree has only grown", async () => {
    const lines = [...log.events(), log.end(20, { provenFrom: [3, 12] })];
    for (const size of [3, 12, 20]) {
      expect(await found(verify(lines, published(at(size))))).toEqual([]);
    }
    expect(await found(verify(lines, published(at(4))))).toEqual(["unproved"]);
  });

  test("of another history do not fit", async () => {
    const other = forgedBy(log);
    const lines = [...log.events(), log.end(20, { provenFrom: [12] })];
    for (const size of [12, 20]) {
      const { findings } = await verify(lines, published(other.end(size).checkpoint));
      const message = expect.stringContaining(size === 20 ? "has signed both" : "proof for 24");
      expect(findings).toMatchObject([{ kind: "forked", message }]);
    }
  });

  test("of a longer log do not fit", async () => {
    const lines = [...log.events(1, 12), log.end(12)];
    expect(await found(verify(lines, published(at(13))))).toEqual(["rolled-back"]);
  });

  test("of another log do not fit", async () => {
    const other = new FakeLog(20, "other.example.com");
    const given = { ...published(other.end(20).checkpoint), verifierKeys: [log.key, other.key] };
    const { findings } = await verifyEvents(log.events(), given);
    expect(findings).toMatchObject([{ message: expect.stringContaining("of another log") }]);
  });
});

describe("signatures:", () => {
  test("another key", async () => {
    const { key } = new FakeLog(1);
    const given = { verifierKeys: [key], checkpoints: saved(log.end(3)) };
    const verification = verifyEvents(log.events(), given);
    expect(await found(verification)).toEqual(["signature", "signature"]);
  });

  test("no key", async () => {
    expect(await found(verifyEvents(log.events(), { verifierKeys: [] }))).toEqual(["signature"]);
  });

  test("a key of another log", async () => {
    const { key } = new FakeLog(1, "other.example.com");
    expect(await found(verifyEvents(log.events(), { verifierKeys: [key] }))).toEqual(["signature"]);
  });

  test("a key that is another log's, under what is said to be of this one", async () => {
    const other = new FakeLog(20, "other.example.com");
    const lines = [...other.events(), other.end(20, { origin: "log.example.com/audit" })];
    const verifierKeys = [log.key, other.key];
    expect(await found(verify(lines, { verifierKeys }))).toEqual(["signature"]);
  });

  test("what is no key", async () => {
    expect(await found(verifyEvents(log.events(), { verifierKeys: ["x"] }))).toEqual(["malformed"]);
  });

  test("a root that is not in what was signed", async () => {
    const end = { ...log.end(), checkpoint: log.end(19).checkpoint };
    expect(await found(verify([...log.events(), end]))).toEqual(["unproved"]);
  });

  test("another organization's checkpoint", async () => {
    const checkpoints = saved(log.end(5, { id: "org_2" }));
    expect(await found(verifyEvents(log.events(), { checkpoints }))).toEqual(["unproved"]);
  });
});

describe("files:", () => {
  test("one that is cut off", async () => {
    expect(await found(verify(log.events()))).toEqual(["malformed"]);
    expect(await found(verify([]))).toEqual(["malformed"]);
  });

  test("one with something behind its end", async () => {
    const lines = [...log.events(), log.end(), log.end()];
    expect(await found(verify(lines))).toEqual(["malformed"]);
  });

  test("one with a start that is not at its start", async () => {
    const lines = [...log.events(1, 1), log.start(2), ...log.events(2), log.end()];
    expect(await found(verify(lines))).toEqual(["malformed"]);
  });

  test("what is no checkpoint", async () => {
    for (const no of ["", "{}", "no note", text(log.events()[0] as object)]) {
      const checkpoints = [{ name: "no", text: no }];
      expect(await found(verifyEvents(log.events(), { checkpoints }))).toEqual(["malformed"]);
    }
  });

  test.each([
    ["an unknown member", { x: "" }],
    ["a number that is none", { sequence: 5 }],
    ["a number with a zero before it", { sequence: "05" }],
    ["base64 that is not canonical", { entry: "AB==" }],
    ["a short hash", { leafHash: "AA==" }],
    ["personal data that is a list", { personal: [] }],
  ])("a line with %s", async (_, change) => {
    const events = log.events();
    Object.assign(events[4] as object, change);
    const kinds = await found(verifyEvents(events));
    expect(kinds.slice(0, 2)).toEqual(["malformed", "gap 5"]);
  });

  test.each([{ id: "org_2" }, { size: "19" }, { root: log.end(19).organization.root }])(
    "an end that says something else than what was signed: %j",
    async (change) => {
      const end = log.end();
      Object.assign(end.organization, change);
      const { findings } = await verify([...log.events(), end]);
      expect(findings[0]).toMatchObject({
        kind: "malformed",
        message: expect.stringMatching(/^Line 21: /),
      });
    },
  );

  test("a broken one gives no flood of findings", async () => {
    const lines = Array.from({ length: 1_000 }, () => "{}");
    const { findings } = await verifyAuditExport({ lines, verifierKeys: [log.key] });
    expect(findings.length).toBeLessThan(200);
  });
});

test("whatever is changed in an export, it is found", async () => {
  const lines = linesOf([log.start(4), ...log.events(4), log.end()]);
  const given = { verifierKeys: [log.key], checkpoints: saved(log.end(10)), from: 4 };
  const change = fc.record({ line: fc.nat(lines.length - 1), at: fc.nat(), put: fc.string() });
  const property = fc.asyncProperty(change, async ({ line, at, put: inserted }) => {
    const before = lines[line] as string;
    const place = at % before.length;
    const after = before.slice(0, place) + inserted + before.slice(place + 1);
    fc.pre(canonical(after) !== before);
    const changed = lines.with(line, after);
    const { isComplete } = await verifyAuditExport({ lines: changed, ...given });
    expect(isComplete, after).toBe(false);
  });
  await fc.assert(property, { numRuns: 1_000 });
});

test("whatever is done to the rows, it is found, and without a saved checkpoint too", async () => {
  const numbers = fc.integer({ min: 1, max: 20 });
  const operation = fc.oneof(
    fc.tuple(fc.constant("swap" as const), numbers, numbers),
    fc.tuple(fc.constantFrom("delete" as const, "insert" as const), numbers, numbers),
  );
  const kinds: AuditFindingKind[] = ["gap", "changed", "deleted", "swapped", "inserted"];
  const property = fc.asyncProperty(operation, async ([what, a, b]) => {
    fc.pre(a !== b);
    const events = log.events().map(unrevealed);
    if (what === "swap") swap(events, a, b);
    if (what === "delete") shift(events, a, 1);
    if (what === "insert") {
      shift(events, a, -1);
      put(events, a, newEntry(100).bytes);
    }
    const rows = what === "delete" ? events.slice(0, -1) : events;
    const { findings } = await verifyEvents(rows);
    expect(findings.filter(({ kind }) => kinds.includes(kind))).not.toEqual([]);
  });
  await fc.assert(property);
});

/** A log that has the same key, and has signed other events. */
function forgedBy(honest: FakeLog): FakeLog {
  const forged = new FakeLog(honest.size);
  return Object.assign(forged, {
    end: (size: number) => honest.end(size, { root: rootAt(forged, size) }),
  });
}

function rootAt(forged: FakeLog, size: number): Buffer {
  return Buffer.from(FakeLog.prototype.end.call(forged, size).organization.root, "base64");
}

/** Puts other bytes at a number; the tree keeps its hash. */
function put(events: AuditExportEvent[], sequence: number, bytes: Buffer): void {
  Object.assign(events[sequence - 1] as object, { entry: bytes.toString("base64") });
}

function swap(events: AuditExportEvent[], a: number, b: number): void {
  const [one, other] = [events[a - 1], events[b - 1]].map((event) => ({ ...event }));
  Object.assign(events[a - 1] as object, { entry: other?.entry, personal: other?.personal });
  Object.assign(events[b - 1] as object, { entry: one?.entry, personal: one?.personal });
}

/** Moves the rows from a number on to lower ones, or to higher ones. */
function shift(events: AuditExportEvent[], from: number, by: number): void {
  const rows = structuredClone(events);
  for (const event of events.slice(from - 1)) {
    const row = rows[Number(event.sequence) - 1 + by];
    if (row !== undefined) Object.assign(event, { entry: row.entry, personal: row.personal });
  }
}

/** Without personal data, which would tell by itself that it does not belong to the entry. */
function unrevealed(event: AuditExportEvent): AuditExportEvent {
  return { ...event, personal: {} };
}

/** The same text without what JSON has no meaning for; what is no JSON as it is. */
function canonical(line: string): string {
  try {
    return JSON.stringify(JSON.parse(line));
  } catch {
    return line;
  }
}

describe("events that are left out as dropped", () => {
  const kept = new FakeLog(20, undefined, { 12: droppedTo(7) });
  const found = async (lines: ExportedLine[]) =>
    (await verify([...lines, kept.end()], { verifierKeys: [kept.key] })).findings;

  test("must be so by the log's own word", async () => {
    const lines = [...kept.dropped(1, 8), ...kept.events(9)];
    expect(await found(lines)).toMatchObject([{ kind: "unproved", sequence: 8 }]);
    const later = [kept.start(13), ...kept.dropped(13, 14), ...kept.events(15)];
    expect((await found(later)).at(-1)).toMatchObject({ kind: "unproved", sequence: 13 });
  });

  test("must be the first ones, and all of them", async () => {
    const between = [...kept.events(1, 3), ...kept.dropped(4, 5), ...kept.events(6)];
    expect((await found(between)).map(({ kind }) => kind)).toContain("malformed");
    const gap = [...kept.dropped(1, 3), ...kept.dropped(5, 7), ...kept.events(8)];
    expect(await found(gap)).toMatchObject([{ kind: "gap", sequence: 4 }, { kind: "unproved" }]);
  });

  test("must have the hashes that the log has signed", async () => {
    const [first, ...others] = kept.dropped(1, 7);
    const wrong = { ...first, leafHash: others[0]?.leafHash } as ExportedLine;
    const lines = [wrong, ...others, ...kept.events(8)];
    expect((await found(lines)).map(({ kind }) => kind)).toEqual(["rewritten"]);
  });

  test("have nothing else", async () => {
    const [first, ...others] = kept.dropped(1, 7);
    for (const more of [{ dropped: false }, { entry: "" }]) {
      const lines = [{ ...first, ...more } as ExportedLine, ...others, ...kept.events(8)];
      expect((await found(lines)).map(({ kind }) => kind)).toContain("malformed");
    }
  });
});
