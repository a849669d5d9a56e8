import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Client as BrowserClient } from "pdaas/browser";
import type { Browser } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startChromium } from "./harness/chromium.ts";
import { administrator, TestService } from "./harness/service.ts";

const html = `<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
  import { Client } from "/client.js";
  globalThis.Client = Client;
</script>`;

let pages: Server;
let origin: string;
let service: TestService;
let browser: Browser;

beforeAll(async () => {
  const script = await bundle();
  pages = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : html);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => pages.once("listening", resolve));
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  service = await TestService.start({ PDAAS_CORS_ORIGINS: origin });
  browser = await startChromium();
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await service?.[Symbol.asyncDispose]();
  pages?.close();
});

/** The SDK's browser entry as a module that a page can load. */
async function bundle(): Promise<string> {
  const input = join(import.meta.dirname, "../sdk/typescript/src/browser.ts");
  const build = await rolldown({ input, platform: "browser" });
  const { output } = await build.generate({ format: "esm" });
  await build.close();
  expect(output[0].imports).toEqual([]);
  return output[0].code;
}

test("a page of a configured origin logs in, works and logs out through Connect-Web", async () => {
  const page = await browser.newPage();
  await page.goto(origin);
  const result = await page.evaluate(
    async (options) => {
      const { Client } = globalThis as never as { Client: typeof BrowserClient };
      const client = new Client(options);
      const { slug } = await client.organizations.getInfo();
      const made = { accountId: "acc-123", name: "Made in a page" };
      const { id } = await client.serviceAccounts.create(made);
      const refusal = await client.serviceAccounts
        .get({ serviceAccountId: "svc_00000000000000000000000000" })
        .catch((error) => error.reason);
      await client.logout();
      return { slug, id, refusal };
    },
    { baseUrl: service.httpUrl, ...administrator },
  );
  expect(result).toEqual({
    slug: "myorg",
    id: expect.stringMatching(/^svc_/),
    refusal: "RESOURCE_NOT_FOUND",
  });
  const events = await service.auditRows("action in ('CreateServiceAccount', 'Logout')", [], 2);
  expect(events.map(({ action }) => action)).toEqual(["CreateServiceAccount", "Logout"]);
  await page.close();
});

test("a page of another origin gets nothing", async () => {
  const page = await browser.newPage();
  await page.goto(origin.replace("127.0.0.1", "localhost"));
  const outcome = await page.evaluate(async (url) => {
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    return fetch(`${url}/pdaas.v1.AuthService/Login`, request).then(
      () => "answered",
      () => "blocked",
    );
  }, service.httpUrl);
  expect(outcome).toBe("blocked");
  await page.close();
});
