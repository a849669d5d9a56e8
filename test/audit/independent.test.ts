import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatCheckpoint } from "../../src/audit/checkpoint.ts";
import { signNote, verifierKey } from "../../src/audit/note.ts";
import { buildGo, hasGo } from "../harness/go.ts";
import { consistencyProof, grownTree, inclusionProof, rootOf } from "./support/tree.ts";

const root = join(import.meta.dirname, "../..");
const vectors = readFileSync(join(root, "test/vectors/merkle.json"), "utf8");

test("the vectors are of all trees up to 300 leaves", () => {
  expect(JSON.parse(vectors).trees).toHaveLength(300);
});

// The vectors hold without Go: here Go says again that they are its own.
if (hasGo) {
  let folder: string;
  let program: string;
  const run = (command: string, input = "") =>
    execFileSync(program, [command], { input, encoding: "utf8", stdio: "pipe" });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pdaas-go-"));
    program = buildGo(join(import.meta.dirname, "independent"), folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("Go writes the same vectors", () => {
    expect(run("vectors")).toBe(vectors);
  });

  test("Go accepts every proof, and notes of new keys", { timeout: 180_000 }, () => {
    const claims = [...proofs(300), ...notes(50)];
    const input = claims.map((claim) => JSON.stringify(claim)).join("\n");
    const counts = { inclusion: 45_150, consistency: 45_150, note: 50 };
    expect(JSON.parse(run("check", input))).toEqual(counts);
  });

  test.each(["inclusion", "consistency"])("Go refuses an %s proof of something else", (kind) => {
    const claims = [...proofs(5)].filter((claim) => claim.kind === kind && claim.size === 5);
    const mixed = { ...claims[1], proof: claims[2]?.proof };
    expect(() => run("check", JSON.stringify(mixed))).toThrow(`${kind} 5 `);
  });
}

function* proofs(largest: number) {
  const tree = grownTree(largest);
  const text = (hash: Buffer) => hash.toString("base64");
  for (let size = 1; size <= largest; size++) {
    const common = { size, root: text(rootOf(tree, size)) };
    for (let index = 0; index < size; index++) {
      const proof = inclusionProof(tree, index, size).map(text);
      yield { kind: "inclusion", index, ...common, proof };
      const oldSize = index + 1;
      const oldRoot = text(rootOf(tree, oldSize));
      const growth = consistencyProof(tree, oldSize, size).map(text);
      yield { kind: "consistency", oldSize, oldRoot, ...common, proof: growth };
    }
  }
}

function* notes(count: number) {
  const tree = grownTree(count);
  for (let size = 1; size <= count; size++) {
    const name = `log.example.com/${size}`;
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const text = formatCheckpoint({ origin: name, size, root: rootOf(tree, size) });
    const note = signNote(text, { name, privateKey });
    yield { kind: "note", note, text, key: verifierKey(name, publicKey) };
  }
}
