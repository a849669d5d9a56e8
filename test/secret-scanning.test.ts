import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isSecretKey as isSecretKeyOfSdk } from "pdaas";
import { describe, expect, test } from "vitest";
import { isSecretKey, newAccessKey, newSecretKey, randomBase62 } from "../src/ids.ts";

const folder = join(import.meta.dirname, "../docs/secret-scanning");
const gitleaks = readFileSync(join(folder, "gitleaks.toml"), "utf8");
const github = readFileSync(join(folder, "github.md"), "utf8");

/** What each scanner finds by. Every match has the secret in its first group. */
const scanners = {
  gitleaks: new RegExp(matched(gitleaks, /^regex = '''(.+)'''$/m), "g"),
  "GitHub's custom pattern": customPattern(),
};

function matched(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`there is no ${pattern}`);
  return found;
}

/** GitHub looks for the secret between the other two, without making them part of it. */
function customPattern(): RegExp {
  const field = (name: string) => matched(github, new RegExp(`^${name} +(\\S.*)$`, "m"));
  const before = field("Before secret").replace("\\A", "^");
  const after = field("After secret").replace("\\z", "$");
  return new RegExp(`(?<=${before})(${field("Secret format")})(?=${after})`, "g");
}

const found = (scanner: RegExp, text: string) => [...text.matchAll(scanner)].map(([, key]) => key);

/** Where people leave secrets. */
const places: Record<string, (key: string) => string> = {
  alone: (key) => key,
  code: (key) => `const client = new Client({ accessKey, secretKey: "${key}" });`,
  "a template": (key) => `\`Bearer \${id}:${key}\``,
  "a comment": (key) => `// was ${key}.`,
  JSON: (key) => JSON.stringify({ env: [{ secretKey: key }] }),
  "JSON with lines in it": (key) => JSON.stringify({ file: `A=1\n${key}\r\n${key}\tB=2` }),
  "an env file": (key) => `A=1\nPDAAS_SECRET_KEY=${key}\nB=2\n`,
  "an env file without an end": (key) => `export PDAAS_SECRET_KEY=${key}`,
  "an env file of Windows": (key) => `PDAAS_SECRET_KEY=${key}\r\n`,
  YAML: (key) => `secrets:\n  - ${key}\n  - '${key}'`,
  "a header": (key) => `x-secret: ${key}\r\n`,
  "a URL": (key) => `https://bot:${key}@example.com/?key=${key}&next=1#${key}`,
  "an escaped URL": (key) => `https://example.com/?q=${encodeURIComponent(`a=${key} b`)}`,
  "a name": (key) => `backup_${key}_old.txt`,
  "a table": (key) => `|${key}|${key}|`,
  "a list": (key) => `${key} ${key}\n${key},${key}`,
  "text of elsewhere": (key) => `clé：${key}。`,
};

describe.each(Object.entries(scanners))("%s", (_, scanner) => {
  test("finds every secret wherever it is, and nothing but the secret", () => {
    const all = Object.entries(places);
    for (let i = 0; i < 1_000; i++) {
      const key = newSecretKey();
      for (const [place, embed] of all) {
        const text = embed(key);
        const times = text.split(key).length - 1;
        expect(found(scanner, text), place).toEqual(Array(times).fill(key));
      }
    }
  });

  const r = randomBase62;
  const nearMisses: Record<string, () => string> = {
    "a secret without its last character": () => newSecretKey().slice(0, -1),
    "a secret and one character more": () => `${newSecretKey()}${r(1)}`,
    "Stripe's live key": () => `sk_live_${r(24)}`,
    "Stripe's long live key": () => `sk_live_51${r(97)}`,
    "Stripe's test key": () => `sk_test_${r(49)}`,
    "a task": () => `task_${r(49)}`,
    "a disk": () => `disk_${r(49)}`,
    "a risk in a path": () => `C:\\risk_${r(49)}`,
    "a prefix in capitals": () => `SK_${r(49)}`,
    "an access key": () => newAccessKey("myorg", "acc-123"),
    "OpenAI's key": () => `sk-${r(48)}`,
    "OpenAI's key of that length": () => `sk-${r(49)}`,
    "OpenAI's project key": () => `sk-proj-${r(49)}`,
  };
  for (const foreign of ["-", "_", "+", "/", "=", ".", " ", "é", "\n"]) {
    const name = `a secret with ${JSON.stringify(foreign)} in it`;
    nearMisses[name] = () => {
      const key = newSecretKey();
      const at = 3 + Math.floor(Math.random() * 49);
      return key.slice(0, at) + foreign + key.slice(at + 1);
    };
  }

  test.each(Object.entries(nearMisses))("does not find %s", (_, make) => {
    for (let i = 0; i < 100; i++) {
      const text = make();
      for (const embed of Object.values(places)) {
        expect(found(scanner, embed(text)), text).toEqual([]);
      }
    }
  });

  test("finds the example in the documentation", () => {
    const example = matched(github, /^Test string +(\S+)$/m);
    expect(found(scanner, example)).toEqual([example]);
    expect(isSecretKey(example)).toBe(true);
  });
});

test("the rule of gitleaks takes the secret by its group, and is tried where its keyword is", () => {
  expect(gitleaks.match(/^\[\[rules\]\]$/gm)).toHaveLength(1);
  expect(matched(gitleaks, /^secretGroup = (\d+)$/m)).toBe("1");
  expect(JSON.parse(matched(gitleaks, /^keywords = (.+)$/m))).toEqual(["sk_"]);
});

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

describe("the checksum", () => {
  const implementations = { service: isSecretKey, SDK: isSecretKeyOfSdk };

  test.each(Object.entries(implementations))("of the %s tells every changed character", (_, is) => {
    for (let i = 0; i < 5; i++) {
      const key = newSecretKey();
      expect(is(key)).toBe(true);
      for (let at = 0; at < key.length; at++) {
        for (const other of `${base62}_-`) {
          const changed = key.slice(0, at) + other + key.slice(at + 1);
          if (changed !== key) expect(is(changed), `${key} ${changed}`).toBe(false);
        }
      }
    }
  });

  test("is as the documentation describes it", () => {
    const program = matched(github, /```python\n(.+?)```/s);
    const keys = Array.from({ length: 50 }, newSecretKey);
    const texts = [...keys, ...keys.map((key) => key.replace(/.$/, key.endsWith("0") ? "1" : "0"))];
    const check = "import sys\nprint(*[int(is_secret_key(t)) for t in sys.stdin.read().split()])";
    const output = execFileSync("python3", ["-c", `${program}\n${check}`], {
      input: texts.join("\n"),
      encoding: "utf8",
    });
    expect(output.trim().split(" ")).toEqual([...Array(50).fill("1"), ...Array(50).fill("0")]);
  });
});
