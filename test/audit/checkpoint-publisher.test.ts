import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CheckpointPublisher } from "../../src/audit/checkpoint-publisher.ts";

let cleanup: AsyncDisposableStack;
let folder: string;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), "pdaas-checkpoint-"));
  cleanup.defer(() => rm(folder, { recursive: true }));
});
afterEach(() => cleanup.disposeAsync());

/** Takes checkpoints once it has refused so many. */
async function startWitness(refusals: number) {
  const got: string[] = [];
  const server = createServer(async (request, response) => {
    got.push(`${request.method} ${await text(request)}`);
    response.writeHead(got.length > refusals ? 204 : 503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup.defer(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { got, url: `http://127.0.0.1:${port}/checkpoint` };
}

test("the newest checkpoint is in the file, and nothing else is left there", async () => {
  const file = join(folder, "checkpoint");
  const publisher = new CheckpointPublisher({ file, url: undefined }, () => {});
  publisher.publish("first");
  publisher.publish("second");
  const read = () => readFile(file, "utf8").catch(() => "");
  await expect.poll(read, { timeout: 5_000 }).toBe("second");
  publisher.publish("third");
  await publisher.close();
  expect(await read()).toBe("third");
  expect(await readdir(folder)).toEqual(["checkpoint"]);
});

test("what a URL has not taken is sent again, the newest in its place", async () => {
  const errors: unknown[] = [];
  const { got, url } = await startWitness(1);
  const publisher = new CheckpointPublisher({ file: undefined, url }, (error) =>
    errors.push(error),
  );
  publisher.publish("first");
  await expect.poll(() => errors, { timeout: 5_000 }).toHaveLength(1);
  publisher.publish("second");
  await expect.poll(() => got, { timeout: 5_000 }).toEqual(["PUT first", "PUT second"]);
  await publisher.close();
  expect(errors).toHaveLength(1);
  expect(got).toHaveLength(2);
});
