import { readFileSync } from "node:fs";
import { isBuiltin, stripTypeScriptTypes } from "node:module";
import { createContext, runInContext } from "node:vm";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { Client } from "../src/browser.ts";
import { startServer } from "./support/server.ts";

const source = (entry: string) => new URL(`../src/${entry}`, import.meta.url);

/** The files that an entry reaches by relative imports, and the other modules that these import. */
function graphOf(entry: URL): { files: Set<string>; modules: Set<string> } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (file: URL) => {
    if (files.has(file.href)) return;
    files.add(file.href);
    const code = stripTypeScriptTypes(readFileSync(file, "utf8"));
    for (const [, name = ""] of code.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)) {
      if (name.startsWith(".")) visit(new URL(name, file));
      else modules.add(name);
    }
  };
  visit(entry);
  return { files, modules };
}

/** An entry bundled for browsers, as a script that sets the global `pdaas`. */
async function bundle(input: string) {
  const external: string[] = [];
  const build = await rolldown({
    input,
    platform: "browser",
    logLevel: "silent",
    external: (name) => isBuiltin(name) && external.push(name) > 0,
  });
  const { output } = await build.generate({ format: "iife", name: "pdaas" });
  return { code: output[0].code, files: output[0].moduleIds, external };
}

test("the browsers' entry imports nothing of Node", () => {
  const { files, modules } = graphOf(source("browser.ts"));
  expect(files.size).toBeGreaterThan(10);
  const allowed = /^(?:@bufbuild\/protobuf(?:\/\w+)?|@connectrpc\/connect(?:-web)?)$/;
  expect([...modules].filter((name) => !allowed.test(name))).toEqual([]);
  // Node's entry shows that the walk would find it.
  const node = graphOf(source("index.ts")).modules;
  expect([...node]).toEqual(expect.arrayContaining(["node:crypto", "@connectrpc/connect-node"]));
});

test("bundled for browsers: no module of Node, no signing code", async () => {
  const { external, files } = await bundle(source("browser.ts").pathname);
  expect(external).toEqual([]);
  expect(files.filter((file) => /connect-node|grpc-js|src\/signing/.test(file))).toEqual([]);
  expect((await bundle(source("index.ts").pathname)).external).toContain("node:crypto");
});

test("import from pdaas, bundled for browsers: the browsers' entry", async () => {
  const { files } = await bundle("pdaas");
  expect(files).toContain(source("browser.ts").pathname);
  expect(files).not.toContain(source("index.ts").pathname);
});

test("bundled and run with a browser's globals only: logs in and calls", async () => {
  const { baseUrl, requests } = await startServer((router) => {
    router.service(AuthService, {
      login: () => ({
        tokens: { accessToken: "at", accessTokenExpireTime: timestampFromMs(Date.now() + 900_000) },
      }),
      whoAmI: (_, context) => ({
        principal: { id: `${context.requestHeader.get("authorization")}` },
      }),
    });
  });
  const { code } = await bundle(source("browser.ts").pathname);
  const globals = { fetch, Headers, URL, AbortController, AbortSignal, TextEncoder, TextDecoder };
  const page = createContext({
    ...globals,
    setTimeout,
    clearTimeout,
    performance,
    crypto,
    atob,
    btoa,
  });
  runInContext(code, page);
  const principal = await runInContext(
    `new pdaas.Client({ baseUrl: ${JSON.stringify(baseUrl)}, email: "a@b.example", password: "p",
       organizationSlug: "myorg" }).whoAmI()`,
    page,
  );
  expect(principal.id).toBe("Bearer at");
  expect(requests.map(({ target }) => target.split("/").at(-1))).toEqual(["Login", "WhoAmI"]);
});

test.each([{ secretKey: "sk_x" }, { accessKey: "sa_x" }, { accessKey: "sa_x", secretKey: "sk_x" }])(
  "%j in a browser: refused",
  (key) => {
    const options = { baseUrl: "https://api.example.com", ...key };
    expect(() => new Client(options as never)).toThrow("Browsers never hold a secret key");
  },
);

test.each([
  [{ email: "a@b.example" }, "password and organizationSlug are missing"],
  [{ email: undefined, password: "p", organizationSlug: "myorg" }, "email is missing"],
  [{ email: undefined }, "email and password and organizationSlug are missing"],
])("a login of %j in a browser: refused, and says what it lacks", (login, message) => {
  const options = { baseUrl: "https://api.example.com", ...login };
  expect(() => new Client(options as never)).toThrow(message);
});

test("a client without a login in a browser: shows where it calls, and has no session", async () => {
  const client = new Client({ baseUrl: "https://api.example.com" });
  expect(client.toJSON()).toEqual({ baseUrl: "https://api.example.com" });
  await client.close();
});
