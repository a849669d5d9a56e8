import { readFileSync, writeFileSync } from "node:fs";
import type { SigningKey } from "pdaas";

// How keys get from the service that has made them to the load generator: a line for each.

export function writeKeys(file: string, keys: readonly SigningKey[]): void {
  const lines = keys.map(({ accessKey, secretKey }) => `${accessKey} ${secretKey}\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
}

export function readKeys(file: string): SigningKey[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [accessKey = "", secretKey = ""] = line.split(" ");
    return { accessKey, secretKey };
  });
}
