import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { AuditFormatError, NoteSignatureError, parseVerifierKey } from "pdaas/audit";
import { describe, expect, test } from "vitest";
import { openNote, signNote, verifierKey } from "../../src/audit/note.ts";

interface NoteVector {
  seed: string;
  name: string;
  text: string;
  key: string;
  note: string;
}

const file = new URL("../vectors/merkle.json", import.meta.url);
const vectors: NoteVector[] = JSON.parse(readFileSync(file, "utf8")).notes;

/** The key that is made of 32 bytes, in PKCS #8 (RFC 8410). */
function privateKeyOf(seed: string): KeyObject {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = Buffer.concat([prefix, Buffer.from(seed, "base64")]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

test("there are vectors", () => {
  expect(vectors.length).toBeGreaterThan(5);
});

test.each(vectors)("Go signs $text the same", ({ seed, name, text, key, note }) => {
  const privateKey = privateKeyOf(seed);
  expect(signNote(text, { name, privateKey })).toBe(note);
  expect(openNote(note, [key])).toEqual({ text, signers: [name] });
  expect(verifierKey(name, parseVerifierKey(key).publicKey)).toBe(key);
});

test("the specification's example opens", () => {
  const note =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
  // Its key is not given there: that the note is well-formed is all that can be seen.
  expect(() => openNote(note, [])).toThrow(NoteSignatureError);
});

const name = "log.example.com/audit";
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const key = verifierKey(name, publicKey);
const text = "Some text.\n";
const note = signNote(text, { name, privateKey });
const other = generateKeyPairSync("ed25519");

describe("signatures", () => {
  test("of unknown keys are ignored, also of the same name", () => {
    const more = signNote(text, { name, privateKey: other.privateKey }).slice(text.length + 1);
    expect(openNote(note + more, [key])).toEqual({ text, signers: [name] });
    expect(() => openNote(`${text}\n${more}`, [key])).toThrow(NoteSignatureError);
    expect(() => openNote(note, [])).toThrow(NoteSignatureError);
  });

  test("of several known keys are all named", () => {
    const signer = { name: "witness", privateKey: other.privateKey };
    const more = signNote(text, signer).slice(text.length + 1);
    const keys = [key, verifierKey("witness", other.publicKey)];
    expect(openNote(note + more, keys).signers).toEqual([name, "witness"]);
  });

  test("of a known key must fit, whatever the others do", () => {
    const wrong = signNote("Another text.\n", { name, privateKey }).split("\n\n")[1];
    const witness = signNote(text, { name: "witness", privateKey: other.privateKey });
    const keys = [key, verifierKey("witness", other.publicKey)];
    expect(() => openNote(`${witness}${wrong}`, keys)).toThrow(NoteSignatureError);
  });
});

const lines = fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replace(/\p{Cc}/gu, "")));
const texts = lines.map((all) => `${all.join("\n")}\n`);

test("every text is opened as it was signed", () => {
  const property = fc.property(texts, (each) => {
    expect(openNote(signNote(each, { name, privateKey }), [key]).text).toBe(each);
  });
  fc.assert(property);
});

test("a note that is changed in any place is not opened", () => {
  const property = fc.property(fc.nat(note.length - 1), fc.string({ maxLength: 2 }), (at, put) => {
    const changed = note.slice(0, at) + put + note.slice(at + 1);
    fc.pre(changed !== note);
    expect(() => openNote(changed, [key])).toThrow();
  });
  fc.assert(property, { numRuns: 2_000 });
});

test("whatever is not a note is refused as such", () => {
  const property = fc.property(fc.string({ unit: "binary" }), (anything) => {
    expect(() => openNote(anything, [key])).toThrow(AuditFormatError);
  });
  fc.assert(property);
});

describe("strictly one form:", () => {
  const [, line = ""] = note.split("\n\n");
  test.each([
    ["no signature", `${text}\n`],
    ["no empty line", `${text}${line}`],
    ["the last line cut off", note.slice(0, -1)],
    ["carriage returns", note.replaceAll("\n", "\r\n")],
    ["a tab", `\t${note}`],
    ["half a character", `\ud800${note}`],
    ["another dash", note.replace("—", "-")],
    ["two spaces", note.replace(` ${name} `, ` ${name}  `)],
    ["base64 without its padding", note.replace("=\n", "\n")],
    ["a name with a plus", note.replace(name, "a+b")],
    ["101 signatures", `${text}\n${line.repeat(101)}`],
  ])("%s", (_, malformed) => {
    expect(malformed).not.toBe(note);
    expect(() => openNote(malformed, [key])).toThrow(AuditFormatError);
  });

  test("16 signatures are not too many", () => {
    expect(openNote(`${text}\n${line.repeat(16)}`, [key]).signers).toEqual([name]);
  });

  test.each([
    ["nothing", ""],
    ["another id", key.replace(/\+[0-9a-f]{8}\+/, "+00000000+")],
    ["another name", `x${key}`],
    ["another algorithm", key.replace("+A", "+B")],
    ["a byte more", key.replace(/.$/, "AAAA")],
    ["no key", key.slice(0, key.lastIndexOf("+") + 1)],
  ])("a key of %s", (_, malformed) => {
    expect(malformed).not.toBe(key);
    expect(() => openNote(note, [malformed])).toThrow(AuditFormatError);
  });

  test.each(["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\nb", "\udc00"])("the name %j", (bad) => {
    expect(() => signNote(text, { name: bad, privateKey })).toThrow(AuditFormatError);
    expect(() => verifierKey(bad, publicKey)).toThrow(AuditFormatError);
  });

  test.each(["", "no end", "a\tb\n", "\udc00\n"])("the text %j", (bad) => {
    expect(() => signNote(bad, { name, privateKey })).toThrow(AuditFormatError);
  });
});
