import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../src/config.ts";
import { type Service, startService } from "../../src/service.ts";
import { envelope, postHttp, postHttp2, signedHeaders } from "../harness/raw.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const client = "203.0.113.7";
const loopback = "127.0.0.1";

let service: TestService;
let key: TestKey;
const services: Record<string, Service> = {};

beforeAll(async () => {
  service = await TestService.start({ PDAAS_TRUSTED_PROXIES: "10.0.0.0/8, 127.0.0.1/32" });
  services.behindProxy = service.service;
  services.behindForwarded = await service.replica({
    PDAAS_TRUSTED_PROXIES: "127.0.0.1/32",
    PDAAS_FORWARDED_HEADER: "forwarded",
  });
  services.direct = await service.replica();
  key = await service.issueKey();
});
afterAll(() => service[Symbol.asyncDispose]());

type Headers = Record<string, string | string[]>;
type Send = (service: Service, headers: Headers) => Promise<unknown>;

const path = "/pdaas.v1.OrganizationService/GetOrganization";

/** A call with a known key and a signature that does not hold, which the audit log must have. */
const servers: Record<string, Send> = {
  "gRPC server": ({ grpcAddress }, headers) => sendGrpc(`http://${grpcAddress}`, headers),
  "HTTP server, gRPC": ({ httpUrl }, headers) => sendGrpc(httpUrl, headers),
  "HTTP server, Connect": async ({ httpUrl }, headers) => {
    const answer = await postHttp(
      httpUrl + path,
      { ...wronglySigned(httpUrl, "application/json", "{}"), ...headers },
      "{}",
    );
    return answer.headers["x-request-id"];
  },
};

async function sendGrpc(origin: string, headers: Headers): Promise<unknown> {
  const body = envelope(new Uint8Array());
  const signed = wronglySigned(origin, "application/grpc", body);
  const answer = await postHttp2(origin + path, { ...signed, te: "trailers", ...headers }, body);
  return answer.headers["x-request-id"];
}

function wronglySigned(origin: string, contentType: string, body: Uint8Array | string) {
  const wrong = { ...key, secretKey: `${key.secretKey}x` };
  return signedHeaders(wrong, origin + path, contentType, body);
}

describe.each(Object.entries(servers))("%s", (_, send) => {
  const both = { "x-forwarded-for": client, forwarded: "for=198.51.100.1" };

  test.each<[string, string, Headers, string]>([
    ["without the setting: the peer", "direct", both, loopback],
    ["x-forwarded-for: its address", "behindProxy", both, client],
    ["forwarded: its address", "behindForwarded", both, "198.51.100.1"],
    ["neither header: the proxy", "behindProxy", {}, loopback],
    ["several proxies", "behindProxy", { "x-forwarded-for": `${client}, 10.1.2.3` }, client],
    ["what cannot be read: no address", "behindProxy", { "x-forwarded-for": "unknown" }, ""],
    [
      "a line of the client's, and one of the proxy's",
      "behindProxy",
      { "x-forwarded-for": ["198.51.100.1", client] },
      client,
    ],
    [
      "a line of the client's with an open quote, and one of the proxy's",
      "behindForwarded",
      { forwarded: ['for="198.51.100.1', `for="${client}:4711"`] },
      client,
    ],
  ])("%s", async (_, name, headers, address) => {
    const requestId = await send(services[name] as Service, headers);
    const [event] = await service.auditRows("request_id = $1", [requestId], 1);
    expect(event).toMatchObject({ address, api_key_id: key.apiKeyId });
  });
});

test("a proxy that is not a canonical CIDR is refused at the start, and the right one offered", async () => {
  const nowhere = {
    PDAAS_DATABASE_URL: "postgres://127.0.0.1:1/none",
    PDAAS_REDIS_URL: "redis://x",
  };
  const config = readConfig({ ...nowhere, PDAAS_TRUSTED_PROXIES: "10.0.0.0/8,192.0.2.1/24" });
  const starting = startService(config, pino({ level: "silent" }), () => {});
  const error = await starting.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).message).toMatch(
    /^PDAAS_TRUSTED_PROXIES: "192.0.2.1\/24" .+ Write 192.0.2.0\/24\.$/,
  );
});
